from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.errors import MissingStoreError, StoreError
from storage.metrics import engine
from storage.metrics.integrity import damage_of

if TYPE_CHECKING:
    from tests.storage.conftest import Bench, FileBench


@pytest.fixture
def bench(file_bench: FileBench) -> FileBench:
    return file_bench


def test_a_store_in_use_is_whole(bench: Bench) -> None:
    bench.promote()

    assert damage_of(bench.url) == []


def test_a_page_that_was_overwritten_is_found(bench: FileBench) -> None:
    for _ in range(200):
        bench.start_run(options={"filling": "x" * 500})
    content = bytearray(bench.file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\x07" * 4096
    bench.file.write_bytes(content)

    damage = damage_of(bench.url)
    assert damage
    assert all("\n" not in words for words in damage)
    assert len(damage) <= 10


def test_a_file_that_is_no_database_any_more_is_damaged(bench: FileBench) -> None:
    bench.file.write_bytes(b"nothing" * 1000)

    assert damage_of(bench.url) == ["file is not a database"]


def test_a_row_that_lost_its_parent_is_found(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.snapshot(run_id)
    bench.query("DELETE FROM snapshots")

    assert damage_of(bench.url) == ["row 1 of runs refers to a row of snapshots that is not there"]


def test_nothing_is_written_and_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MissingStoreError):
        damage_of(f"sqlite:///{tmp_path / 'metrics.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_locked_store_is_not_called_damaged(bench: FileBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 10)
    with closing(sqlite3.connect(bench.file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="could not be checked: database is locked"):
            damage_of(bench.url)


def test_another_database_is_not_checked(server_bench: Bench) -> None:
    assert damage_of(server_bench.url) is None
