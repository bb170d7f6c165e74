from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storage import content, processes
from storage.content import (
    MANIFEST,
    canonical_json,
    make_staging,
    publish,
    read_manifest,
    sha256_of_file,
    sha256_of_json,
    staging,
    sweep,
)
from storage.errors import ContentError
from storage.processes import start_mark

if TYPE_CHECKING:
    from tests.storage.conftest import Spawn

Flip = Callable[[Path, int], None]

# Publishes for ever: new content, content that is there already, and content under a name of its own.
PUBLISHER = """
import itertools, os, sys
from pathlib import Path
from storage.content import publish, staging
root = Path(sys.argv[1])
print("ready", flush=True)
for number in itertools.count():
    with staging(root) as folder:
        word = b"again" if number % 4 == 3 else os.urandom(16)
        (folder / "part").mkdir()
        (folder / "part" / "a.bin").write_bytes(word * 4096)
        (folder / "b.bin").write_bytes(word)
        publish(folder, {"word": word.hex()}, name=f"named-{os.getpid()}-{number}" if number % 4 == 1 else None)
"""

STAGER = """
import sys
from pathlib import Path
from storage.content import make_staging
folder = make_staging(Path(sys.argv[1]))
(folder / "half").touch()
print(folder, flush=True)
sys.stdin.readline()
"""


def published(root: Path, text: str = "hello", **manifest: Any) -> Path:
    with staging(root) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "part").mkdir()
        (folder / "part" / "b.txt").write_text("world")
        return publish(folder, manifest)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_canonical_json_refuses_what_is_not_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


def test_equal_values_have_equal_json_and_equal_hashes() -> None:
    first, second = {"b": [1, 2.5], "a": "é"}, {"a": "é", "b": [1, 2.5]}

    assert canonical_json(first) == canonical_json(second) == '{"a":"é","b":[1,2.5]}'
    assert sha256_of_json(first) == sha256_of_json(second)
    assert sha256_of_json(first) != sha256_of_json({**first, "a": "e"})


def test_the_hash_of_a_file_is_the_hash_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100_000)

    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_published_folder_lists_the_hash_of_each_of_its_files(tmp_path: Path) -> None:
    folder = published(tmp_path, kind="test")

    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest == {
        "kind": "test",
        "files": {
            "a.txt": hashlib.sha256(b"hello").hexdigest(),
            "part/b.txt": hashlib.sha256(b"world").hexdigest(),
        },
    }
    assert read_manifest(folder) == manifest


def test_a_folder_is_named_after_its_manifest_and_leaves_no_staging_behind(tmp_path: Path) -> None:
    folder = published(tmp_path)

    assert folder.name == sha256_of_file(folder / MANIFEST)
    assert names(tmp_path) == [folder.name]
    assert read_manifest(folder, digest=folder.name)


def test_a_folder_may_be_given_a_name(tmp_path: Path) -> None:
    with staging(tmp_path) as folder:
        (folder / "a.txt").write_text("hello")
        assert publish(folder, {}, name="mine") == tmp_path / "mine"


def test_publishing_equal_content_again_drops_the_copy(tmp_path: Path) -> None:
    first = published(tmp_path)
    inode = (first / "a.txt").stat().st_ino

    assert published(tmp_path) == first
    assert names(tmp_path) == [first.name]
    assert (first / "a.txt").stat().st_ino == inode
    assert published(tmp_path, text="other") != first
    assert published(tmp_path, kind="other") != first


def test_something_else_at_the_final_name_is_not_taken_for_a_published_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "unrelated").touch()
    with staging(tmp_path) as folder, pytest.raises(OSError, match="not empty"):
        publish(folder, {}, name="mine")

    assert names(tmp_path) == ["mine"]


def test_a_staging_folder_is_removed_when_the_work_in_it_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staging(tmp_path / "new") as folder:
        shutil.copy(tmp_path / "missing", folder)

    assert names(tmp_path / "new") == []


def test_files_and_folders_are_flushed_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, bool]] = []

    def note(path: Path) -> None:
        flushed.append((path.name, (tmp_path / "mine").exists()))

    monkeypatch.setattr(content, "flush", note)
    with staging(tmp_path) as folder:
        (folder / "a.txt").write_text("hello")
        publish(folder, {}, name="mine")

    assert flushed == [("a.txt", False), (MANIFEST, False), (folder.name, False), (tmp_path.name, True)]


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("name", ["a.txt", "part/b.txt"])
def test_a_changed_byte_is_refused(tmp_path: Path, flip: Flip, name: str, position: int) -> None:
    folder = published(tmp_path)
    flip(folder / name, position)

    with pytest.raises(ContentError, match=f"{name} has changed since it was published: its SHA-256 is not "):
        read_manifest(folder)


@pytest.mark.parametrize("name", ["a.txt", "part/b.txt"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = published(tmp_path)
    (folder / name).unlink()

    with pytest.raises(ContentError, match=f"{name} is missing, although the manifest lists it"):
        read_manifest(folder)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    folder = published(tmp_path)
    os.truncate(folder / "a.txt", 4)

    with pytest.raises(ContentError, match="has changed since it was published"):
        read_manifest(folder)


def test_a_manifest_rewritten_to_fit_changed_files_is_refused_by_its_digest(tmp_path: Path) -> None:
    folder = published(tmp_path)
    digest = folder.name
    (folder / "a.txt").write_text("changed")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["a.txt"] = hashlib.sha256(b"changed").hexdigest()
    (folder / MANIFEST).write_text(canonical_json(manifest))

    assert read_manifest(folder) == manifest
    with pytest.raises(ContentError, match=f"is not the one that was published: its hash is not {digest}"):
        read_manifest(folder, digest=digest)


def test_every_flipped_bit_of_a_manifest_is_refused_by_its_digest(tmp_path: Path, flip: Flip) -> None:
    folder = published(tmp_path)
    manifest = folder / MANIFEST

    for position in range(len(manifest.read_bytes())):
        flip(manifest, position)
        with pytest.raises(ContentError):
            read_manifest(folder, digest=folder.name)
        flip(manifest, position)
    assert read_manifest(folder, digest=folder.name)


@pytest.mark.parametrize("text", ["", "{", '{"kind":"no files"}', "\ufeff{}"])
def test_a_torn_manifest_is_refused(tmp_path: Path, text: str) -> None:
    folder = published(tmp_path)
    (folder / MANIFEST).write_text(text)

    with pytest.raises(ContentError, match=r"has no readable manifest.json: it was removed or damaged"):
        read_manifest(folder)


@pytest.mark.parametrize("text", ["[1]", "null", '{"files":1}', '{"files":["a.txt"]}'])
def test_a_manifest_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    folder = published(tmp_path)
    (folder / MANIFEST).write_text(text)

    with pytest.raises(ContentError):
        read_manifest(folder)


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = published(tmp_path)
    (folder / MANIFEST).write_bytes(b"\xff\xfe{}")

    with pytest.raises(ContentError, match="removed or damaged"):
        read_manifest(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"nowhere has no readable manifest.json"):
        read_manifest(tmp_path / "nowhere")


def test_a_publication_that_failed_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    folder = make_staging(tmp_path)
    (folder / "a.txt").write_text("hello")
    with monkeypatch.context() as patch:
        patch.setattr(content, "flush", full)
        with pytest.raises(OSError, match="No space left"):
            publish(folder, {"try": 1})

    target = publish(folder, {"try": 2})

    assert read_manifest(target, digest=target.name)["try"] == 2


def test_a_sweep_removes_only_what_dead_processes_left(tmp_path: Path, spawn: Spawn) -> None:
    dead, alive = (spawn(STAGER, str(tmp_path)) for _ in range(2))
    folders = []
    for child in (dead, alive):
        assert child.stdout is not None
        folders.append(Path(child.stdout.readline().strip()))
    dead.kill()
    dead.wait()
    mine, done, unrelated = make_staging(tmp_path), published(tmp_path), tmp_path / "unrelated"
    unrelated.mkdir()

    assert sweep(tmp_path) == [folders[0]]
    assert names(tmp_path) == sorted([folders[1].name, mine.name, done.name, unrelated.name])


@pytest.mark.parametrize(("seconds", "swept"), [(-60.0, True), (0.0, False), (60.0, True)])
def test_a_process_that_got_the_id_of_a_dead_one_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, swept: bool
) -> None:
    folder = make_staging(tmp_path)
    mark = start_mark(os.getpid())
    assert mark is not None
    monkeypatch.setattr(processes, "start_mark", lambda _: mark + seconds)

    assert sweep(tmp_path) == ([folder] if swept else [])


def test_a_sweep_of_a_root_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path / "nowhere") == []


def test_a_folder_that_only_looks_like_a_staging_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".staging-by-hand").mkdir()

    assert sweep(tmp_path) == []
    assert names(tmp_path) == [".staging-by-hand"]


def test_a_kill_at_any_moment_leaves_whole_folders_and_orphans_only(tmp_path: Path, spawn: Spawn) -> None:
    chance = random.Random(2025)
    num_orphans = 0
    for _ in range(20):
        child = spawn(PUBLISHER, str(tmp_path))
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.1))
        child.kill()
        child.wait()

        orphans = [path for path in tmp_path.iterdir() if path.name.startswith(".staging-")]
        num_orphans += len(orphans)
        assert sorted(sweep(tmp_path)) == sorted(orphans)
        for folder in tmp_path.iterdir():
            named = folder.name.startswith("named-")
            manifest = read_manifest(folder, digest=None if named else folder.name)
            assert sorted(manifest["files"]) == ["b.bin", "part/a.bin"]

    assert num_orphans, "no kill hit a publication: the test proved nothing"
    assert names(tmp_path), "nothing was published: the test proved nothing"
