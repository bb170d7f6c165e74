from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.content import publish, staging
from storage.leftovers import Removed, remove_checkpoints, remove_matrices

NOW = datetime.now(UTC)


def checkpoint(root: Path, name: str, age: timedelta, content: bytes = b"weights") -> Path:
    root.mkdir(exist_ok=True)
    path = root / name
    path.write_bytes(content)
    written = (NOW - age).timestamp()
    os.utime(path, (written, written))
    return path


def test_checkpoints_go_once_they_are_old_enough(tmp_path: Path) -> None:
    old = checkpoint(tmp_path, "old.npz", timedelta(days=3, seconds=1))
    young = checkpoint(tmp_path, "young.npz", timedelta(days=2, hours=23))
    other = checkpoint(tmp_path, "notes.txt", timedelta(days=99))

    assert remove_checkpoints(tmp_path, NOW - timedelta(days=3)) == Removed(1, len(b"weights"))
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_where_there_are_no_checkpoints_none_are_removed(tmp_path: Path) -> None:
    assert remove_checkpoints(tmp_path / "nowhere", NOW) == Removed(0, 0)
    assert remove_matrices(tmp_path / "nowhere", lambda _: True) == Removed(0, 0)


def test_a_checkpoint_that_goes_by_itself_meanwhile_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = checkpoint(tmp_path, "gone.npz", timedelta(days=9))
    stays = checkpoint(tmp_path, "stays.npz", timedelta(days=9))
    monkeypatch.setattr(Path, "glob", lambda *_: [gone, stays])
    gone.unlink()

    assert remove_checkpoints(tmp_path, NOW).number == 1
    assert not stays.exists()


def matrices(root: Path, snapshot_id: object, content: str = "rows") -> Path:
    with staging(root) as folder:
        (folder / "train.parquet").write_text(content, encoding="utf-8")
        return publish(folder, {"snapshot_id": snapshot_id})


def test_matrices_go_with_their_whole_folder_where_nobody_uses_their_snapshot(tmp_path: Path) -> None:
    unused, used = matrices(tmp_path, "s1"), matrices(tmp_path, "s2")
    size = sum(path.stat().st_size for path in unused.iterdir())

    assert remove_matrices(tmp_path, lambda snapshot_id: snapshot_id == "s1") == Removed(1, size)
    assert list(tmp_path.iterdir()) == [used]


def test_each_is_asked_about_right_before_it_goes(tmp_path: Path) -> None:
    for name in ("s1", "s2", "s3"):
        matrices(tmp_path, name)
    left: list[int] = []

    def is_unused(_snapshot_id: str) -> bool:
        left.append(len(list(tmp_path.iterdir())))
        # After the first removal, somebody comes.
        return len(left) == 1

    assert remove_matrices(tmp_path, is_unused).number == 1
    assert left == [3, 2, 2]


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"snapshot_id": null}', '{"snapshot_id": 1}'])
def test_matrices_of_which_nobody_knows_the_snapshot_stay(tmp_path: Path, manifest: str) -> None:
    folder = matrices(tmp_path, "s1")
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")

    assert remove_matrices(tmp_path, lambda _: True) == Removed(0, 0)
    assert folder.is_dir()
