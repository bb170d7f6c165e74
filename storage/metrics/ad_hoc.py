"""Questions in SQL that a person puts to the store: answered within limits of rows and time, and without any effect.

On SQLite the question goes through `storage.metrics.sandbox`. On PostgreSQL it is the query of a cursor, which must be
a single one that reads; the transaction is READ ONLY, as of every reading engine, has a time limit, and is rolled back.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from storage.errors import QueryError, StoreError
from storage.metrics.engine import reading_engine, sqlite_file
from storage.metrics.reader import MetricsReader
from storage.metrics.sandbox import sandbox

# Who reads an SQLite file holds up who writes to it: a question ends before a run is tired of waiting, after 30 s.
MAX_SECONDS = 25
_MAX_BYTES = 64 * 2**20
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")


@dataclass(frozen=True)
class Limits:
    """What a question may take: rows of its answer, and seconds."""

    rows: int = 1000
    seconds: float = 10.0


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        columns: Their names, each once: a second `a` is `a_2`.
        rows: As many as were asked for, at most. Values are as the database has them.
        is_cut: Whether there are more.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool


def ask(url: str, sql: str, parameters: Mapping[str, str] | None = None, limits: Limits | None = None) -> Answer:
    """Answer one question.

    Args:
        url: Of the store.
        sql: One statement that reads. It refers to parameters as `:name`.
        parameters: Their values; they are bound, and never become SQL.
        limits: By default, those of `Limits`.

    Raises:
        QueryError: The statement is no SQL, does more than read, takes too long, or its answer is too large.
        StoreError: There is no store, it was made by another version, it is damaged, or another program holds it.
    """
    _check_text(sql, *(parameters or {}).values())
    # It also puts a file right that a killed process has left in the middle of a transaction: reading alone cannot.
    MetricsReader(url)
    limits = limits or Limits()
    file = sqlite_file(url)
    if file is None:
        return _ask_server(url, sql, parameters or {}, limits)
    return _ask_file(file, sql, parameters or {}, limits)


def _check_text(*texts: str) -> None:
    if any("\0" in one or one != one.encode("utf-8", "replace").decode("utf-8") for one in texts):
        raise QueryError("the question holds bytes that are no text: expected SQL in UTF-8, without a NUL.")


def _ask_file(file: Path, sql: str, parameters: Mapping[str, str], limits: Limits) -> Answer:
    values = {name: _typed(value) for name, value in parameters.items()}
    started = time.monotonic()
    try:
        with sandbox(file, limits.seconds) as connection:
            cursor = connection.execute(sql, values)
            columns = [column[0] for column in cursor.description or ()]
            return _answer(columns, cursor, limits.rows)
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT and time.monotonic() - started < limits.seconds:
            # SQLite swallows the exception of Ctrl-C when it comes while it looks at the clock.
            raise KeyboardInterrupt from error
        if code is not None and code & 0xFF in _FAULTS_OF_THE_STORE:
            raise StoreError(f"the metrics store could not be read: {error}") from error
        raise QueryError(_words(error, code, limits)) from error
    except MemoryError as error:
        raise QueryError(_TOO_LARGE) from error


# Of an extended code the lowest byte says what kind of fault it is.
_FAULTS_OF_THE_STORE = (
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOTADB),
)
_HINT = "`retrain sql` lists the tables and views with their columns."
_TOO_LARGE = f"the answer is larger than {_MAX_BYTES >> 20} MiB: ask for fewer rows, or for shorter values."


def _words(error: Exception, code: int | None, limits: Limits) -> str:
    if code == sqlite3.SQLITE_INTERRUPT:
        return _late(limits)
    said = str(error).rstrip(".")
    if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY) or "not authorized" in said:
        return (
            f"this does more than read, and the store is open for reading only (SQLite says: {said}). "
            "Nothing was changed. Expected a SELECT."
        )
    if "one statement" in said:
        return "there is more than one statement: expected one. None of them was run."
    if "binding" in said.lower():
        return f"SQLite says: {said}. Write a parameter as :name, and give its value with --param name=value."
    return f"SQLite says: {said}. {_HINT}"


def _late(limits: Limits) -> str:
    return (
        f"the answer was not there after {limits.seconds:g} s: ask for less, or give it more time with --timeout "
        f"(at most {MAX_SECONDS})."
    )


def _typed(value: str) -> str | int | float:
    """A number as a number: SQLite takes any text to be larger than any number."""
    found = _NUMBER.fullmatch(value)
    if not found:
        return value
    return float(value) if found[2] else int(value)


def _ask_server(url: str, sql: str, parameters: Mapping[str, str], limits: Limits) -> Answer:
    engine = reading_engine(url)
    try:
        with engine.connect() as connection:
            milliseconds = str(int(1000 * limits.seconds))
            connection.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": milliseconds})
            # A cursor on the server holds one query that reads, and sends no more rows than are asked for.
            streaming = connection.execution_options(stream_results=True, max_row_buffer=100)
            with streaming.execute(text(_without_other_colons(sql, parameters)), dict(parameters)) as result:
                answer = _answer(list(result.keys()), result, limits.rows)
            connection.rollback()
            return answer
    except DatabaseError as error:
        raise QueryError(_server_words(error, limits)) from error
    finally:
        engine.dispose()


def _server_words(error: DatabaseError, limits: Limits) -> str:
    said = str(error.orig).splitlines()[0]
    if "statement timeout" in said:
        return _late(limits)
    return f"the database says: {said}. {_HINT}"


def _without_other_colons(sql: str, parameters: Mapping[str, str]) -> str:
    """SQL in which a colon stands for a parameter only before the names of these."""
    return re.sub(r":(?=(\w+))", lambda found: ":" if found[1] in parameters else r"\:", sql)


def _answer(columns: list[str], rows: Iterable[Any], limit: int) -> Answer:
    if not columns:
        raise QueryError("there is no statement to ask: expected a SELECT.")
    kept: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        if len(kept) == limit:
            return Answer(_each_once(columns), tuple(kept), is_cut=True)
        kept.append(tuple(row))
        # What an object takes besides, roughly.
        size += sum(64 + (len(value) if isinstance(value, str | bytes) else 0) for value in row)
        if size > _MAX_BYTES:
            raise QueryError(_TOO_LARGE)
    return Answer(_each_once(columns), tuple(kept), is_cut=False)


def _each_once(columns: list[str]) -> tuple[str, ...]:
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return tuple(names)
