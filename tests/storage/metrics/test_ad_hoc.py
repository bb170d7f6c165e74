"""Questions in SQL: what they are answered with, and that none of them has any effect."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import MissingStoreError, QueryError, StoreError
from storage.metrics import ad_hoc, engine
from storage.metrics.ad_hoc import MAX_SECONDS, Limits, ask
from storage.metrics.store import MetricsStore
from tests.storage.conftest import Bench, FileBench, Spawn

ENDLESS = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t)"

# Each may only be refused. {other} is the path of a file that is not there.
HOSTILE = [
    "INSERT INTO stages SELECT run_id, 'x', 9, 1.0, 1 FROM candidates",
    "REPLACE INTO alembic_version VALUES ('99')",
    "INSERT INTO alembic_version VALUES ('99') ON CONFLICT DO UPDATE SET version_num = '99'",
    "UPDATE runs SET state = 'failed'",
    "UPDATE runs SET message = 'x' RETURNING id",
    "DELETE FROM metrics",
    "DELETE FROM metrics RETURNING value",
    "WITH x AS (SELECT 1) DELETE FROM metrics",
    "WITH x AS (SELECT id FROM runs) UPDATE runs SET message = (SELECT id FROM x)",
    "WITH x AS (DELETE FROM runs RETURNING id) SELECT * FROM x",
    "SELECT * FROM (DELETE FROM runs RETURNING id)",
    "/* SELECT */ DELETE FROM metrics -- SELECT",
    "EXPLAIN DELETE FROM metrics",
    "DROP TABLE metrics",
    "DROP TRIGGER champions_no_delete",
    "ALTER TABLE runs RENAME TO gone",
    "ALTER TABLE runs DROP COLUMN message",
    "CREATE TABLE x (a)",
    "CREATE TABLE x AS SELECT * FROM runs",
    "CREATE TEMP TABLE x (a)",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE TEMP TRIGGER x AFTER INSERT ON runs BEGIN DELETE FROM metrics; END",
    "CREATE VIEW x AS SELECT 1",
    "CREATE INDEX x ON runs (message)",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "CREATE VIRTUAL TABLE x USING dbstat",
    "ATTACH '{other}' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO '{other}'",
    "ANALYZE",
    "REINDEX",
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    "SAVEPOINT x",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode = OFF",
    "PRAGMA query_only = OFF",
    "PRAGMA user_version = 7",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA temp_store_directory = '/'",
    "PRAGMA optimize",
    "PRAGMA hard_heap_limit = 1",
    "SELECT * FROM pragma_wal_checkpoint",
    "UPDATE sqlite_master SET sql = ''",
    "DELETE FROM sqlite_master",
    "SELECT load_extension('{other}')",
    "SELECT writefile('{other}', 'x')",
    "SELECT edit('x', 'touch {other}')",
    "SELECT fts3_tokenizer('x', x'00')",
    "SELECT 1; DELETE FROM metrics",
    "SELECT 1; SELECT 2",
    "SELECT 1 /* ; */ ; DELETE FROM metrics",
    ".shell touch {other}",
    "COPY runs TO '{other}'",
    "",
    " ; ",
    "-- nothing",
    "SELECT 1\0; DELETE FROM metrics",
    "SELECT '\udcff'",
]


def folder(file: Path) -> dict[str, bytes]:
    """Each file beside the store, with all that it holds."""
    return {path.name: path.read_bytes() for path in file.parent.iterdir()}


def fill(file: Path) -> FileBench:
    bench = FileBench(MetricsStore(f"sqlite:///{file}"))
    run_id = bench.start_run()
    bench.snapshot(run_id)
    bench.candidate(run_id)
    bench.store.finish_run(run_id, "completed", "promoted", 61.25)
    return bench


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> FileBench:
    """A store that no test changes."""
    return fill(tmp_path_factory.mktemp("store") / "metrics.db")


@pytest.fixture
def written(tmp_path: Path) -> FileBench:
    """A store that a test may write to."""
    return fill(tmp_path / "metrics.db")


@pytest.mark.parametrize("statement", HOSTILE)
def test_a_hostile_statement_is_refused_and_has_no_effect(filled: FileBench, statement: str) -> None:
    other = filled.file.parent / "other"
    before = folder(filled.file)
    with pytest.raises(QueryError):
        ask(filled.url, statement.replace("{other}", str(other)))
    assert folder(filled.file) == before
    assert not Path("other").exists()


@pytest.mark.parametrize("statement", ["DELETE FROM metrics", "VACUUM INTO '{other}'", "ATTACH '{other}' AS other"])
def test_a_store_in_wal_mode_is_as_safe(written: FileBench, statement: str) -> None:
    written.query("PRAGMA journal_mode = WAL")
    num_metrics = written.count("metrics")
    assert num_metrics
    with pytest.raises(QueryError, match="does more than read"):
        ask(written.url, statement.replace("{other}", str(written.file.parent / "other")))
    assert ask(written.url, "SELECT count(*) FROM metrics").rows == ((num_metrics,),)
    assert {path.name for path in written.file.parent.iterdir()} <= {"metrics.db", "metrics.db-wal", "metrics.db-shm"}


def test_what_is_refused_is_told_in_a_sentence(filled: FileBench) -> None:
    with pytest.raises(QueryError, match=r"does more than read, .*Nothing was changed\. Expected a SELECT\."):
        ask(filled.url, "DELETE FROM metrics")
    with pytest.raises(QueryError, match=r"does more than read, .*load_extension"):
        ask(filled.url, "SELECT load_extension('x')")
    with pytest.raises(QueryError, match="there is more than one statement: expected one"):
        ask(filled.url, "SELECT 1; SELECT 2")
    with pytest.raises(QueryError, match=r"no such column: stat.* `retrain sql` lists the tables and views"):
        ask(filled.url, "SELECT stat FROM runs")
    with pytest.raises(QueryError, match="there is no statement"):
        ask(filled.url, "-- nothing")


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("SELECT state, seconds FROM runs", (("completed", 61.25),)),
        ("SELECT state FROM runs; -- and no more", (("completed",),)),
        ("VALUES (1, NULL, 0.1, 'é')", ((1, None, 0.1, "é"),)),
        ("SELECT json_extract(options, '$.epochs') FROM runs", ((3,),)),
        ("SELECT value FROM json_each('[1, 2]')", ((1,), (2,))),
        ("SELECT name FROM pragma_table_info('alembic_version')", (("version_num",),)),
        ("SELECT count(*) FROM sqlite_master WHERE name = 'runs'", ((1,),)),
        (f"{ENDLESS} SELECT x FROM t LIMIT 3", ((1,), (2,), (3,))),
        ("SELECT round(avg(value) OVER (), 1) FROM metrics WHERE name = 'recall'", ((0.8,), (0.8,))),
        ("SELECT CAST(x'ff' AS TEXT)", (("\N{REPLACEMENT CHARACTER}",),)),
    ],
)
def test_what_reads_is_answered(filled: FileBench, question: str, rows: tuple[tuple[object, ...], ...]) -> None:
    before = folder(filled.file)
    answer = ask(filled.url, question)
    assert (answer.rows, answer.is_cut) == (rows, False)
    assert folder(filled.file) == before


def test_the_plan_of_a_question_can_be_asked_for(filled: FileBench) -> None:
    assert ask(filled.url, "EXPLAIN QUERY PLAN SELECT * FROM runs").columns[-1] == "detail"


def test_each_column_has_a_name_of_its_own(filled: FileBench) -> None:
    assert ask(filled.url, "SELECT 1 AS a, 2 AS a, 3 AS a_2").columns == ("a", "a_2", "a_2_2")


def test_an_answer_without_rows_has_its_columns(filled: FileBench) -> None:
    answer = ask(filled.url, "SELECT id FROM runs WHERE id = 'nobody'")
    assert (answer.columns, answer.rows, answer.is_cut) == (("id",), (), False)


@pytest.mark.parametrize(("limit", "is_cut"), [(1, True), (2, False), (3, False)])
def test_an_answer_is_cut_where_there_are_more_rows(filled: FileBench, limit: int, is_cut: bool) -> None:
    answer = ask(filled.url, "SELECT column1 FROM (VALUES (1), (2))", limits=Limits(rows=limit))
    assert (len(answer.rows), answer.is_cut) == (min(limit, 2), is_cut)


def test_parameters_are_bound_and_never_become_sql(filled: FileBench) -> None:
    hostile = "x'; DELETE FROM metrics; --"
    assert ask(filled.url, "SELECT :it", {"it": hostile}).rows == ((hostile,),)
    assert ask(filled.url, "SELECT count(*) FROM runs WHERE line = :line", {"line": "imdb"}).rows == ((1,),)


@pytest.mark.parametrize(
    ("value", "bound"),
    [("60", 60), ("-1", -1), ("0.5", 0.5), ("007", "007"), ("1e5", "1e5"), ("9" * 30, "9" * 30), ("", ""), ("a", "a")],
)
def test_a_parameter_that_is_a_number_is_bound_as_one(filled: FileBench, value: str, bound: object) -> None:
    assert ask(filled.url, "SELECT :it", {"it": value}).rows == ((bound,),)


@pytest.mark.parametrize("question", ["SELECT :line", "SELECT ?", "SELECT ?1, :line"])
def test_a_parameter_without_a_value_is_named(filled: FileBench, question: str) -> None:
    with pytest.raises(QueryError, match=r"--param name=value"):
        ask(filled.url, question)


@pytest.mark.parametrize(
    "question",
    [
        f"{ENDLESS} SELECT max(x) FROM t",
        f"{ENDLESS} SELECT x FROM t WHERE x < 0",
        f"{ENDLESS} SELECT count(*) FROM t a, t b",
        "SELECT count(*) FROM metrics a, metrics b, metrics c, metrics d, metrics e, metrics f, metrics g, metrics h,"
        " metrics i, metrics j, metrics k, metrics l, metrics m",
    ],
)
def test_a_question_that_takes_too_long_is_given_up(filled: FileBench, question: str) -> None:
    with pytest.raises(QueryError, match=r"not there after 0\.3 s: .*--timeout"):
        ask(filled.url, question, limits=Limits(seconds=0.3))


@pytest.mark.parametrize(
    "question",
    [
        "SELECT zeroblob(1000000000)",
        "SELECT hex(randomblob(1000000))",
        "SELECT replace(hex(zeroblob(500000)), '0', '12345678')",
        f"{ENDLESS} SELECT group_concat(x, 'and so on') FROM (SELECT x FROM t LIMIT 200000)",
        f"{ENDLESS} SELECT json_group_array(x) FROM (SELECT x FROM t LIMIT 200000)",
        f"{ENDLESS} SELECT zeroblob(1000000) FROM t",
        f"SELECT {', '.join(['zeroblob(1000000)'] * 100)}",
        f"SELECT {', '.join(['1'] * 300)}",
        "SELECT '" + "x" * 200_000 + "'",
    ],
)
def test_an_answer_that_would_fill_the_memory_is_refused(filled: FileBench, question: str) -> None:
    with pytest.raises(QueryError, match=r"too big|larger than 64 MiB|too many|too large"):
        ask(filled.url, question, limits=Limits(seconds=20))


def test_a_time_that_is_no_number_is_no_time(filled: FileBench) -> None:
    with pytest.raises(QueryError, match="not there after nan s"):
        ask(filled.url, f"{ENDLESS} SELECT max(x) FROM t", limits=Limits(seconds=math.nan))


def test_ctrl_c_stops_a_question_as_it_stops_any_command(filled: FileBench, spawn: Spawn) -> None:
    code = """
import sys
from storage.metrics.ad_hoc import Limits, ask
print("asking", flush=True)
try:
    ask(sys.argv[1], sys.argv[2], limits=Limits(seconds=20))
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    child = spawn(code, filled.url, f"{ENDLESS} SELECT max(x) FROM t")
    assert child.stdout is not None
    assert child.stdout.readline() == "asking\n"
    stop = threading.Timer(1.0, child.send_signal, (2,))
    stop.start()
    assert child.stdout.readline() == "stopped\n"
    stop.join()


def test_a_question_ends_before_a_run_is_tired_of_waiting() -> None:
    assert Limits().seconds < MAX_SECONDS < engine._BUSY_TIMEOUT_MS / 1000


WRITER = """
import sys
from storage.metrics.store import MetricsStore
from storage.records import RunStart
store = MetricsStore(sys.argv[1])
print("ready", flush=True)
for _ in sys.stdin:
    store.start_run(RunStart("retrain", "written", "schedule", {}, 7, False, {}, None))
    print("written", flush=True)
"""


def test_questions_are_answered_while_a_run_writes(written: FileBench, spawn: Spawn) -> None:
    writer = spawn(WRITER, written.url)
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    for number in range(1, 6):
        writer.stdin.write("go\n")
        writer.stdin.flush()
        # Asked in the midst of it, the answer is the state before or after.
        (found,) = ask(written.url, "SELECT count(*) FROM runs WHERE line = 'written'").rows
        assert found[0] in (number - 1, number)
        assert writer.stdout.readline() == "written\n"
    assert ask(written.url, "SELECT count(*) FROM runs WHERE line = 'written'").rows == ((5,),)


@pytest.fixture
def unfinished(written: FileBench) -> Iterator[sqlite3.Connection]:
    """Another program in the midst of a transaction."""
    with closing(sqlite3.connect(written.file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE runs SET message = 'half'")
        yield connection
        connection.execute("ROLLBACK")


def test_what_is_not_committed_is_not_seen(written: FileBench, unfinished: sqlite3.Connection) -> None:
    assert unfinished.in_transaction
    assert ask(written.url, "SELECT message FROM runs").rows == (("promoted",),)


def test_a_store_whose_writer_was_killed_half_way_is_put_right_first(written: FileBench, spawn: Spawn) -> None:
    code = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE runs SET message = 'half', source_reason = hex(zeroblob(200000))")
print("half", flush=True)
sys.stdin.readline()
"""
    child = spawn(code, str(written.file))
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    child.kill()
    child.wait()
    assert (written.file.parent / "metrics.db-journal").exists()
    assert ask(written.url, "SELECT message, source_reason FROM runs").rows == (("promoted", "it was named"),)


def test_a_store_that_another_program_holds_is_no_mistake_in_the_question(written: FileBench) -> None:
    with closing(sqlite3.connect(written.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.MonkeyPatch.context() as patch:
            # Whether it is a store at all was asked before.
            patch.setattr(ad_hoc, "MetricsReader", lambda _: None)
            with pytest.raises(StoreError, match="could not be read: database is locked"):
                ask(written.url, "SELECT count(*) FROM runs", limits=Limits(seconds=0.2))


def test_a_damaged_store_is_no_mistake_in_the_question(written: FileBench) -> None:
    content = bytearray(written.file.read_bytes())
    (page,) = written.query("SELECT rootpage FROM sqlite_master WHERE name = 'stages'")[0]
    (size,) = written.query("PRAGMA page_size")[0]
    content[(page - 1) * size : page * size] = b"\xff" * size
    written.file.write_bytes(content)
    with pytest.raises(StoreError, match=r"could not be read: .*malformed"):
        ask(written.url, "SELECT * FROM stages")


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MissingStoreError):
        ask(f"sqlite:///{tmp_path / 'none.db'}", "SELECT 1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["with space.db", "a#b.db", "a%20b.db", "é.db", "a'b.db"])
def test_a_store_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    assert ask(fill(file).url, "SELECT count(*) FROM runs").rows == ((1,),)
    assert [path.name for path in tmp_path.iterdir()] == [name]


HOSTILE_TO_A_SERVER = [
    "DELETE FROM runs",
    "WITH x AS (DELETE FROM runs RETURNING id) SELECT * FROM x",
    "SELECT 1; DELETE FROM runs",
    "SELECT 1; SELECT 2",
    "COMMIT; DELETE FROM runs",
    "SET TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT * INTO x FROM runs",
    "CREATE TEMP TABLE x (a int)",
    "SELECT * FROM runs FOR UPDATE",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "DO $$ BEGIN DELETE FROM runs; END $$",
    "TRUNCATE runs CASCADE",
    "DROP TABLE runs CASCADE",
    "BEGIN",
    "",
]


def test_a_server_refuses_hostile_statements_too(server_bench: Bench) -> None:
    server_bench.start_run()
    for statement in HOSTILE_TO_A_SERVER:
        with pytest.raises(QueryError, match="the database says: "):
            ask(server_bench.url, statement)
    assert server_bench.count("runs") == 1
    assert ask(server_bench.url, "SELECT count(*) FROM pg_tables WHERE tablename = 'x'").rows == ((0,),)


def test_a_server_is_asked_within_limits_and_with_bound_parameters(server_bench: Bench) -> None:
    server_bench.start_run()
    hostile = "x'; DELETE FROM runs; --"
    assert ask(server_bench.url, "SELECT :it AS it, '10 : :x %' AS text, 1::int", {"it": hostile}).rows == (
        (hostile, "10 : :x %", 1),
    )
    assert ask(server_bench.url, "SELECT count(*) FROM runs WHERE line = :line", {"line": "imdb"}).rows == ((1,),)
    endless = ask(server_bench.url, "SELECT * FROM generate_series(1, 10000)", limits=Limits(rows=2))
    assert (endless.rows, endless.is_cut) == (((1,), (2,)), True)
    with pytest.raises(QueryError, match=r"not there after 0\.5 s"):
        ask(server_bench.url, "SELECT pg_sleep(60)", limits=Limits(seconds=0.5))
