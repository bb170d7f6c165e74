"""What holds of a store on a PostgreSQL server only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from storage.errors import MissingStoreError, StaleDecisionError, StoreError
from storage.metrics.engine import reading_engine, writing_engine
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.metrics.tables import Base
from storage.metrics.types import Number
from storage.records import Decision, Gate, RunStart
from tests.postgresql import PostgreSQL

if TYPE_CHECKING:
    from tests.storage.conftest import Bench

APPEND_ONLY = ("champions", "comparisons", "decisions", "diagnoses", "gates", "observations")
NUMBERS = [
    (table.name, column.name)
    for table in Base.metadata.tables.values()
    for column in table.columns
    if isinstance(column.type, type(Number))
]
Open = Callable[[str], object]
either = pytest.mark.parametrize("open_store", [MetricsStore, MetricsReader], ids=["to write", "to read"])


def end_connections(bench: Bench) -> str:
    """A statement that ends every connection to the store's database, its own one too."""
    name = bench.query("SELECT current_database()")[0][0]
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_was_decided_cannot_be_emptied_out(server_bench: Bench, table: str) -> None:
    with pytest.raises(DatabaseError, match=r"is append-only"):
        server_bench.query(f"TRUNCATE {table} CASCADE")


def test_what_was_decided_is_not_emptied_out_with_what_it_refers_to(server_bench: Bench) -> None:
    server_bench.promote()

    with pytest.raises(DatabaseError, match=r"is append-only"):
        server_bench.query("TRUNCATE runs CASCADE")
    assert server_bench.count("runs") == 1


@pytest.mark.parametrize(("table", "column"), NUMBERS)
def test_no_number_is_nan_in_any_row(server_bench: Bench, table: str, column: str) -> None:
    """On SQLite it would be NULL; here it is a value, and above every other one."""
    checks = server_bench.query(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ?::regclass AND conname = ?",
        table,
        f"{column}_is_number",
    )

    assert checks == [(f"CHECK (({column} <> 'NaN'::double precision))",)]


def test_a_gate_does_not_pass_by_nan(server_bench: Bench) -> None:
    decided = server_bench.promote().id

    for value, bound in ((math.nan, 0.5), (0.5, math.nan)):
        with pytest.raises(DatabaseError, match="_is_number"):
            server_bench.query(
                "INSERT INTO gates VALUES (?, 'auc', 9, 'pass', ?::float8, ?::float8, '')", decided, value, bound
            )
    assert server_bench.count("gates") == 1


def test_texts_sort_by_their_bytes_whatever_the_database_is_made_for(server_bench: Bench) -> None:
    words = ["b", "A", "a", "B", "a b", "ab", "a-c"]
    ((dictionary,),) = server_bench.query(
        f"SELECT array_agg(word ORDER BY word) FROM unnest(ARRAY{words}) AS given(word)"
    )
    assert dictionary != sorted(words)
    for word in words:
        server_bench.start_run(line=word)

    assert [line for (line,) in server_bench.query("SELECT line FROM runs ORDER BY line")] == sorted(words)


@pytest.mark.parametrize("settings", ["serializable", "repeatable read"])
def test_whoever_waited_for_the_lock_sees_what_was_written_meanwhile(
    postgresql: PostgreSQL, server_bench: Bench, settings: str
) -> None:
    """Whatever isolation the server is set to."""
    database = server_bench.query("SELECT current_database()")[0][0]
    postgresql.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = '{settings}'")

    with writing_engine(server_bench.url).begin() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET message = 'changed'",
        "DELETE FROM runs",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE more (id INTEGER)",
        "DROP TABLE runs",
    ],
)
def test_a_reading_connection_cannot_write(server_bench: Bench, statement: str) -> None:
    server_bench.start_run()
    before = server_bench.query("SELECT * FROM runs")

    with reading_engine(server_bench.url).connect() as connection:
        with pytest.raises(DatabaseError, match="in a read-only transaction"):
            connection.exec_driver_sql(statement)
        connection.commit()

    assert server_bench.query("SELECT * FROM runs") == before


def test_a_question_is_asked_in_utc_wherever_the_server_is(server_bench: Bench) -> None:
    assert server_bench.query("SHOW TIME ZONE") != [("UTC",)]

    with reading_engine(server_bench.url).connect() as connection:
        for _ in range(2):
            assert connection.execute(text("SHOW TIME ZONE")).scalar() == "UTC"
            connection.rollback()


def test_a_reading_transaction_sees_one_moment(server_bench: Bench) -> None:
    server_bench.start_run()
    with reading_engine(server_bench.url).connect() as connection:
        before = connection.scalar(text("SELECT count(*) FROM runs"))
        server_bench.start_run()

        assert connection.scalar(text("SELECT count(*) FROM runs")) == before == 1


# What goes wrong


def one_sentence(error: pytest.ExceptionInfo[Exception]) -> str:
    words = str(error.value)
    assert "\n" not in words
    assert "pa55word" not in words
    return words


@either
def test_a_server_that_is_down_is_told_in_one_line_without_the_password(open_store: Open) -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql+psycopg://me:pa55word@127.0.0.1:9/metrics?password=pa55word&connect_timeout=5")

    words = one_sentence(caught)
    assert "the metrics store at postgresql+psycopg://me:***@127.0.0.1:9/metrics cannot be" in words
    assert "connection refused" in words.lower()


@either
def test_a_database_that_is_not_there_is_named(postgresql: PostgreSQL, open_store: Open) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(postgresql.url("nowhere", "postgres:pa55word"))

    assert 'database "nowhere" does not exist' in one_sentence(caught)


def test_an_empty_database_is_a_store_that_is_not_there_yet_and_stays_empty(postgresql: PostgreSQL) -> None:
    url = postgresql.new_url()

    with pytest.raises(MissingStoreError, match=r"there is no metrics store at .* yet: `retrain run` makes it"):
        MetricsReader(url)
    with reading_engine(url).connect() as connection:
        assert inspect(connection).get_table_names() == []
    with writing_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
    with pytest.raises(StoreError, match="is a database, but not a metrics store"):
        MetricsReader(url)
    postgresql.drop(url)


def test_a_connection_that_is_lost_while_writing_leaves_no_lock_and_no_half_of_the_work(server_bench: Bench) -> None:
    run_id = server_bench.start_run()
    half = f"UPDATE runs SET message = 'half done'; {end_connections(server_bench)}"

    with (
        pytest.raises(StoreError, match=r"the metrics store could not be written to: .*terminat") as caught,
        server_bench.store._write() as session,
    ):
        session.execute(text(half))
    one_sentence(caught)
    assert server_bench.reader.run(run_id)["message"] == "running"

    server_bench.store.finish_run(run_id, "completed", "done", 1.0)
    assert server_bench.reader.run(run_id)["message"] == "done"


def test_a_server_that_goes_away_between_two_questions_is_a_store_error(postgresql: PostgreSQL) -> None:
    url = postgresql.new_url()
    store = MetricsStore(url)
    reader = MetricsReader(url)
    postgresql.drop(url)

    with pytest.raises(StoreError, match=r"the metrics store could not be read: .*does not exist") as caught:
        reader.history()
    one_sentence(caught)
    with pytest.raises(StoreError, match=r"the metrics store could not be written to: .*does not exist") as caught:
        store.reap_dead_runs()
    one_sentence(caught)


@pytest.mark.parametrize("words", ["a unique review", "duplicate key", "it must follow"])
def test_the_words_of_a_row_do_not_make_an_error_a_stale_decision(server_bench: Bench, words: str) -> None:
    """PostgreSQL quotes the row that it refuses."""
    candidate = server_bench.candidate()
    gate = Gate("auc", "pass", None, 0.5, words)

    with pytest.raises(StoreError) as caught:
        server_bench.decide(Decision(candidate.id, True, words, (gate,)))
    assert words in str(caught.value)
    assert not isinstance(caught.value, StaleDecisionError)


def test_a_store_in_a_database_of_plain_bytes_keeps_every_letter(postgresql: PostgreSQL) -> None:
    postgresql.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'")
    store = MetricsStore(postgresql.url("bytes"))
    run_id = store.start_run(RunStart("retrain", "café", "schedule", {"a": "é"}, 7, False, {}, None))

    run = MetricsReader(store.url).run(run_id)
    assert (run["line"], run["options"]) == ("café", {"a": "é"})


def test_the_indexes_of_some_rows_only_are_those_of_sqlite(server_bench: Bench) -> None:
    conditions = {
        index.name
        for table in Base.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    found = server_bench.query("SELECT indexname FROM pg_indexes WHERE strpos(indexdef, ' WHERE ') > 0")

    assert {name for (name,) in found} == conditions
    assert "one_run_a_slot" in conditions
