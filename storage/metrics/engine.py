"""Engines for the metrics store: one that writes, one that reads, and the lease of a running process."""

from __future__ import annotations

import os
import socket
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from storage.errors import MissingStoreError, OptionError
from storage.processes import lives, start_mark

_BUSY_TIMEOUT_MS = 30_000


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fix for the WAL-reset corruption (3.51.3, with backports 3.44.6 and 3.50.7)."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


def writing_engine(url: str) -> Engine:
    """An engine whose every transaction takes SQLite's write lock at its start.

    Raises:
        OptionError: The URL is not one that SQLAlchemy knows.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "DELETE"
        _on_connect(engine, f"journal_mode={journal}", "synchronous=FULL", "recursive_triggers=ON")
        _on_begin(engine, "BEGIN IMMEDIATE")
    return engine


def reading_engine(url: str) -> Engine:
    """An engine that cannot write and does not make a missing SQLite file.

    Raises:
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


def _engine(url: str) -> Engine:
    shown = url
    try:
        parsed = make_url(url)
        shown = parsed.render_as_string(hide_password=True)
        # Connections are few and short; a fresh one each time leaves no lock and no file handle behind.
        return create_engine(parsed, poolclass=NullPool if parsed.get_backend_name() == "sqlite" else None)
    except (ArgumentError, ImportError, ValueError) as error:
        raise OptionError(
            f"RETRAIN_DATABASE_URL cannot be used: {error}. Expected a SQLAlchemy URL such as "
            f"sqlite:////data/metrics.db or postgresql+psycopg://user@host/name, received {shown!r}."
        ) from error


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


@dataclass(frozen=True)
class Lease:
    """Which process a run belongs to, so that another one can tell whether it still lives."""

    host: str
    boot_id: str
    process_id: int
    process_started: float

    @classmethod
    def of_this_process(cls) -> Lease:
        """The lease of the caller."""
        process_id = os.getpid()
        return cls(socket.gethostname(), _boot_id(), process_id, start_mark(process_id) or 0.0)

    def is_dead(self) -> bool:
        """Whether the process is certainly gone; on another host nothing is certain."""
        if self.host != socket.gethostname():
            return False
        return self.boot_id != _boot_id() or not lives(self.process_id, self.process_started)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))
