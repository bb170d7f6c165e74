from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from storage.errors import OptionError, StoreError
from storage.metrics import engine
from storage.metrics.engine import reading_engine, wal_is_safe, writing_engine

if TYPE_CHECKING:
    from tests.storage.conftest import Bench, FileBench


def pragma(url: str, name: str) -> object:
    made = writing_engine(url)
    with made.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 7, 0), False),
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 99), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_wal_is_safe_from_the_fixed_versions_on(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe


@pytest.mark.parametrize(("safe", "journal"), [(True, "wal"), (False, "delete")])
def test_the_journal_is_wal_only_where_wal_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, safe: bool, journal: str
) -> None:
    asked: list[tuple[int, ...]] = []

    def answer(version: tuple[int, int, int]) -> bool:
        asked.append(version)
        return safe

    monkeypatch.setattr(engine, "wal_is_safe", answer)

    assert pragma(f"sqlite:///{tmp_path}/metrics.db", "journal_mode") == journal
    assert asked == [sqlite3.sqlite_version_info]


@pytest.mark.parametrize(
    ("name", "value"), [("synchronous", 2), ("foreign_keys", 1), ("recursive_triggers", 1), ("busy_timeout", 30_000)]
)
def test_a_writing_connection_is_safe_by_its_pragmas(file_bench: FileBench, name: str, value: int) -> None:
    assert pragma(file_bench.url, name) == value


def test_a_transaction_holds_the_write_lock_from_its_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 10)
    with writing_engine(bench.url).begin(), pytest.raises(OperationalError, match=r"locked|lock timeout"):
        writing_engine(bench.url).begin().__enter__()


def test_a_reader_is_not_kept_out_by_a_writer_that_has_not_committed(bench: Bench) -> None:
    bench.start_run()
    with writing_engine(bench.url).begin() as writing:
        writing.exec_driver_sql("UPDATE runs SET message = 'half done'")
        with reading_engine(bench.url).connect() as reading:
            assert reading.exec_driver_sql("SELECT message FROM runs").scalar() == "running"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET message = 'changed'",
        "DELETE FROM runs",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE more (id INTEGER)",
        "DROP TABLE runs",
    ],
)
def test_a_reading_connection_cannot_write(file_bench: FileBench, statement: str) -> None:
    file_bench.start_run()
    before = file_bench.file.read_bytes()

    with reading_engine(file_bench.url).connect() as connection:
        with pytest.raises(OperationalError, match="attempt to write a readonly database"):
            connection.exec_driver_sql(statement)
        connection.commit()

    assert file_bench.file.read_bytes() == before


@pytest.mark.parametrize("name", ["metrics.db", "folder/metrics.db"])
def test_a_missing_file_is_a_store_error_and_is_not_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=f"there is no metrics store at {tmp_path}/{name} yet: `retrain run` makes it"):
        reading_engine(f"sqlite:///{tmp_path}/{name}")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_the_memory_is_no_store_to_read(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}", "sqlite://"):
        with pytest.raises(StoreError, match="there is no metrics store"):
            reading_engine(url)


@pytest.mark.parametrize("url", ["nosuch://host/name", "postgresql+nosuch://host/name", "metrics.db", ""])
def test_a_url_that_sqlalchemy_does_not_know_is_refused_with_a_sentence(url: str) -> None:
    for make in (writing_engine, reading_engine):
        with pytest.raises(
            OptionError, match=r"RETRAIN_DATABASE_URL cannot be used: .* Expected a SQLAlchemy URL"
        ) as caught:
            make(url)
        assert f"received {url!r}" in str(caught.value)


def test_a_driver_that_is_not_installed_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(OptionError, match=r"package psycopg is not installed \(`pip install '\.\[postgresql\]'`"):
        writing_engine("postgresql+psycopg://host/name")


def test_a_url_whose_port_is_no_number_is_refused() -> None:
    with pytest.raises(OptionError, match="RETRAIN_DATABASE_URL cannot be used"):
        writing_engine("postgresql://host:port/name")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nosuch://user:secret@host/name",
        "postgresql://user:secret@host:port/name",
        "postgresql://user:p@secret:word@host/name",
        "mysql://user:secret@host/name?ssl_key=secret",
        "postgresql+asyncpg://user:secret@host/name",
    ],
)
def test_a_password_is_not_repeated_in_an_error(url: str) -> None:
    with pytest.raises(OptionError) as caught:
        writing_engine(url)

    assert "secret" not in str(caught.value)


def test_a_database_that_is_neither_sqlite_nor_postgresql_is_refused() -> None:
    with pytest.raises(OptionError, match="no store can be kept in 'mysql'"):
        writing_engine("mysql://host/name")


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:///metrics.db", "postgresql+asyncpg://host/name"])
def test_an_asynchronous_driver_is_refused(url: str) -> None:
    with pytest.raises(OptionError, match="is asynchronous"):
        writing_engine(url)
