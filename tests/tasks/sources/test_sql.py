from __future__ import annotations

import socket
import sqlite3
import sys
import traceback
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy

from storage.errors import SourceError, UnavailableSourceError
from tasks.sources import sql
from tasks.sources.base import Limits, RawRows
from tasks.sources.sql import SqlSource

LIMITS = Limits(bytes=2**30, rows=1_000_000, text_length=1000)
SELECT = "SELECT text, label FROM reviews ORDER BY rowid"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return write(tmp_path / "reviews.db", [("good", 1), ("bad", 0)])


def write(path: Path, rows: Sequence[tuple[Any, Any]]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE reviews (text, label)")
        connection.executemany("INSERT INTO reviews VALUES (?, ?)", rows)
    return path


def source_of(path: Path, query: str = SELECT, limits: Limits = LIMITS) -> SqlSource:
    return SqlSource(f"sqlite:///{path}", query, limits, "weekly")


def read(source: SqlSource, columns: Sequence[str] = ("text", "label")) -> list[RawRows]:
    return list(source.batches(columns))


def values(batches: list[RawRows], column: str = "text") -> list[str | None]:
    return [value for rows in batches for value in rows.columns[column]]


def refusal(source: SqlSource) -> str:
    with pytest.raises(SourceError) as caught:
        read(source, source.column_names())
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_the_answer_to_a_query_is_read(database: Path) -> None:
    source = source_of(database)
    assert source.column_names() == ("text", "label")
    [rows] = read(source, ["label", "text"])
    assert rows.columns == {"label": ("1", "0"), "text": ("good", "bad")}
    assert list(rows.places) == ["row 1", "row 2"]
    assert source.origin == f"sqlite:///{database}"
    assert source.sha256 == ""


@pytest.mark.parametrize(
    "query",
    [
        f"  {SELECT} ;\n",
        f"-- the reviews\n/* of this\nweek */ {SELECT}",
        "with r as (select text, label from reviews) select * from r",
        "SELECT text, label, '100 %' AS share, ':name' AS colon FROM reviews WHERE text LIKE '%o%' OR label = 0",
        "SELECT*FROM reviews",
    ],
)
def test_a_query_is_sent_as_it_stands(database: Path, query: str) -> None:
    assert values(read(source_of(database, query))) == ["good", "bad"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("good", "good"),
        (1, "1"),
        (1.0, "1"),
        (7.5, "7.5"),
        (True, "true"),
        (Decimal("1.00"), "1"),
        (Decimal("7.5"), "7.5"),
        (Decimal("NaN"), "NaN"),
        (date(2026, 11, 25), "2026-11-25"),
    ],
)
def test_any_value_becomes_text(value: Any, text: str | None) -> None:
    assert sql._pick([value], [0], ["text"]) == [text]


def test_bytes_are_a_fault_of_their_row(tmp_path: Path) -> None:
    [rows] = read(source_of(write(tmp_path / "r.db", [("good", 1), (b"\x00\x01", 1), ("bad", 0)])))
    assert rows.columns["text"] == ("good", None, "bad")
    assert rows.faults == {1: "'text' is not a text but bytes"}


def test_a_text_that_is_not_utf_8_does_not_end_the_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "r.db", [("good", 1)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO reviews VALUES (CAST(x'636166e9' AS TEXT), 0)")
    assert values(read(source_of(path))) == ["good", "caf\udce9"]


@pytest.mark.parametrize(("count", "sizes"), [(1000, [1000]), (1001, [1000, 1])])
def test_rows_come_in_batches_of_a_thousand(tmp_path: Path, count: int, sizes: list[int]) -> None:
    path = write(tmp_path / "r.db", [(str(number), 1) for number in range(count)])
    assert [len(rows) for rows in read(source_of(path))] == sizes


# Nothing is written.


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM reviews",
        "INSERT INTO reviews VALUES ('new', 1)",
        "DROP TABLE reviews",
        "ATTACH 'other.db' AS other",
        "PRAGMA user_version = 3",
        "SELECTED",
        "-- SELECT\nDELETE FROM reviews",
        "",
        ";",
    ],
)
def test_a_query_must_begin_with_select_or_with(database: Path, query: str) -> None:
    before = database.read_bytes()
    assert "must begin with SELECT or WITH" in refusal(source_of(database, query))
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "query", [f"{SELECT}; DROP TABLE reviews", "SELECT ';'", f"{SELECT};;--", "SELECT 1; SELECT 2"]
)
def test_a_query_must_be_a_single_statement(database: Path, query: str) -> None:
    before = database.read_bytes()
    assert "holds a semicolon" in refusal(source_of(database, query))
    assert database.read_bytes() == before


def test_a_with_that_deletes_is_refused_by_the_database(database: Path) -> None:
    before = database.read_bytes()
    message = refusal(source_of(database, "WITH r AS (SELECT 1) DELETE FROM reviews RETURNING text"))
    assert "readonly database" in message
    assert database.read_bytes() == before


@pytest.mark.parametrize("name", ["a b.db", "50%25.db", "#1.db", "é&x=1.db"])
def test_a_path_may_hold_any_character_of_an_address(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [("good", 1)])
    assert values(read(source_of(path))) == ["good"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_database_is_not_created(tmp_path: Path) -> None:
    assert "there is no SQLite database" in refusal(source_of(tmp_path / "absent.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_holds_nothing(url: str) -> None:
    assert "there is no SQLite database" in refusal(SqlSource(url, SELECT, LIMITS, "weekly"))


def test_an_address_that_asks_to_write_is_read_only_all_the_same(database: Path) -> None:
    url = f"sqlite:///file:{database}?mode=rwc&uri=true"
    assert values(read(SqlSource(url, SELECT, LIMITS, "weekly"))) == ["good", "bad"]
    assert "readonly" in refusal(SqlSource(url, "WITH r AS (SELECT 1) DELETE FROM reviews", LIMITS, "weekly"))


def test_a_transaction_is_rolled_back_and_never_committed(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    read_only = sql._read_only_sqlite

    def listened(url: sqlalchemy.URL, name: str) -> sqlalchemy.Engine:
        engine = read_only(url, name)
        sqlalchemy.event.listen(engine, "commit", lambda _: said.append("commit"))
        sqlalchemy.event.listen(engine, "rollback", lambda _: said.append("rollback"))
        return engine

    monkeypatch.setattr(sql, "_read_only_sqlite", listened)
    read(source_of(database))
    assert said == ["rollback"]


# What fails is said in a sentence, and without the password.


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM absent", "no such table: absent"),
        ("SELECT FROM reviews", "syntax error"),
        ("SELECT text AS a, label AS a FROM reviews", "two columns named 'a'"),
        ("SELECT text AS '' FROM reviews", "has no name"),
    ],
)
def test_a_query_that_fails_says_why(database: Path, query: str, said: str) -> None:
    message = refusal(source_of(database, query))
    assert said in message
    assert "'weekly'" in message


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    path.write_text("text,label\n" * 1000)
    assert "file is not a database" in refusal(source_of(path))


@pytest.mark.parametrize("url", ["", "reviews.db", "postgresql", "postgresql://u:pa55word@host:port/db"])
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    message = refusal(SqlSource(url, SELECT, LIMITS, "weekly"))
    assert "is not one" in message
    assert "pa55word" not in message


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    source = SqlSource("postgresql+psycopg2://user:pa55word@host/db", SELECT, LIMITS, "weekly")
    message = refusal(source)
    assert "needs the Python package psycopg2" in message
    assert "pa55word" not in message


def test_an_unknown_database_is_named() -> None:
    message = refusal(SqlSource("nosuch://user:pa55word@host/db", SELECT, LIMITS, "weekly"))
    assert "no driver for the address nosuch://" in message
    assert "pa55word" not in message


def test_an_asynchronous_driver_is_refused() -> None:
    pytest.importorskip("asyncpg")
    assert "asynchronous" in refusal(SqlSource("postgresql+asyncpg://host/db", SELECT, LIMITS, "weekly"))


def test_the_origin_and_the_printed_source_hide_the_password() -> None:
    source = SqlSource("postgresql://user:pa55word@host/db?sslpassword=s3cret", SELECT, LIMITS, "weekly")
    assert source.origin == "postgresql://user:***@host/db"
    assert "pa55word" not in repr(source)
    assert "s3cret" not in repr(source)


def test_a_driver_that_quotes_the_password_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine(*_: object, **__: object) -> sqlalchemy.Engine:
        def connect() -> Any:
            raise sqlite3.OperationalError(f"cannot log in as user with {password} and {key}.")

        return real("sqlite://", creator=connect)

    # Put together here, as a traceback shows the lines of this file.
    password, key = "".join(["pa55", "word"]), "".join(["s3", "cret"])
    real = sqlalchemy.create_engine
    monkeypatch.setattr(sqlalchemy, "create_engine", engine)
    source = SqlSource(f"postgresql://user:{password}@host/db?sslpassword={key}", SELECT, LIMITS, "weekly")
    with pytest.raises(SourceError) as caught:
        source.column_names()
    assert "failed: cannot log in as user with *** and ***." in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert password not in shown
    assert key not in shown


# A database that may answer later.


def kind_of(source: SqlSource) -> type[Exception]:
    with pytest.raises(SourceError) as caught:
        source.column_names()
    return type(caught.value)


def test_a_locked_database_may_answer_later(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert kind_of(source_of(database)) is UnavailableSourceError
    assert source_of(database).column_names() == ("text", "label")


@pytest.mark.parametrize("query", ["SELECT nothing FROM nowhere", "SELECT nothing FROM reviews", "SELECT"])
def test_a_wrong_query_stays_wrong(database: Path, query: str) -> None:
    assert kind_of(source_of(database, query)) is SourceError


class Driver(ModuleType):
    """A database driver (PEP 249) whose every connection and query ends with the same error."""

    paramstyle, __version__ = "pyformat", "2.9.9"

    class Error(Exception):
        pgcode: str | None = None

    class OperationalError(Error):
        pass

    class InterfaceError(Error):
        pass

    class ProgrammingError(Error):
        pass

    def __init__(self, error: Exception | None = None, *, port: int = 0) -> None:
        super().__init__("driver")
        self._error, self._port = error, port

    def connect(self, *_: object, **__: object) -> object:
        if self._error is not None:
            raise self._error
        try:
            return socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except OSError as error:
            raise self.OperationalError(str(error)) from error


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> Callable[[Driver], SqlSource]:
    """A source in a PostgreSQL that is reached by a driver."""

    def source(driver: Driver) -> SqlSource:
        real = sqlalchemy.create_engine
        monkeypatch.setattr(sqlalchemy, "create_engine", lambda *given, **rest: real(*given, module=driver, **rest))
        return SqlSource("postgresql+pg8000://user@host/db", SELECT, LIMITS, "weekly")

    return source


def test_a_database_that_nobody_listens_for_may_answer_later(driven: Callable[[Driver], SqlSource]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    assert kind_of(driven(Driver(port=port))) is UnavailableSourceError


def with_code(error: Driver.Error, code: str) -> Driver.Error:
    error.pgcode = code
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Driver.InterfaceError("connection timed out"), UnavailableSourceError),
        (with_code(Driver.OperationalError("too many clients already"), "53300"), UnavailableSourceError),
        (with_code(Driver.OperationalError("the database system is starting up"), "57P03"), UnavailableSourceError),
        (with_code(Driver.OperationalError("password authentication failed"), "28P01"), SourceError),
        (Driver.OperationalError('FATAL: password authentication failed for user "user"'), SourceError),
        (Driver.OperationalError('FATAL: database "db" does not exist'), SourceError),
        (Driver.ProgrammingError("a wrong setting"), SourceError),
    ],
)
def test_what_a_database_says_tells_whether_it_may_answer_later(
    driven: Callable[[Driver], SqlSource], error: Driver.Error, kind: type[SourceError]
) -> None:
    assert kind_of(driven(Driver(error))) is kind


# Size.


@pytest.mark.parametrize(("limit", "enough"), [(2, True), (1, False)])
def test_the_bound_on_rows_holds_on_both_sides(database: Path, limit: int, enough: bool) -> None:
    source = source_of(database, limits=Limits(2**30, limit, 1000))
    if enough:
        assert len(values(read(source))) == 2
    else:
        assert "data.max_rows" in refusal(source)


def test_a_query_without_an_end_is_given_up_at_the_bound(database: Path) -> None:
    query = "WITH RECURSIVE r(text) AS (SELECT 'good' UNION ALL SELECT text FROM r) SELECT text FROM r"
    assert "data.max_rows" in refusal(source_of(database, query, Limits(2**30, 5000, 1000)))


def test_long_texts_are_given_up_at_the_bound(database: Path) -> None:
    query = (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) "
        "SELECT printf('%.*c', 10000, 'x') AS text FROM r"
    )
    assert "data.max_uncompressed_bytes" in refusal(source_of(database, query, Limits(10_000_000, 10**6, 1000)))


def test_memory_does_not_grow_with_the_answer(database: Path) -> None:
    query = (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 40000) "
        "SELECT printf('%d %.*c', n, 1000, 'x') AS text FROM r"
    )
    tracemalloc.start()
    assert sum(len(rows) for rows in source_of(database, query).batches(["text"])) == 40_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000
