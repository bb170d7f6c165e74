from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from storage.checkpoints import Checkpoint, checkpoint_file, read_checkpoint, write_checkpoint
from storage.content import sweep
from storage.errors import ContentError

KEPT = Checkpoint(
    {"epochs": [{"loss": 0.1 + 0.2}], "best": None},
    {"seed": np.array([7, 2**32 - 1], dtype=np.uint32), "weights": np.arange(6, dtype=np.float32).reshape(2, 3)},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return checkpoint_file(tmp_path / "checkpoints", "a" * 64)


def same(one: Checkpoint | None, other: Checkpoint) -> bool:
    return (
        one is not None
        and one.state == other.state
        and list(one.arrays) == list(other.arrays)
        and all(
            one.arrays[name].dtype == array.dtype and np.array_equal(one.arrays[name], array)
            for name, array in other.arrays.items()
        )
    )


def test_a_state_comes_back_as_it_was_written(path: Path) -> None:
    write_checkpoint(path, KEPT)
    assert same(read_checkpoint(path), KEPT)
    assert list(path.parent.iterdir()) == [path]


def test_the_last_state_stands_in_the_place_of_the_one_before(path: Path) -> None:
    later = Checkpoint({"epochs": []}, {"weights": np.ones(3)})
    write_checkpoint(path, KEPT)
    write_checkpoint(path, later)
    assert same(read_checkpoint(path), later)


def test_there_may_be_none(path: Path) -> None:
    assert read_checkpoint(path) is None


def test_no_bit_can_change_unnoticed(path: Path) -> None:
    write_checkpoint(path, KEPT)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1 << (place % 8)
        path.write_bytes(broken)
        try:
            # What changes nothing, such as a time stamp, may change.
            assert same(read_checkpoint(path), KEPT), place
        except ContentError:
            refused += 1
    assert refused > len(whole) / 2


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_torn_file_is_refused_by_its_name(path: Path, share: float) -> None:
    write_checkpoint(path, KEPT)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ContentError, match=r"a{64}\.npz is not a whole checkpoint"):
        read_checkpoint(path)


def test_arrays_without_a_state_are_no_checkpoint(path: Path) -> None:
    path.parent.mkdir()
    np.savez(path, weights=np.ones(3))
    with pytest.raises(ContentError):
        read_checkpoint(path)


def test_objects_are_not_loaded(path: Path) -> None:
    path.parent.mkdir()
    np.savez(path, contents=np.array([{}], dtype=object))
    with pytest.raises(ContentError, match="not a whole checkpoint"):
        read_checkpoint(path)


def test_what_would_unpack_to_more_than_there_is_memory_for_is_not_unpacked(path: Path) -> None:
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("contents.npy", b"\0" * 10**6)
    with pytest.raises(ContentError, match="compressed"):
        read_checkpoint(path)


def test_a_state_that_cannot_be_written_leaves_the_one_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_checkpoint(path, KEPT)
    monkeypatch.setattr("storage.checkpoints.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, Checkpoint({}, {}))
    assert same(read_checkpoint(path), KEPT)
    assert list(path.parent.iterdir()) == [path]


def test_a_process_killed_while_it_writes_leaves_a_whole_state(path: Path) -> None:
    code = """
import itertools, sys
from pathlib import Path
import numpy as np
from storage.checkpoints import Checkpoint, write_checkpoint
for number in itertools.count():
    write_checkpoint(Path(sys.argv[1]), Checkpoint({"number": number}, {"all": np.full(500_000, number)}))
"""
    numbers = []
    for wait in (0.0, 0.013, 0.027, 0.041, 0.06):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
        deadline = time.monotonic() + 180
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(wait)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        found = read_checkpoint(path)
        assert found is not None
        assert (found.arrays["all"] == found.state["number"]).all()
        numbers.append(found.state["number"])
        sweep(path.parent)
        assert list(path.parent.iterdir()) == [path]
    assert len(numbers) == 5
