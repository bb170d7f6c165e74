"""Engines for the metrics store: one that writes, one that migrates, one that reads."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from storage.errors import MissingStoreError, OptionError

_BUSY_TIMEOUT_MS = 30_000
# Which of a PostgreSQL database's advisory locks is ours: any number that no other program takes.
_WRITE_LOCK = int.from_bytes(b"retrain", "big")
_EXPECTED = (
    "Expected a SQLAlchemy URL of SQLite or PostgreSQL, such as sqlite:////data/metrics.db or "
    "postgresql+psycopg://user@host/name"
)


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fix for the WAL-reset corruption (3.51.3, with backports 3.44.6 and 3.50.7)."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


def writing_engine(url: str) -> Engine:
    """An engine whose every transaction takes the store's one write lock at its start.

    Raises:
        OptionError: The URL is not one that SQLAlchemy knows, or of another database than SQLite and PostgreSQL.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "DELETE"
        _on_connect(engine, f"journal_mode={journal}", "synchronous=FULL", "recursive_triggers=ON")
        _on_begin(engine, "BEGIN IMMEDIATE")
    else:
        # What the lock's holder looks at must be younger than the lock: a snapshot for each statement.
        engine = engine.execution_options(isolation_level="READ COMMITTED")
        event.listen(engine, "begin", _take_write_lock)
    return engine


def migrating_engine(url: str) -> Engine:
    """A writing engine for tables that are made anew: SQLite looks at no foreign key and no view until it is asked to.

    Raises:
        OptionError: The URL is not one that SQLAlchemy knows.
    """
    engine = writing_engine(url)
    if engine.dialect.name == "sqlite":
        _on_connect(engine, "foreign_keys=OFF", "legacy_alter_table=ON")
    return engine


def reading_engine(url: str) -> Engine:
    """An engine that cannot write and does not make a missing SQLite file. A transaction sees one moment.

    Raises:
        OptionError: The URL is not one that SQLAlchemy knows, or of another database than SQLite and PostgreSQL.
        MissingStoreError: The SQLite file is not there.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        file = engine.url.database
        if not file or not Path(file).is_file():
            raise MissingStoreError(f"there is no metrics store at {file or url} yet: `retrain run` makes it.")
        _on_connect(engine, "query_only=ON")
        _on_begin(engine, "BEGIN")
        return engine
    engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    event.listen(engine, "begin", _read_in_utc)
    return engine


def shown(url: str | URL) -> str:
    """A store's address as it may be told: without its password, and without what follows a question mark."""
    try:
        return make_url(url).set(query={}).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return re.sub("//.*@", "//***@", str(url)).partition("?")[0]


def words_of(error: DBAPIError) -> str:
    """What the database says of an error, in one line."""
    return " ".join(str(error.orig).split())


def sqlite_file(url: str) -> Path | None:
    """The file of a store that is SQLite; None of a store on a server."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _read_in_utc(connection: Connection) -> None:
    """A day or a month that a question names is one of UTC, wherever the server is."""
    connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The error may quote a piece of the password.
        raise _unusable(url, "it is no URL") from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise _unusable(url, f"no store can be kept in {parsed.get_backend_name()!r}")
    try:
        # A database that was made in the locale C knows bytes only, and its driver would give no text back.
        text = {"client_encoding": "utf8"} if parsed.get_driver_name() in ("psycopg", "psycopg2") else {}
        # Connections are few and short; a fresh one each time leaves no lock and no file handle behind.
        engine = create_engine(parsed, poolclass=NullPool, connect_args=text)
    except ModuleNotFoundError as error:
        missing = f"the Python package {error.name} is not installed (`pip install '.[postgresql]'` installs psycopg)"
        raise _unusable(url, missing) from error
    except (ArgumentError, ImportError, TypeError, ValueError) as error:
        raise _unusable(url, str(error)) from error
    if engine.dialect.is_async:
        raise _unusable(url, f"the driver {parsed.drivername} is asynchronous")
    return engine


def _unusable(url: str, reason: str) -> OptionError:
    return OptionError(f"RETRAIN_DATABASE_URL cannot be used: {reason}. {_EXPECTED}, received {shown(url)!r}.")


def _take_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_BUSY_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")


def _on_connect(engine: Engine, *pragmas: str) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: `_on_begin` says how.
        connection.isolation_level = None
        for pragma in (f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON", *pragmas):
            connection.execute(f"PRAGMA {pragma}")


def _on_begin(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)
