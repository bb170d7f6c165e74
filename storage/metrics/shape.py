"""What a SQLite database is made of, in a form in which equal schemas are equal."""

from __future__ import annotations

from sqlalchemy import Connection

_CONSTRAINTS = ("CONSTRAINT ", "PRIMARY KEY ", "FOREIGN KEY", "UNIQUE ", "CHECK ")


def shape_of(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The parts of each table, index, trigger and view, by its kind and name, such as `table runs`.

    Columns are in their order. Constraints are sorted, since Alembic writes those of a table made anew in any order.
    """
    found = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {f"{kind} {name}": _parts(sql) for kind, name, sql in found}


def _parts(sql: str) -> tuple[str, ...]:
    # SQLAlchemy and Alembic write a column or a constraint a line; SQLite quotes a name where it was changed.
    lines = [" ".join(line.replace('"', "").split()).rstrip(",") for line in sql.splitlines()]
    constraints = [line for line in lines if line.startswith(_CONSTRAINTS)]
    return (*(line for line in lines if line and line not in constraints), *sorted(constraints))
