"""Whether the store's database is whole, as far as it can tell by itself."""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.exc import DatabaseError, OperationalError

from storage.errors import StoreError
from storage.metrics.engine import reading_engine, shown, words_of
from storage.metrics.schema import make_schema
from storage.metrics.shape import shape_of

_MOST_FINDINGS = 10


def damage_of(url: str) -> list[str] | None:
    """What is wrong with the database, in words: empty if nothing is; None of another one than SQLite, not checked.

    Raises:
        OptionError: The URL cannot be used.
        MissingStoreError: There is no database yet.
        StoreError: It could not be read, since it is locked, or the disk fails.
    """
    engine = reading_engine(url)
    if engine.dialect.name != "sqlite":
        return None
    try:
        with engine.connect() as connection:
            said = connection.exec_driver_sql(f"PRAGMA quick_check({_MOST_FINDINGS})").scalars().all()
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except OperationalError as error:
        raise StoreError(f"the metrics store at {shown(url)} could not be checked: {words_of(error)}") from error
    except DatabaseError as error:
        return [str(error.orig)]
    found = [" ".join(str(words).split()) for words in said if words != "ok"]
    found += [
        f"row {row} of {table} refers to a row of {parent} that is not there" for table, row, parent, _ in orphans
    ]
    return found[:_MOST_FINDINGS]


def changes_of(url: str) -> list[str]:
    """What of the schema is not as this code makes it, in words; what somebody has added is left alone.

    Args:
        url: A SQLite database that is whole, with the tables of this code's revision.

    Raises:
        OptionError: The URL cannot be used.
        MissingStoreError: There is no database yet.
        StoreError: It could not be read.
    """
    with create_engine("sqlite://").begin() as connection:
        make_schema(connection)
        expected = shape_of(connection)
    try:
        with reading_engine(url).connect() as connection:
            found = shape_of(connection)
    except DatabaseError as error:
        raise StoreError(f"the metrics store at {shown(url)} could not be checked: {words_of(error)}") from error
    return [
        f"the {name} is {'not as this program makes it' if name in found else 'missing'}"
        for name, parts in expected.items()
        if found.get(name) != parts
    ]
