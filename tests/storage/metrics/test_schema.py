"""Stores of earlier schemas, each written by the code of its time and kept in `earlier` as text, are upgraded.

The first ones are of a revision that grew while it was the newest."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from storage.errors import MissingStoreError, SchemaVersionError, StoreError
from storage.metrics import schema
from storage.metrics.backups import back_up
from storage.metrics.integrity import changes_of, damage_of
from storage.metrics.reader import MetricsReader
from storage.metrics.schema import make_schema, upgrade_store
from storage.metrics.shape import shape_of
from storage.metrics.store import MetricsStore
from storage.metrics.tables import REVISIONS, Base
from tests.storage.metrics.conftest import EARLIER, MakeEarlier

if TYPE_CHECKING:
    from tests.storage.conftest import FileBench, Spawn

NAMES = sorted(path.stem for path in EARLIER.glob("*.sql"))
HEAD = REVISIONS[-1]
Rows = dict[str, list[dict[str, Any]]]


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def rows_of(file: Path) -> Rows:
    """All rows of all tables, without those that only say which schema it is."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY rowid")]
            for name in names
            if not name.endswith("_version")
        }


def run(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(statement)


def backups_of(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}.before-*"))


# What is there to upgrade


def test_the_steps_are_the_revisions_of_the_tables_one_after_the_other() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    steps = list(ScriptDirectory.from_config(config).walk_revisions())

    assert tuple(step.revision for step in reversed(steps)) == REVISIONS
    assert all((Path(step.path).name).startswith(f"{step.revision}_") for step in steps)


def test_each_earlier_revision_has_a_store_here() -> None:
    assert {name.split("_")[1] for name in NAMES} == set(REVISIONS[:-1])


# Upgrading


@pytest.mark.parametrize("name", NAMES)
def test_an_upgraded_store_has_the_schema_of_a_new_one(make_earlier: MakeEarlier, name: str) -> None:
    file = make_earlier(name)

    MetricsStore(url_of(file))

    with create_engine("sqlite://").begin() as new, create_engine(url_of(file)).connect() as upgraded:
        make_schema(new)
        assert shape_of(upgraded) == shape_of(new)
    assert damage_of(url_of(file)) == []
    assert changes_of(url_of(file)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_in_the_upgraded_store_as_it_was(make_earlier: MakeEarlier, name: str) -> None:
    file = make_earlier(name)
    before = rows_of(file)

    MetricsStore(url_of(file))

    after = rows_of(file)
    assert set(before) <= set(after) == set(Base.metadata.tables)
    for table, rows in before.items():
        assert rows, table
        kept = [{column: row[column] for column in old} for old, row in zip(rows, after[table], strict=True)]
        assert kept == rows
    added = {(table, column) for table, rows in before.items() for column in after[table][0].keys() - rows[0].keys()}
    for table, column in added:
        assert {row[column] for row in after[table]} == {None if column == "slot" else ""}


@pytest.mark.parametrize("name", NAMES)
def test_an_upgraded_store_is_read_and_written_as_any_other(make_earlier: MakeEarlier, name: str) -> None:
    file = make_earlier(name)
    num_champions = len(rows_of(file)["champions"])

    bench = bench_of(file)

    assert [champion.reason for champion in bench.reader.champions("imdb")][:2] == ["the first one", "better by 0.08"]
    assert len(bench.reader.champions("imdb")) == num_champions
    assert bench.reader.num_comparisons("t1") == 2
    assert [bench.reader.run(run.id)["id"] for run in bench.reader.history()] == [
        run.id for run in bench.reader.history()
    ]
    bench.promote(position=num_champions)
    assert len(bench.reader.champions("imdb")) == num_champions + 1


def bench_of(file: Path) -> FileBench:
    from tests.storage.conftest import FileBench

    return FileBench(MetricsStore(url_of(file)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", ["champions", "comparisons", "decisions", "diagnoses", "gates"])
def test_what_was_decided_before_an_upgrade_cannot_be_changed_after_it(
    make_earlier: MakeEarlier, name: str, table: str
) -> None:
    file = make_earlier(name)
    MetricsStore(url_of(file))
    before = rows_of(file)[table]

    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET rowid = rowid"):
        with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
            run(file, statement)
    assert rows_of(file)[table] == before


@pytest.mark.parametrize("name", NAMES)
def test_the_older_store_is_kept_beside_the_upgraded_one(
    make_earlier: MakeEarlier, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = make_earlier(name)
    before = dump(file)

    with caplog.at_level(logging.INFO, logger="storage"):
        MetricsStore(url_of(file))
        MetricsStore(url_of(file))

    (backup,) = backups_of(file)
    assert dump(backup) == before
    assert backup.name.startswith(f"metrics.db.before-{HEAD}-")
    (told,) = (record.message for record in caplog.records)
    assert told.startswith(f"upgraded the metrics store at {url_of(file)} from schema 000")
    assert told.endswith(f"to {HEAD}; as it was, it is in {backup}")


def test_a_view_of_somebody_else_is_still_there_after_an_upgrade(make_earlier: MakeEarlier) -> None:
    file = make_earlier("revision_0001")
    run(file, "CREATE VIEW mine AS SELECT model, line FROM candidates JOIN runs ON runs.id = run_id")

    bench = bench_of(file)

    assert len(bench.query("SELECT * FROM mine")) == bench.count("candidates")
    assert changes_of(bench.url) == []


# What goes wrong


def fail(*_: object) -> None:
    raise RuntimeError("a fault")


@pytest.mark.parametrize("name", NAMES)
def test_an_upgrade_that_fails_leaves_the_older_store_as_it_was(
    make_earlier: MakeEarlier, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_earlier(name)
    before = dump(file)

    with monkeypatch.context() as patch:
        patch.setattr(schema, "_make_triggers", fail)
        with pytest.raises(RuntimeError):
            MetricsStore(url_of(file))
    assert dump(file) == before

    MetricsStore(url_of(file))
    assert changes_of(url_of(file)) == []


KILL = """
import os, signal, sys
from storage.metrics import schema
from storage.metrics.store import MetricsStore

def die(connection):
    # The pages that were changed are on the disk already, as with tables that do not fit into memory.
    connection.exec_driver_sql("PRAGMA cache_size = 1")
    connection.exec_driver_sql("UPDATE runs SET message = 'half done'")
    os.kill(os.getpid(), signal.SIGKILL)

schema._make_triggers = die
MetricsStore(sys.argv[1])
"""


def test_a_process_that_is_killed_while_it_upgrades_leaves_the_older_store_as_it_was(
    make_earlier: MakeEarlier, spawn: Spawn
) -> None:
    file = make_earlier("revision_0001")
    before = dump(file)

    assert spawn(KILL, url_of(file)).wait(timeout=180) == -9

    assert dump(file) == before
    MetricsStore(url_of(file))
    assert changes_of(url_of(file)) == []
    assert damage_of(url_of(file)) == []


OPEN = """
import sys
from storage.metrics.store import MetricsStore
print("ready", flush=True)
sys.stdin.readline()
MetricsStore(sys.argv[1]).reap_dead_runs()
"""


def test_processes_that_open_an_older_store_at_once_upgrade_it_once(make_earlier: MakeEarlier, spawn: Spawn) -> None:
    file = make_earlier("revision_0001")
    before = dump(file)

    children = [spawn(OPEN, url_of(file)) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    assert [child.wait(timeout=180) for child in children] == [0, 0, 0]
    (backup,) = backups_of(file)
    assert dump(backup) == before
    assert changes_of(url_of(file)) == []


def test_a_row_without_its_parent_keeps_a_store_from_being_upgraded(make_earlier: MakeEarlier) -> None:
    file = make_earlier("revision_0002")
    run(file, "DELETE FROM snapshots")
    before = dump(file)

    with pytest.raises(StoreError, match=r"is as it was: row 1 of runs refers to a row of snapshots that is not there"):
        MetricsStore(url_of(file))

    assert dump(file) == before


def test_without_room_for_a_backup_nothing_is_upgraded(
    make_earlier: MakeEarlier, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_earlier("revision_0003")
    before = dump(file)

    def full(file: Path, to: Path) -> None:
        raise StoreError("the metrics store could not be copied: database or disk is full.")

    monkeypatch.setattr(schema, "back_up", full)
    with pytest.raises(StoreError, match="disk is full"):
        MetricsStore(url_of(file))

    assert dump(file) == before


# What is refused


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_of_an_older_store_names_the_command_that_upgrades_it_and_changes_nothing(
    make_earlier: MakeEarlier, name: str
) -> None:
    file = make_earlier(name)
    before = file.read_bytes()

    with pytest.raises(SchemaVersionError) as caught:
        MetricsReader(url_of(file))

    assert f"the metrics store at {url_of(file)} has the schema 000" in str(caught.value)
    assert "`retrain db upgrade` makes a backup, and upgrades it" in str(caught.value)
    assert file.read_bytes() == before
    assert backups_of(file) == []


@pytest.mark.parametrize("revision", ["0005", "0000", "a1b2c3"])
@pytest.mark.parametrize("opened", [MetricsStore, MetricsReader, upgrade_store])
def test_a_store_of_a_later_program_is_refused_with_a_sentence(
    file_bench: FileBench, opened: Any, revision: str
) -> None:
    file_bench.query("UPDATE alembic_version SET version_num = ?", revision)
    before = dump(file_bench.file)

    with pytest.raises(SchemaVersionError) as caught:
        opened(file_bench.url)

    assert str(caught.value) == (
        f"the metrics store at {file_bench.url} has a schema {revision} that this program does not know; the last one "
        f"that it knows is {HEAD}: use the program that made it, or name another store in RETRAIN_DATABASE_URL."
    )
    assert dump(file_bench.file) == before


@pytest.mark.parametrize("opened", [MetricsStore, MetricsReader])
def test_a_store_whose_revision_was_lost_is_refused(file_bench: FileBench, opened: Any) -> None:
    file_bench.query("DELETE FROM alembic_version")

    with pytest.raises(SchemaVersionError, match="has a schema that was lost"):
        opened(file_bench.url)


@pytest.mark.parametrize("number", [0, 4, 99])
@pytest.mark.parametrize("opened", [MetricsStore, MetricsReader])
def test_a_number_that_no_earlier_program_wrote_is_refused(make_earlier: MakeEarlier, opened: Any, number: int) -> None:
    file = make_earlier("revision_0003")
    run(file, f"UPDATE schema_version SET version = {number}")

    with pytest.raises(SchemaVersionError, match=f"has a schema of version {number} that this program does not know"):
        opened(url_of(file))
    assert backups_of(file) == []


def test_a_store_of_the_first_days_is_refused_and_left_alone(make_earlier: MakeEarlier) -> None:
    file = make_earlier("revision_0001")
    run(file, "DROP TABLE diagnoses")

    with pytest.raises(SchemaVersionError, match="has a schema of version 1 that this program does not know"):
        MetricsStore(url_of(file))


def test_a_store_that_is_up_to_date_is_not_upgraded_and_a_missing_one_not_made(
    file_bench: FileBench, tmp_path: Path
) -> None:
    assert upgrade_store(file_bench.url) is None
    assert backups_of(file_bench.file) == []

    with pytest.raises(MissingStoreError):
        upgrade_store(url_of(tmp_path / "none.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_others_is_no_store_to_upgrade(tmp_path: Path) -> None:
    run(tmp_path / "other.db", "CREATE TABLE letters (text TEXT)")

    with pytest.raises(StoreError, match="is a database, but not a metrics store"):
        upgrade_store(url_of(tmp_path / "other.db"))


def test_a_backup_can_stand_in_for_the_store(make_earlier: MakeEarlier, tmp_path: Path) -> None:
    file = make_earlier("revision_0003")
    MetricsStore(url_of(file))
    back_up(backups_of(file)[0], tmp_path / "again.db")

    MetricsStore(url_of(tmp_path / "again.db"))

    assert rows_of(tmp_path / "again.db") == rows_of(file)
