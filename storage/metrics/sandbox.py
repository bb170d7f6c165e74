"""A connection to a SQLite file with which nothing can be changed, whatever SQL it is given.

`mode=ro` alone leaves open what touches other files: ATTACH and VACUUM INTO make them. So there is more than that:

    mode=ro            the file is opened for reading
    query_only         no statement may change a database
    no attachments     no second file is opened
    the authorizer     SQLite asks it about each thing that a statement does, before it runs: reading is all it allows
    limits             of time, looked at between steps, and of the size of a value, which makes a step long

What may be read is everything in the file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
# Those that tell of tables, and take nothing that they would set.
_TELLING_PRAGMAS = ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list")
# SQLite's own mark of functions that do something besides giving a value, such as load_extension().
_DIRECT_ONLY = 0x80000
_LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LENGTH: 2**20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2**17,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_STEPS_BETWEEN_LOOKS = 1000
# At its first use SQLite declares such a table, which looks to the authorizer like a change of the schema.
_TABLES_OF_FUNCTIONS = ("json_each", "json_tree", *(f"pragma_{name}" for name in _TELLING_PRAGMAS))

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


@contextmanager
def sandbox(file: Path, seconds: float) -> Iterator[sqlite3.Connection]:
    """Open a database for one question, which is interrupted after so many seconds.

    Raises:
        sqlite3.OperationalError: The file is not there, or cannot be opened.
    """
    address = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=seconds)) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = _text
        for table in _TABLES_OF_FUNCTIONS:
            connection.execute(f"SELECT * FROM {table} LIMIT 0")
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_authorizer(_authorizer(_harmless_functions(connection)))
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: not time.monotonic() <= deadline, _STEPS_BETWEEN_LOOKS)
        yield connection


def _harmless_functions(connection: sqlite3.Connection) -> frozenset[str]:
    query = "SELECT name FROM pragma_function_list WHERE builtin AND NOT flags & ?"
    return frozenset(name for (name,) in connection.execute(query, (_DIRECT_ONLY,)))


def _authorizer(functions: frozenset[str]) -> Authorizer:
    def allow(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
        is_allowed = (
            action in _READING
            or (action == sqlite3.SQLITE_FUNCTION and second in functions)
            or (action == sqlite3.SQLITE_PRAGMA and first in _TELLING_PRAGMAS)
        )
        return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY

    return allow


def _text(value: bytes) -> str:
    # What is no UTF-8 can still be looked at.
    return value.decode("utf-8", errors="replace")
