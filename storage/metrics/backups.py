"""Copies of a store in a SQLite file: made while others write, and there whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from storage.content import flush, staging
from storage.errors import OptionError, StoreError
from storage.metrics.engine import reading_engine, shown


def back_up_store(url: str, to: Path) -> None:
    """Copy the store at a SQLAlchemy URL.

    Raises:
        OptionError: It is on a server, or the copy cannot be written.
        MissingStoreError: There is no store yet.
        StoreError: It cannot be copied, or the copy is not whole.
    """
    engine = reading_engine(url)
    if engine.dialect.name != "sqlite":
        raise OptionError(
            f"the metrics store at {shown(url)} is on a server, which makes backups of its own: "
            "`pg_dump` makes one of PostgreSQL."
        )
    back_up(Path(engine.url.database or ""), to)


def back_up(file: Path, to: Path) -> None:
    """Copy a database as it is at one moment, and look whether the copy is whole.

    Args:
        file: The database. What another connection has not committed is not in the copy.
        to: The file to make, with its folder.

    Raises:
        OptionError: There is a file of that name, or none can be written there.
        StoreError: The database cannot be copied, or the copy is not whole.
    """
    if to.exists():
        raise _taken(to)
    try:
        with staging(to.parent) as folder:
            copy = folder / to.name
            _copy(file, copy)
            _take_name(to)
            copy.replace(to)
            flush(to.parent)
    except OSError as error:
        raise OptionError(f"the backup {to} cannot be written ({error.strerror}): name another file.") from error


def _take_name(to: Path) -> None:
    try:
        to.open("xb").close()
    except FileExistsError as error:
        # Somebody else was faster.
        raise _taken(to) from error


def _copy(file: Path, copy: Path) -> None:
    try:
        # Not read-only: what a writer that died has left half done is undone first.
        address = f"{file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            # One file, whatever journal the store has.
            target.execute("PRAGMA journal_mode=DELETE")
            found = [words for (words,) in target.execute("PRAGMA quick_check")]
    except sqlite3.Error as error:
        raise StoreError(f"the metrics store in {file} could not be copied: {error}.") from error
    if found != ["ok"]:
        raise StoreError(
            f"the copy of the metrics store in {file} is not whole, and was not kept ({' '.join(found[0].split())}): "
            "`retrain db check` tells more."
        )


def _taken(to: Path) -> OptionError:
    return OptionError(f"{to} is there already, and no backup is written over: name another file.")
