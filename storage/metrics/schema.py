"""The schema of a store: which one a database has, making it, and upgrading an older one.

Tables change step by step, in `storage.metrics.migrations`, and Alembic writes down in `alembic_version` how far.
Triggers and views are code: they are made anew after the last step.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError

from storage.errors import SchemaVersionError, StoreError
from storage.metrics.backups import back_up
from storage.metrics.engine import migrating_engine, reading_engine, shown, words_of
from storage.metrics.tables import REVISIONS, Base
from storage.metrics.views import VIEWS, make_views

if TYPE_CHECKING:
    from alembic.config import Config

logger = logging.getLogger(__name__)

_HEAD = REVISIONS[-1]

_TRIGGERS = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
_SERVER_TRIGGERS = (
    "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
)


@dataclass(frozen=True)
class Upgrade:
    """What was done to an older store.

    Attributes:
        before: The revision that it had.
        after: The one that it has now.
        backup: The store as it was; None of one on a server, which makes its own backups.
    """

    before: str
    after: str
    backup: Path | None


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's tables, in words if no step has made them; None of a database that is no store."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        return connection.scalar(text("SELECT version_num FROM alembic_version")) or "that was lost"
    if "schema_version" not in tables:
        return None
    # Before there were steps.
    number = connection.scalar(text("SELECT version FROM schema_version"))
    if number == 1 and "diagnoses" in tables:
        return "0001"
    if number == 2:
        # It was the newest from before there were observations.
        return "0002" if "observations" in tables else "0001"
    return "0003" if number == 3 else f"of version {number}"


def check_revision(revision: str, url: str) -> None:
    """Refuse a database whose tables are not those of this code.

    Raises:
        SchemaVersionError: They are older, or this code does not know them.
    """
    if revision == _HEAD:
        return
    if revision in REVISIONS:
        raise SchemaVersionError(
            f"the metrics store at {url} has the schema {revision}, this program works with the later {_HEAD}: "
            "`retrain db upgrade` makes a backup, and upgrades it."
        )
    raise SchemaVersionError(
        f"the metrics store at {url} has a schema {revision} that this program does not know; the last one that it "
        f"knows is {_HEAD}: use the program that made it, or name another store in RETRAIN_DATABASE_URL."
    )


def make_or_upgrade(engine: Engine) -> None:
    """Make the tables where there are none, and bring older ones up to date.

    Raises:
        SchemaVersionError: This code does not know the tables.
        StoreError: They could not be backed up, or not be upgraded.
    """
    with engine.begin() as connection:
        revision = revision_of(connection)
        if revision is None:
            make_schema(connection)
    if revision not in (None, _HEAD):
        upgrade_store(engine.url.render_as_string(hide_password=False))


def make_schema(connection: Connection) -> None:
    """Make all that a store has, in a database where nothing of it is."""
    from alembic import command

    Base.metadata.create_all(connection)
    make_views(connection)
    command.stamp(_alembic(connection), _HEAD)


def upgrade_store(url: str) -> Upgrade | None:
    """Bring an older store up to date in one transaction, after a backup beside its file.

    Returns:
        What was done; None if the store is up to date.

    Raises:
        MissingStoreError: There is no store yet.
        SchemaVersionError: This code does not know the tables.
        StoreError: They could not be backed up, or not be upgraded: then they are as they were.
    """
    # It does not make a file that is not there.
    reading_engine(url)
    engine = migrating_engine(url)
    place = shown(url)
    try:
        with engine.begin() as connection:
            revision = revision_of(connection)
            if revision is None:
                raise StoreError(f"{place!r} is a database, but not a metrics store.")
            if revision == _HEAD:
                # Another process may have been faster.
                return None
            if revision not in REVISIONS:
                check_revision(revision, place)
            done = Upgrade(revision, _HEAD, _back_up(engine))
            migrate(connection, revision)
    except DatabaseError as error:
        raise StoreError(
            f"the metrics store at {place} could not be upgraded, and is as it was: {words_of(error)}"
        ) from error
    kept = f"as it was, it is in {done.backup}" if done.backup else "backups of it are its server's"
    logger.info("upgraded the metrics store at %s from schema %s to %s; %s", place, done.before, done.after, kept)
    return done


def migrate(connection: Connection, revision: str) -> None:
    """Take all steps after a revision, in the transaction of a connection that checks no foreign keys.

    Raises:
        StoreError: A row refers to another one that is not there.
    """
    from alembic import command

    alembic = _alembic(connection)
    _drop_views_and_triggers(connection)
    if not inspect(connection).has_table("alembic_version"):
        command.stamp(alembic, revision)
    command.upgrade(alembic, _HEAD)
    _make_triggers(connection)
    make_views(connection)
    if connection.dialect.name == "sqlite":
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if orphans:
            table_name, row, parent, _ = orphans[0]
            raise StoreError(
                f"the metrics store could not be upgraded, and is as it was: row {row} of {table_name} refers to a row "
                f"of {parent} that is not there. `retrain db check` tells more."
            )


def _back_up(engine: Engine) -> Path | None:
    if engine.dialect.name != "sqlite":
        return None
    file = Path(engine.url.database or "")
    backup = file.with_name(f"{file.name}.before-{_HEAD}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    back_up(file, backup)
    return backup


def _drop_views_and_triggers(connection: Connection) -> None:
    """Drop ours: a server changes no column that a view shows. What others have added is left to them."""
    for view in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")
    is_server = connection.dialect.name == "postgresql"
    found = connection.exec_driver_sql(_SERVER_TRIGGERS if is_server else _TRIGGERS).all()
    for trigger, table in found:
        if table in Base.metadata.tables and trigger.startswith(f"{table}_"):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}" + (f" ON {table}" if is_server else ""))


def _make_triggers(connection: Connection) -> None:
    """What makes itself after a table was made."""
    for table in Base.metadata.sorted_tables:
        table.dispatch.after_create(table, connection)


def _alembic(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    # An option's percent sign stands for another option.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
