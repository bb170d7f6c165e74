from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.errors import MissingStoreError, OptionError, StoreError
from storage.metrics import backups
from storage.metrics.backups import back_up, back_up_store
from storage.metrics.integrity import damage_of
from storage.metrics.reader import MetricsReader

if TYPE_CHECKING:
    from tests.storage.conftest import FileBench, Spawn


def ids(file: Path) -> list[str]:
    return [run.id for run in MetricsReader(f"sqlite:///{file}").history()]


def test_a_backup_is_the_store_in_one_file(file_bench: FileBench, tmp_path: Path) -> None:
    file_bench.promote()

    back_up_store(file_bench.url, tmp_path / "kept" / "copy.db")

    assert ids(tmp_path / "kept" / "copy.db") == ids(file_bench.file)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["copy.db"]


def test_what_a_writer_has_not_committed_is_not_in_a_backup(file_bench: FileBench, tmp_path: Path) -> None:
    run_id = file_bench.start_run()
    with closing(sqlite3.connect(file_bench.file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE runs SET message = 'half done'")
        back_up(file_bench.file, tmp_path / "copy.db")
        writer.execute("COMMIT")

    (kept,) = MetricsReader(f"sqlite:///{tmp_path / 'copy.db'}").history()
    assert (kept.id, kept.message) == (run_id, "running")
    assert file_bench.reader.history()[0].message == "half done"


WRITE = """
import sys
from storage.metrics.store import MetricsStore
from storage.records import RunStart, Stage

store = MetricsStore(sys.argv[1])
print("ready", flush=True)
while True:
    run_id = store.start_run(RunStart("retrain", "imdb", "command line", {}, 7, False, {}, None))
    store.record_stage(run_id, Stage("ingest", 1.0, 1000))
"""


def test_a_store_that_is_written_to_all_the_time_is_copied_whole(
    file_bench: FileBench, tmp_path: Path, spawn: Spawn
) -> None:
    writer = spawn(WRITE, file_bench.url)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"

    copies = [tmp_path / f"{number}.db" for number in range(3)]
    for copy in copies:
        back_up_store(file_bench.url, copy)

    assert writer.poll() is None
    assert [damage_of(f"sqlite:///{copy}") for copy in copies] == [[], [], []]


def test_what_is_still_in_the_log_of_a_store_is_in_its_backup(file_bench: FileBench, tmp_path: Path) -> None:
    run_id = file_bench.start_run()
    with closing(sqlite3.connect(file_bench.file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("UPDATE runs SET message = 'in the log'")
        back_up(file_bench.file, tmp_path / "copy.db")

    (kept,) = MetricsReader(f"sqlite:///{tmp_path / 'copy.db'}").history()
    assert (kept.id, kept.message) == (run_id, "in the log")
    assert not (tmp_path / "copy.db-wal").exists()


def test_nothing_is_written_over(file_bench: FileBench, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("to a friend")

    with pytest.raises(OptionError, match=r"letter.txt is there already, and no backup is written over"):
        back_up_store(file_bench.url, tmp_path / "letter.txt")

    assert (tmp_path / "letter.txt").read_text() == "to a friend"


def test_whoever_was_faster_keeps_the_name(
    file_bench: FileBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "kept" / "copy.db"

    def copy(file: Path, copy: Path) -> None:
        copy.write_text("mine")
        to.write_text("theirs")

    monkeypatch.setattr(backups, "_copy", copy)
    with pytest.raises(OptionError, match="is there already"):
        back_up(file_bench.file, to)

    assert to.read_text() == "theirs"
    assert list(to.parent.iterdir()) == [to]


def test_a_copy_of_a_damaged_store_is_not_kept(file_bench: FileBench, tmp_path: Path) -> None:
    for _ in range(200):
        file_bench.start_run(options={"filling": "x" * 500})
    content = bytearray(file_bench.file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\x07" * 4096
    file_bench.file.write_bytes(content)

    with pytest.raises(StoreError, match=r"is not whole, and was not kept|could not be copied: .* malformed"):
        back_up_store(file_bench.url, tmp_path / "kept" / "copy.db")

    assert list((tmp_path / "kept").iterdir()) == []


def test_a_file_that_is_no_database_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "metrics.db").write_text("a letter to a friend, and nothing else " * 100)

    with pytest.raises(StoreError, match="could not be copied: file is not a database"):
        back_up(tmp_path / "metrics.db", tmp_path / "kept" / "copy.db")


def test_a_missing_store_has_no_backup_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MissingStoreError):
        back_up_store(f"sqlite:///{tmp_path / 'metrics.db'}", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(file_bench: FileBench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OptionError, match=r"copy.db cannot be written \(.*\): name another file"):
        back_up(file_bench.file, tmp_path / "file" / "copy.db")


def test_a_server_makes_its_own_backups(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is on a server, which makes backups of its own: `pg_dump`"):
        back_up_store("postgresql+psycopg://somebody:secret@nowhere/metrics", tmp_path / "copy.db")
