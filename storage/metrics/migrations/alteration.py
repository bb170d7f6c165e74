"""What several steps do, on SQLite's tables, which are made anew for it, and on any other database's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import op
from alembic.operations import BatchOperations
from sqlalchemy import Column, Text, inspect


@contextmanager
def altered(table: str) -> Iterator[BatchOperations]:
    """Alterations of a table; SQLite's copy of it is STRICT as well."""
    # SQLite adds columns in place, but at the end, and knows no other change.
    recreate: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table(table, recreate=recreate, table_kwargs={"sqlite_strict": True}) as alteration:
        yield alteration


def add_column(table: str, *columns: Column[Any], after: str) -> None:
    """Add columns after another one, where the database keeps them in an order."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with altered(table) as alteration:
        for column in columns:
            alteration.add_column(column, insert_after=after if is_sqlite else None)
            after = column.name


def add_text(table: str, *names: str, after: str) -> None:
    """Add columns of text, empty in the rows that are there."""
    add_column(table, *(Column(name, Text, nullable=False, server_default="") for name in names), after=after)
    with altered(table) as alteration:
        for name in names:
            alteration.alter_column(name, existing_type=Text(), existing_nullable=False, server_default=None)


def put_check(table: str, name: str, condition: str) -> None:
    """Give a table a condition, in the place of an earlier one of that name."""
    known = {found["name"] for found in inspect(op.get_bind()).get_check_constraints(table)}
    with altered(table) as alteration:
        if name in known:
            alteration.drop_constraint(name, type_="check")
        alteration.create_check_constraint(name, condition)
