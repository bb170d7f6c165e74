from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Dialect,
    Engine,
    Integer,
    MetaData,
    NullPool,
    Select,
    Table,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from storage.metrics.engine import writing_engine
from storage.metrics.types import Flag, Json, UtcDateTime

if TYPE_CHECKING:
    from tests.storage.conftest import Databases

Through = Callable[..., Any]
SQLITE: Dialect = sqlite.dialect()
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
MOMENTS = st.datetimes(
    datetime(1970, 1, 2),
    datetime(9000, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))]),
)
moderate = settings(max_examples=60, deadline=None, database=None)

TABLE = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("moment", UtcDateTime()),
    Column("flag", Flag()),
    Column("json", Json()),
)


def ask(engine: Engine, query: str | Select[Any], **values: Any) -> Any:
    """What a query finds in a table with one row of these values; nothing of it is left."""
    with engine.connect() as connection:
        TABLE.create(connection)
        connection.execute(insert(TABLE).values(id=1, **values))
        return connection.scalar(text(query) if isinstance(query, str) else query)


@pytest.fixture(scope="module")
def through(databases: Databases) -> Through:
    """To ask a database of either kind."""
    return partial(ask, writing_engine(databases.new_url()))


def through_sqlite(query: str | Select[Any], **values: Any) -> Any:
    return ask(create_engine("sqlite://", poolclass=NullPool), query, **values)


def test_a_moment_keeps_its_microseconds(through: Through) -> None:
    moment = datetime(2026, 11, 23, 14, 40, 59, 1, tzinfo=UTC)

    assert through(select(TABLE.c.moment), moment=moment) == moment


def test_a_moment_can_be_read_in_a_sqlite_file() -> None:
    moment = datetime(2026, 11, 23, 14, 40, 59, 1, tzinfo=UTC)

    assert through_sqlite("SELECT moment FROM things", moment=moment) == "2026-11-23T14:40:59.000001Z"


@pytest.mark.parametrize("fold", [0, 1])
def test_a_moment_of_another_zone_comes_back_in_utc(fold: int, through: Through) -> None:
    # New York's clocks show this time twice, an hour apart.
    moment = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=fold)

    found = through(select(TABLE.c.moment), moment=moment)

    assert found == datetime(2026, 11, 1, 5 + fold, 30, tzinfo=UTC)
    assert found.tzinfo is UTC


def test_a_naive_moment_is_refused(through: Through) -> None:
    with pytest.raises(StatementError, match="has no time zone; the store keeps UTC"):
        through(select(TABLE.c.moment), moment=datetime(2026, 11, 23))


@moderate
@given(MOMENTS, MOMENTS)
def test_text_sorts_as_the_moments_do(first: datetime, second: datetime) -> None:
    texts = [UtcDateTime().process_bind_param(moment, SQLITE) for moment in (first, second)]

    assert (texts[0] < texts[1], texts[0] == texts[1]) == (first < second, first == second)


@moderate
@given(MOMENTS)
def test_any_moment_comes_back_as_itself(moment: datetime) -> None:
    for dialect in (SQLITE, POSTGRESQL):
        stored = UtcDateTime().process_bind_param(moment, dialect)
        found = UtcDateTime().process_result_value(stored, dialect)
        assert found == moment
        assert found is not None
        assert found.tzinfo is UTC


def test_elsewhere_a_moment_is_a_moment() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)

    assert UtcDateTime().process_bind_param(moment, POSTGRESQL) == moment
    assert UtcDateTime().compile(dialect=POSTGRESQL) == "TIMESTAMP WITH TIME ZONE"
    assert UtcDateTime().compile(dialect=SQLITE) == "TEXT"


@pytest.mark.parametrize(("flag", "stored"), [(True, 1), (False, 0), (None, None)])
def test_a_flag_is_stored_as_an_integer_on_sqlite_and_comes_back_as_a_bool(
    through: Through, flag: bool | None, stored: int | None
) -> None:
    assert through_sqlite("SELECT flag FROM things", flag=flag) == stored
    assert through(select(TABLE.c.flag), flag=flag) is flag
    assert Flag().process_bind_param(flag, POSTGRESQL) is flag


def test_json_is_canonical_and_readable_by_sql() -> None:
    stored = through_sqlite("SELECT json FROM things", json={"b": [1, 2.5, None], "a": "café"})

    assert stored == '{"a":"café","b":[1,2.5,null]}'
    assert through_sqlite("SELECT json_extract(json, '$.b[1]') FROM things", json={"b": [1, 2.5]}) == 2.5


@pytest.mark.parametrize("value", [{"a": {"b": [1, True, None, "é"]}}, ["x", "y"], [], {}, 0, ""])
def test_json_comes_back_as_it_was(value: Any, through: Through) -> None:
    assert through(select(TABLE.c.json), json=value) == value


def test_no_value_is_null_in_every_type(through: Through) -> None:
    query = "SELECT moment IS NULL AND flag IS NULL AND json IS NULL FROM things"

    assert through(query, moment=None, flag=None, json=None) == 1
    for column in (TABLE.c.moment, TABLE.c.flag, TABLE.c.json):
        assert through(select(column), moment=None, flag=None, json=None) is None


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": float("-inf")}])
def test_json_without_a_meaning_is_refused(value: Any, through: Through) -> None:
    with pytest.raises(StatementError, match="not JSON compliant"):
        through(select(TABLE.c.json), json=value)
