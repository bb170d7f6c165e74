"""Column types that mean the same on SQLite's STRICT tables and on any other database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, DateTime, Dialect, Double, Integer, Table, Text
from sqlalchemy.types import REAL, TypeDecorator, TypeEngine

from storage.content import canonical_json

# STRICT tables know INTEGER, REAL and TEXT only; elsewhere a float is of double precision.
Number: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")

# Texts sort by their bytes, as on SQLite, whatever language a PostgreSQL database was made for.
Words: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: ISO 8601 text with `Z` on SQLite, a time-zone aware column elsewhere.

    SQLite drops time zones; text of fixed width sorts and compares correctly, and a person can read it.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, a real time stamp elsewhere."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times: nobody knows what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store keeps UTC")
        value = value.astimezone(UTC)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


class Flag(TypeDecorator[bool]):
    """A Boolean: 0 or 1 on SQLite."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Integer on SQLite, whose STRICT tables know no Boolean."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else Boolean())

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> Any:
        """Integers for SQLite."""
        return int(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        """A bool again."""
        return None if value is None else bool(value)


class Json(TypeDecorator[Any]):
    """Canonical JSON as text, readable by `json_extract`; NaN is refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Sorted keys, no NaN."""
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Plain Python values."""
        return None if value is None else json.loads(value)


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """The column holds one of these words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def finite(column: str) -> CheckConstraint:
    """The column is neither negative nor infinite where it has a value."""
    return CheckConstraint(f"{column} BETWEEN 0 AND 1.7976931348623157e308", name=f"{column}_is_finite")


def share(column: str) -> CheckConstraint:
    """The column is between 0 and 1 where it has a value."""
    return CheckConstraint(f"{column} BETWEEN 0 AND 1", name=f"{column}_is_share")


def refuse_nan(table: Table) -> None:
    """Have no column of a table hold NaN on PostgreSQL, where it is a value; SQLite takes it for NULL."""
    for column in table.columns:
        if isinstance(column.type, Double):
            number = CheckConstraint(f"{column.name} <> 'NaN'", name=f"{column.name}_is_number")
            table.append_constraint(number.ddl_if(dialect="postgresql"))
