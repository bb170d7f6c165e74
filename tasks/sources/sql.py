"""Texts in a database: the answer to one SELECT, read through SQLAlchemy and never written to. No value is judged here.

Without an ORDER BY the rows have no order of their own, and the database may give them in another one next time.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from storage.errors import SourceError, UnavailableSourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.rows import BATCH_ROWS, Row, as_text, check_names, gather, one_line

_COMMENTS_BEFORE = re.compile(r"(\s|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_READING = re.compile(r"(SELECT|WITH)\b", re.IGNORECASE)
# SQLSTATEs of a database that is out of reach, overrun, restarting, or gave this transaction up for another one.
_PASSING_STATES = ("08", "40", "53", "57P")
# A database that answers like this was reached, and will say the same again.
_LASTING = re.compile(
    r"password|authenticat|access denied|does not exist|unknown database|not permitted", re.IGNORECASE
)


@dataclass(frozen=True)
class SqlSource:
    """The answer to a query.

    Attributes:
        url: SQLAlchemy's address of the database; it may hold a password, which no message and no record shows.
        query: One SELECT, or one WITH.
        limits: How much of it may be read.
        name: What a person calls it.
    """

    url: str = field(repr=False)
    query: str
    limits: Limits
    name: str

    @property
    def origin(self) -> str:
        """The database's address without its password."""
        # What follows the question mark may hold passwords and keys too.
        return self._url().set(query={}).render_as_string(hide_password=True)

    @property
    def sha256(self) -> str:
        """There is no file, so it is empty."""
        return ""

    def column_names(self) -> tuple[str, ...]:
        """Names of what is selected.

        Raises:
            UnavailableSourceError: The database cannot be reached now, or is busy.
            SourceError: The query is no SELECT or fails, or two columns have one name.
        """
        with self._answer() as answer:
            return check_names(list(answer.keys()), f"the query {self.name!r}")

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        """The rows as the database gives them.

        Raises:
            UnavailableSourceError: The connection is lost, or the database busy.
            SourceError: The database ends the query, or there are more rows than are allowed.
        """
        yield from gather(self._rows(columns), columns, self.limits, self.origin)

    def _rows(self, columns: Sequence[str]) -> Generator[Row, None, None]:
        with self._answer() as answer:
            header = list(answer.keys())
            wanted = [header.index(name) for name in columns]
            number = 0
            for rows in answer.partitions(BATCH_ROWS):
                for row in rows:
                    number += 1
                    yield f"row {number}", _pick(row, wanted, columns)

    def _url(self) -> sqlalchemy.URL:
        try:
            return sqlalchemy.make_url(self.url)
        except (ArgumentError, ValueError):
            # The error quotes the address, and with it the password.
            raise SourceError(
                f"the address of the database of {self.name!r} is not one: expected dialect://user:password@host/database."
            ) from None

    def _engine(self) -> sqlalchemy.Engine:
        url = self._url()
        try:
            if url.get_backend_name() == "sqlite":
                return _read_only_sqlite(url, self.name)
            engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        except ModuleNotFoundError as error:
            raise SourceError(
                f"the database of {self.name!r} needs the Python package {error.name}, which is not installed."
            ) from None
        except NoSuchModuleError:
            raise SourceError(f"there is no driver for the address {url.drivername}://… of {self.name!r}.") from None
        if engine.dialect.is_async:
            raise SourceError(f"the driver {url.drivername} of {self.name!r} is asynchronous: name one that is not.")
        return engine

    @contextmanager
    def _answer(self) -> Iterator[sqlalchemy.CursorResult[Any]]:
        query = _one_select(self.query, self.name)
        connected = False
        try:
            # Closing a connection rolls its transaction back: nothing is ever committed.
            with self._engine().connect() as connection:
                connected = True
                options: dict[str, Any] = {"stream_results": True, "no_parameters": True, "max_row_buffer": BATCH_ROWS}
                if connection.dialect.name == "postgresql":
                    connection.execution_options(postgresql_readonly=True)
                with connection.exec_driver_sql(query, execution_options=options) as answer:
                    yield answer
        except SQLAlchemyError as error:
            # No cause is named: a driver may quote the password, and a traceback would show it.
            kind = UnavailableSourceError if _may_pass(error, connected) else SourceError
            raise kind(f"the query of {self.name!r} on {self.origin} failed: {self._words(error)}.") from None

    def _words(self, error: Exception) -> str:
        words = one_line(error.orig if isinstance(error, DBAPIError) and error.orig else error)
        url = self._url()
        secrets = [url.password, *(str(value) for value in url.query.values())]
        for secret in filter(None, secrets):
            words = words.replace(secret, "***")
        return words.rstrip(".")


def _may_pass(error: SQLAlchemyError, connected: bool) -> bool:
    """Whether the same query may be answered later: the database is out of reach or busy, not at odds with us."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        # SQLite calls nearly everything an operational error; the lowest byte of its code says what it is.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state or connected:
        return error.connection_invalidated or str(state).startswith(_PASSING_STATES)
    return isinstance(error, OperationalError | InterfaceError) and not _LASTING.search(str(error.orig))


def _one_select(query: str, name: str) -> str:
    statement = query.strip().rstrip(";").strip()
    begins = _COMMENTS_BEFORE.match(statement)
    if not _READING.match(statement, begins.end() if begins else 0):
        raise SourceError(f"the query of {name!r} must begin with SELECT or WITH; it is {statement[:60]!r}.")
    # Databases differ in where a text within a query ends, so that no semicolon can be trusted to be part of one.
    if ";" in statement:
        raise SourceError(
            f"the query of {name!r} holds a semicolon: expected one statement, without any in its texts or comments."
        )
    return statement


def _read_only_sqlite(url: sqlalchemy.URL, name: str) -> sqlalchemy.Engine:
    path = Path((url.database or "").removeprefix("file:").partition("?")[0]).expanduser().absolute()
    if not url.database or not path.is_file():
        raise SourceError(f"there is no SQLite database {url.database or 'without a path'} for {name!r}.")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        connection.text_factory = lambda content: content.decode(errors="surrogateescape")
        return connection

    return sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=sqlalchemy.NullPool)


def _pick(row: Sequence[Any], wanted: Sequence[int], columns: Sequence[str]) -> list[str | None] | str:
    picked: list[str | None] = []
    for position, name in zip(wanted, columns, strict=True):
        value = row[position]
        if isinstance(value, bytes | bytearray | memoryview):
            return f"{name!r} is not a text but bytes"
        picked.append(_text(value))
    return picked


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return as_text(value) if isinstance(value, bool | int | float | Decimal) else str(value)
