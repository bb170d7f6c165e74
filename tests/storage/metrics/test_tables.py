"""What the database itself refuses, whatever program writes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, NullPool, create_engine, event, insert, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, IntegrityError, StatementError
from sqlalchemy.schema import CreateIndex, CreateTable

from storage.metrics.engine import writing_engine
from storage.metrics.store import MetricsStore
from storage.metrics.tables import Base, EpochRow
from storage.records import Decision, Suspect
from tests.storage.conftest import Bench, FileBench, Files, MakeBench

AnyBench = TypeVar("AnyBench", bound=Bench)

NOW = "2026-11-23T14:40:59.000000Z"
SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()  # type: ignore[no-untyped-call]
NAN, INF = math.nan, math.inf

# A row of each table that the database accepts, where nobody holds foreign keys: none needs a parent.
VALID: dict[str, dict[str, Any]] = {
    "snapshots": {
        "id": "s", "test_id": "t", "line": "l", "origin": "o", "source_sha256": "", "num_train": 1, "num_validation": 1,
        "num_test": 1, "split_seed": 1, "content_version": 1, "vocabulary": "", "created_at": NOW,
    },
    "runs": {
        "id": "r", "flow": "retrain", "line": "l", "state": "running", "trigger": "schedule", "slot": None,
        "dry_run": False,
        "snapshot_id": None, "source_reason": None, "options": "{}", "seed": 1, "fingerprint": "", "versions": "{}",
        "git_commit": None, "device": None, "message": "", "started_at": NOW, "finished_at": None, "seconds": None,
        "host": "h", "boot_id": "b", "process_id": 1, "process_started": 1.0,
    },
    "stages": {"run_id": "r", "name": "n", "position": 0, "seconds": 1.0, "peak_memory_bytes": 1},
    "checks": {
        "run_id": "r", "subject": "data", "name": "n", "position": 0, "verdict": "pass", "action": "fail",
        "measured": "{}", "bound": "", "evidence": "", "offending_rows": "[]",
    },
    "candidates": {
        "id": "c", "run_id": "r", "model": "m", "bundle": "b", "device": "d", "num_parameters": 1, "best_epoch": 1,
        "training_seconds": 1.0, "training_key": "", "reused_from": "", "created_at": NOW,
    },
    "epochs": {
        "candidate_id": "c", "epoch": 1, "loss": 0.5, "accuracy": 0.5, "validation_loss": 0.5,
        "validation_accuracy": 0.5, "learning_rate": 0.001, "seconds": 1.0,
    },
    "metrics": {
        "candidate_id": "c", "split": "test", "name": "accuracy", "scope": "overall", "value": 0.5, "lower": 0.4,
        "upper": 0.6, "confidence": 0.95,
    },
    "confusion_matrices": {
        "candidate_id": "c", "split": "test", "true_negatives": 1, "false_positives": 1, "false_negatives": 1,
        "true_positives": 1,
    },
    "decisions": {
        "id": "e", "run_id": "r", "candidate_id": "c", "kind": "promotion", "verdict": "promoted", "reason": "",
        "test_id": "t", "decided_at": NOW,
    },
    "diagnoses": {
        "decision_id": "e", "cause": "split", "position": 0, "standing": "likely", "evidence": "", "remedy": "",
    },
    "gates": {
        "decision_id": "e", "name": "n", "position": 0, "verdict": "pass", "value": 0.5, "bound": 0.5, "words": "",
    },
    "comparisons": {
        "test_id": "t", "comparison": 0, "decision_id": "e", "champion_id": "d", "alpha": 0.025, "num_rows": 10,
        "only_challenger": 1, "only_champion": 1, "p_value": 0.5, "difference": 0.0, "lower": -0.1, "upper": 0.1,
        "auc_difference": None, "auc_lower": None, "auc_upper": None, "auc_standard_error": None,
    },
    "champions": {
        "line": "l", "position": 1, "previous": 0, "decision_id": "e", "candidate_id": "c", "succession": "promotion",
        "mark": 1, "reason": "", "promoted_at": NOW,
    },
    "observations": {
        "run_id": "r", "line": "l", "position": 1, "candidate_id": "c", "num_rows": 20, "num_new": 10, "accuracy": 0.5,
        "lower": 0.4, "upper": 0.6, "auc": 0.5, "promoted_accuracy": 0.5, "predicted_positive": 0.5, "positive": 0.5,
        "verdict": "healthy", "reason": "", "observed_at": NOW,
    },
}  # fmt: skip

# An observation that found nothing to measure.
NOTHING_NEW = {
    "num_new": 0, "accuracy": None, "lower": None, "upper": None, "auc": None, "predicted_positive": None,
    "positive": None,
}  # fmt: skip

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("runs", {"state": "crashed", "finished_at": NOW}),
    ("runs", {"state": "rejected data", "finished_at": NOW, "seconds": 0.0}),
    *(("runs", {"flow": flow, "seed": None}) for flow in ("rollback", "housekeeping")),
    ("runs", {"slot": "retrain/weekly 2026-11-30T03:00:00Z"}),
    ("checks", {"verdict": "warn"}),
    ("checks", {"verdict": "fail"}),
    ("checks", {"verdict": "pass", "action": "warn"}),
    ("checks", {"verdict": "off", "action": "off"}),
    ("checks", {"subject": "baseline_avgpool"}),
    ("epochs", {"loss": 0.0, "accuracy": 0.0, "validation_accuracy": 1.0}),
    ("metrics", {"value": 0.0, "lower": 0.0}),
    ("metrics", {"value": 1.0, "upper": 1.0}),
    ("metrics", {"value": 0.4}),
    ("metrics", {"lower": None, "upper": None, "confidence": None}),
    ("metrics", {"name": "log_loss", "value": 1.2, "upper": 1.2}),
    ("metrics", {"name": "support", "value": 12_500.0, "lower": None, "upper": None, "confidence": None}),
    ("confusion_matrices", {"true_negatives": 0, "false_positives": 0, "false_negatives": 0, "true_positives": 0}),
    ("gates", {"verdict": "fail", "value": None, "bound": None}),
    ("gates", {"verdict": "not applicable", "value": None}),
    ("gates", {"verdict": "waived", "value": None, "bound": None}),
    *(("decisions", {"kind": kind}) for kind in ("forced replacement", "rollback")),
    *(("decisions", {"verdict": verdict}) for verdict in ("rejected", "would promote", "would reject")),
    *(("diagnoses", {"standing": standing}) for standing in ("shown", "possible", "ruled out")),
    *(("champions", {"succession": succession}) for succession in ("forced replacement", "rollback")),
    ("comparisons", {"p_value": 0.0, "difference": -1.0}),
    ("comparisons", {"p_value": 1.0, "difference": 1.0}),
    ("comparisons", {"auc_standard_error": 0.0}),
    *(("observations", {"verdict": verdict}) for verdict in ("degraded", "drifted", "too few rows")),
    ("observations", {"num_rows": 10}),
    ("observations", {"accuracy": 0.0, "lower": 0.0}),
    ("observations", {"accuracy": 1.0, "upper": 1.0}),
    ("observations", {"auc": None}),
    ("observations", {**NOTHING_NEW, "verdict": "too few rows"}),
]

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("runs", {"state": "sleeping", "finished_at": NOW}),
    ("runs", {"state": "completed"}),
    ("runs", {"finished_at": NOW}),
    ("runs", {"trigger": "a whim"}),
    ("runs", {"flow": "river"}),
    ("runs", {"flow": None}),
    ("runs", {"seconds": -0.001}),
    ("stages", {"seconds": -0.001}),
    ("checks", {"verdict": "Pass"}),
    ("checks", {"action": "ignore"}),
    ("checks", {"verdict": "off"}),
    ("checks", {"verdict": "off", "action": "warn"}),
    ("checks", {"verdict": "pass", "action": "off"}),
    ("checks", {"subject": None}),
    ("epochs", {"epoch": 0}),
    ("epochs", {"loss": -0.001}),
    ("epochs", {"validation_loss": -0.001}),
    ("epochs", {"accuracy": 1.001}),
    ("epochs", {"validation_accuracy": -0.001}),
    ("metrics", {"split": "training"}),
    ("metrics", {"scope": "class 2"}),
    ("metrics", {"value": 1.2, "upper": 1.3}),
    ("metrics", {"value": 1.001, "lower": None, "upper": None, "confidence": None}),
    ("metrics", {"value": -0.001, "lower": None, "upper": None, "confidence": None}),
    ("metrics", {"name": "log_loss", "value": -0.001, "lower": None, "upper": None, "confidence": None}),
    ("metrics", {"value": 0.399}),
    ("metrics", {"value": 0.601}),
    ("metrics", {"lower": None}),
    ("metrics", {"upper": None}),
    ("metrics", {"confidence": None}),
    ("confusion_matrices", {"split": "all"}),
    ("confusion_matrices", {"true_negatives": -1}),
    ("confusion_matrices", {"false_positives": -1}),
    ("confusion_matrices", {"false_negatives": -1}),
    ("confusion_matrices", {"true_positives": -1}),
    ("decisions", {"verdict": "maybe"}),
    ("decisions", {"kind": "coup"}),
    ("decisions", {"run_id": None}),
    ("diagnoses", {"standing": "certain"}),
    ("diagnoses", {"cause": None}),
    ("gates", {"verdict": "unknown"}),
    ("gates", {"value": None}),
    ("gates", {"value": NAN}),
    ("gates", {"bound": None}),
    ("gates", {"bound": NAN}),
    ("comparisons", {"comparison": -1}),
    ("comparisons", {"alpha": 0.0}),
    ("comparisons", {"alpha": 1.0}),
    ("comparisons", {"p_value": 1.5}),
    ("comparisons", {"p_value": -0.001}),
    ("comparisons", {"difference": 1.001}),
    ("comparisons", {"difference": -1.001}),
    ("comparisons", {"auc_standard_error": -0.001}),
    ("champions", {"mark": 0}),
    ("champions", {"mark": 2}),
    ("champions", {"mark": None}),
    ("champions", {"succession": "coup"}),
    ("champions", {"position": 0, "previous": -1}),
    ("champions", {"position": 2, "previous": 0}),
    ("champions", {"position": 1, "previous": 1}),
    ("observations", {"verdict": "fine"}),
    ("observations", {"num_new": 21}),
    ("observations", {"num_new": -1}),
    ("observations", {"accuracy": 0.399}),
    ("observations", {"accuracy": 0.601}),
    ("observations", {"lower": -0.001}),
    ("observations", {"upper": 1.001}),
    ("observations", {"auc": 1.001}),
    ("observations", {"promoted_accuracy": -0.001}),
    *(("observations", {name: NAN}) for name in ("accuracy", "lower", "upper", "predicted_positive", "positive")),
    *(("observations", {**NOTHING_NEW, "verdict": verdict}) for verdict in ("healthy", "degraded", "drifted")),
    ("observations", {**NOTHING_NEW, "verdict": "too few rows", "accuracy": 0.5}),
]

TABLES = {name: Base.metadata.tables[name] for name in VALID}
REAL = [
    (table.name, column.name)
    for table in TABLES.values()
    for column in table.columns
    if column.type.compile(dialect=SQLITE) == "REAL"
]
MEASURED = [(table, column) for table, column in REAL if not TABLES[table].columns[column].nullable]
WHOLE = [
    (table.name, column.name)
    for table in TABLES.values()
    for column in table.columns
    if column.type.compile(dialect=SQLITE) == "INTEGER"
]
BOUNDED = [
    ("epochs", "accuracy"),
    ("epochs", "validation_accuracy"),
    ("metrics", "value"),
    ("comparisons", "alpha"),
    ("comparisons", "p_value"),
    ("comparisons", "difference"),
    ("comparisons", "auc_standard_error"),
    ("observations", "accuracy"),
    ("observations", "promoted_accuracy"),
]


@dataclasses.dataclass(frozen=True)
class Program:
    """A program that knows nothing of ours; what the database refuses it leaves no trace."""

    connection: Connection

    @property
    def database(self) -> str:
        return self.connection.dialect.name

    def execute(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self.connection.begin_nested():
            found = self.connection.execute(text(sql), values)
            return [tuple(row) for row in found] if found.returns_rows else []


@contextmanager
def running(url: str) -> Iterator[Program]:
    """A program whose transaction is rolled back in the end."""
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        # The driver would begin no transaction before a savepoint.
        event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with engine.connect() as connection:
        yield Program(connection)


@pytest.fixture(scope="module")
def empty(make_bench: MakeBench) -> Bench:
    """An empty store without foreign keys: SQLite holds them for who asks for it only, PostgreSQL for everybody."""
    bench = make_bench()
    engine = create_engine(bench.url, poolclass=NullPool)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            for table in TABLES:
                for key in inspect(connection).get_foreign_keys(table):
                    connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {key['name']}")
    return bench


@pytest.fixture
def raw(empty: Bench) -> Iterator[Program]:
    with running(empty.url) as program:
        yield program


@pytest.fixture(scope="module")
def empty_file(files: Files) -> FileBench:
    return FileBench(MetricsStore(files.new_url()))


@pytest.fixture
def raw_file(empty_file: FileBench) -> Iterator[Program]:
    with running(empty_file.url) as program:
        yield program


def put(program: Program, table: str, changes: dict[str, Any] | None = None, verb: str = "INSERT") -> None:
    """Insert a valid row with changes."""
    row = {**VALID.get(table, {}), **(changes or {})}
    program.execute(insertion(table, row, verb), row)


def insertion(table: str, row: dict[str, Any], verb: str = "INSERT") -> str:
    return f"{verb} INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"


def count(program: Program, table: str) -> int:
    number = program.execute(f"SELECT count(*) FROM {table}")[0][0]
    assert isinstance(number, int)
    return number


def test_every_table_has_a_valid_row_here_and_is_strict(raw_file: Program) -> None:
    tables = "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    strict = dict(raw_file.execute(tables))

    # Alembic makes its own.
    assert strict.pop("alembic_version") == 0
    assert set(strict) == set(VALID) == set(Base.metadata.tables)
    assert set(strict.values()) == {1}


@pytest.mark.parametrize("table", VALID)
def test_a_valid_row_is_accepted(raw: Program, table: str) -> None:
    put(raw, table)

    assert count(raw, table) == 1


@pytest.mark.parametrize(("table", "changes"), ACCEPTED)
def test_a_row_at_a_bound_is_accepted(raw: Program, table: str, changes: dict[str, Any]) -> None:
    put(raw, table, changes)

    assert count(raw, table) == 1


@pytest.mark.parametrize(("table", "changes"), REFUSED)
def test_a_row_beyond_a_bound_is_refused(raw: Program, table: str, changes: dict[str, Any]) -> None:
    before = count(raw, table)
    with pytest.raises(IntegrityError):
        put(raw, table, changes)

    assert count(raw, table) == before


@pytest.mark.parametrize(("table", "column"), MEASURED)
def test_a_nan_is_refused_where_a_number_was_measured(raw: Program, table: str, column: str) -> None:
    with pytest.raises(IntegrityError, match=r"NOT NULL constraint failed|violates check constraint"):
        put(raw, table, {column: NAN})


@pytest.mark.parametrize(("table", "column"), [*REAL, *WHOLE])
def test_a_text_in_a_numbers_place_is_refused(raw: Program, table: str, column: str) -> None:
    with pytest.raises(DatabaseError, match=r"cannot store TEXT value in|invalid input syntax"):
        put(raw, table, {column: "much"})


@pytest.mark.parametrize(("table", "column"), WHOLE)
def test_a_fraction_in_a_counts_place_is_refused(raw_file: Program, table: str, column: str) -> None:
    with pytest.raises(IntegrityError, match="cannot store REAL value in INTEGER column"):
        put(raw_file, table, {column: 1.5})


@pytest.mark.parametrize("value", [INF, -INF])
@pytest.mark.parametrize(("table", "column"), BOUNDED)
def test_an_infinity_is_refused_where_a_bound_holds(raw: Program, table: str, column: str, value: float) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)check constraint"):
        put(raw, table, {column: value})


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("epochs", {"loss": INF}),
        ("epochs", {"validation_loss": INF}),
        ("metrics", {"name": "log_loss", "value": INF, "lower": None, "upper": None, "confidence": None}),
    ],
)
def test_an_infinite_loss_is_refused(raw: Program, table: str, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        put(raw, table, changes)


@pytest.mark.parametrize(
    ("column", "value"), [("loss", NAN), ("loss", "much"), ("accuracy", INF), ("accuracy", 1.001), ("epoch", "first")]
)
def test_what_is_not_a_number_is_refused_through_sqlalchemy_too(bench: Bench, column: str, value: object) -> None:
    candidate = bench.candidate()
    values: dict[str, object] = {**VALID["epochs"], "candidate_id": candidate.id, "epoch": 3}

    with pytest.raises(StatementError), writing_engine(bench.url).begin() as connection:
        connection.execute(insert(EpochRow).values(**{**values, column: value}))
    assert bench.count("epochs") == len(candidate.epochs)

    with writing_engine(bench.url).begin() as connection:
        connection.execute(insert(EpochRow).values(**values))
    assert bench.count("epochs") == len(candidate.epochs) + 1


CHILDREN = [table.name for table in TABLES.values() if table.foreign_keys]


def test_every_table_but_the_snapshots_has_a_parent() -> None:
    assert set(CHILDREN) == set(VALID) - {"snapshots"}


@pytest.mark.parametrize("table", CHILDREN)
def test_a_row_without_its_parent_is_refused_by_the_stores_own_connection(bench: Bench, table: str) -> None:
    row = {**VALID[table], **({"snapshot_id": "nowhere"} if table == "runs" else {})}

    with (
        pytest.raises(IntegrityError, match=r"(?i)foreign key constraint"),
        writing_engine(bench.url).begin() as connection,
    ):
        connection.execute(text(insertion(table, row)), row)
    assert bench.count(table) == 0


def test_a_run_decides_once_about_a_candidate_and_another_run_may_again(raw: Program) -> None:
    put(raw, "decisions")
    with pytest.raises(IntegrityError, match=r"(?i)unique constraint"):
        put(raw, "decisions", {"id": "f"})

    put(raw, "decisions", {"id": "f", "run_id": "s"})
    put(raw, "decisions", {"id": "g", "candidate_id": "d"})

    assert count(raw, "decisions") == 3


@pytest.mark.parametrize(
    ("table", "next_place"),
    [("champions", {"position": 2, "previous": 1}), ("comparisons", {"comparison": 1})],
)
def test_a_decision_is_used_once(raw: Program, table: str, next_place: dict[str, Any]) -> None:
    put(raw, table)
    with pytest.raises(IntegrityError, match=f"(?i:unique constraint) .*{table}.decision_id"):
        put(raw, table, next_place)

    put(raw, table, {**next_place, "decision_id": "f"})

    assert count(raw, table) == 2


def test_a_check_is_noted_once_of_each_subject(raw: Program) -> None:
    put(raw, "checks")
    put(raw, "checks", {"subject": "baseline_avgpool"})
    with pytest.raises(IntegrityError, match=r"(?i)unique constraint"):
        put(raw, "checks")

    assert count(raw, "checks") == 2


FIRST: dict[str, Any] = {}
SECOND: dict[str, Any] = {"position": 2, "previous": 1, "decision_id": "the second"}


@pytest.mark.parametrize(("mark", "is_accepted"), [(0, False), (1, True), (2, True), (3, False), (-1, False)])
def test_a_mark_is_an_entry_that_has_served(raw: Program, mark: int, is_accepted: bool) -> None:
    put(raw, "champions", FIRST)
    if is_accepted:
        put(raw, "champions", {**SECOND, "mark": mark})
    else:
        with pytest.raises(IntegrityError, match=r"(?i)check constraint.* .*mark_has_served"):
            put(raw, "champions", {**SECOND, "mark": mark})

    assert count(raw, "champions") == 1 + is_accepted


def test_a_line_is_a_chain_from_one(raw: Program) -> None:
    put(raw, "champions", FIRST)
    put(raw, "champions", SECOND)
    put(raw, "champions", {"line": "another", "decision_id": "the third"})

    assert count(raw, "champions") == 3


BREAKS = pytest.mark.parametrize(
    "changes",
    [
        {"position": 4, "previous": 3},
        {"position": 3, "previous": 1},
        {"position": 2, "previous": 1},
        {"position": 1, "previous": 0},
        {"position": 0, "previous": -1},
        {"line": "another", "position": 2, "previous": 1},
        {"line": "another", "position": 3, "previous": 2},
    ],
    ids=[
        "a gap",
        "a gap hidden",
        "a second one",
        "the first one again",
        "before the first",
        "no first",
        "a later start",
    ],
)


@BREAKS
def test_a_break_in_the_chain_is_refused(raw: Program, changes: dict[str, Any]) -> None:
    refuse_break(raw, "INSERT", changes)


@BREAKS
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "INSERT OR IGNORE"])
def test_a_break_in_the_chain_is_refused_in_sqlites_own_words_too(
    raw_file: Program, verb: str, changes: dict[str, Any]
) -> None:
    refuse_break(raw_file, verb, changes)


def refuse_break(program: Program, verb: str, changes: dict[str, Any]) -> None:
    put(program, "champions", FIRST)
    put(program, "champions", SECOND)
    before = program.execute("SELECT * FROM champions")

    with pytest.raises(IntegrityError, match=r"must follow|append-only|(?i:check constraint)"):
        put(program, "champions", {"decision_id": "the next", **changes}, verb)

    assert program.execute("SELECT * FROM champions") == before


def test_nobody_follows_the_same_champion_twice_even_without_the_trigger(raw: Program) -> None:
    raw.execute("DROP TRIGGER champions_follow" + (" ON champions" if raw.database == "postgresql" else ""))
    put(raw, "champions", FIRST)
    put(raw, "champions", SECOND)

    for changes in ({"position": 2, "previous": 1}, {"position": 3, "previous": 1}):
        with pytest.raises(IntegrityError):
            put(raw, "champions", {"decision_id": "the next", **changes})


UPDATED = {
    "champions": "reason",
    "comparisons": "alpha",
    "decisions": "reason",
    "diagnoses": "remedy",
    "gates": "words",
    "observations": "verdict",
}
APPEND_ONLY = list(UPDATED)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_what_was_decided_is_not_changed_by_any_program(raw: Program, table: str, change: str) -> None:
    put(raw, table)

    with pytest.raises(IntegrityError, match=f"{table} is append-only"):
        raw.execute(change.format(table=table, column=UPDATED[table]))

    assert count(raw, table) == 1


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "INSERT INTO {table} SELECT * FROM {table} WHERE true "
        "ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}",
    ],
)
def test_what_was_decided_is_not_changed_through_the_stores_own_connection(
    decided: Bench, table: str, statement: str
) -> None:
    refuse_change(decided, table, statement)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE OR REPLACE {table} SET {column} = {column}",
        "REPLACE INTO {table} SELECT * FROM {table}",
        "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        "INSERT INTO {table} SELECT * FROM {table} WHERE true ON CONFLICT DO UPDATE SET {column} = {column}",
    ],
)
def test_what_was_decided_is_not_changed_in_sqlites_own_words(
    decided_file: FileBench, table: str, statement: str
) -> None:
    refuse_change(decided_file, table, statement)


def refuse_change(decided: Bench, table: str, statement: str) -> None:
    before = decided.query(f"SELECT * FROM {table}")
    assert before
    key = ", ".join(column.name for column in TABLES[table].primary_key)

    with (
        pytest.raises(DatabaseError, match=r"append-only|must follow"),
        writing_engine(decided.url).begin() as connection,
    ):
        connection.exec_driver_sql(statement.format(table=table, column=UPDATED[table], key=key))

    assert decided.query(f"SELECT * FROM {table}") == before


SLOT = "retrain/weekly 2026-11-30T03:00:00Z"
ENDED = {"slot": SLOT, "finished_at": NOW}


@pytest.mark.parametrize("state", ["running", "completed", "skipped", "rejected data"])
def test_a_second_holder_of_a_slot_is_refused(raw: Program, state: str) -> None:
    put(raw, "runs", {**ENDED, "state": state, "finished_at": None if state == "running" else NOW})

    for second in ({"slot": SLOT}, {**ENDED, "state": "completed"}):
        with pytest.raises(IntegrityError, match=r"(?i:unique constraint) .*slot"):
            put(raw, "runs", {"id": "other", **second})
    assert count(raw, "runs") == 1


def test_a_run_cannot_come_back_to_a_slot_that_another_one_holds(raw: Program) -> None:
    put(raw, "runs", {**ENDED, "state": "crashed"})
    put(raw, "runs", {"id": "other", "slot": SLOT})

    with pytest.raises(IntegrityError, match=r"(?i:unique constraint) .*slot"):
        raw.execute("UPDATE runs SET state = 'completed' WHERE id = 'r'")


@pytest.mark.parametrize("state", ["failed", "cancelled", "crashed"])
def test_a_run_that_ended_badly_gives_its_slot_back(raw: Program, state: str) -> None:
    put(raw, "runs", {**ENDED, "state": state})
    put(raw, "runs", {**ENDED, "state": state, "id": "other"})
    put(raw, "runs", {"id": "third", "slot": SLOT})

    assert count(raw, "runs") == 3


def test_any_number_of_runs_have_no_slot(raw: Program) -> None:
    put(raw, "runs")
    put(raw, "runs", {"id": "other"})

    assert count(raw, "runs") == 2


@pytest.fixture(scope="module")
def decided(make_bench: MakeBench) -> Bench:
    """A store whose line has had two champions, a rejection with its diagnosis, and an observation."""
    return live(make_bench())


@pytest.fixture(scope="module")
def decided_file(files: Files) -> FileBench:
    return live(FileBench(MetricsStore(files.new_url())))


def live(bench: AnyBench) -> AnyBench:
    bench.promote()
    bench.promote(position=1, with_comparison=True)
    suspect = Suspect("split", "likely", "test is weak", "draw it at random")
    bench.decide(Decision(bench.candidate().id, False, "weak", (), diagnosis=(suspect,)), position=2)
    bench.observe()
    return bench


@pytest.mark.parametrize("table", Base.metadata.tables.values(), ids=lambda table: table.name)
def test_every_table_can_be_made_on_postgresql(table: Any) -> None:
    statement = str(CreateTable(table).compile(dialect=POSTGRESQL))

    assert statement.strip().startswith(f"CREATE TABLE {table.name} (")
    assert "STRICT" not in statement
    assert " REAL" not in statement, "PostgreSQL's REAL has single precision"


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["SQLite", "PostgreSQL"])
def test_one_run_holds_a_slot_on_either_database(dialect: Any) -> None:
    (index,) = (index for index in TABLES["runs"].indexes if index.unique)

    assert str(CreateIndex(index).compile(dialect=dialect)) == (
        "CREATE UNIQUE INDEX one_run_a_slot ON runs (slot) "
        "WHERE slot IS NOT NULL AND state NOT IN ('failed', 'cancelled', 'crashed')"
    )


@pytest.mark.parametrize(
    ("table", "column"), [("runs", "seed"), ("snapshots", "split_seed"), ("stages", "peak_memory_bytes")]
)
def test_large_integers_fit_on_postgresql(table: str, column: str) -> None:
    statement = str(CreateTable(TABLES[table]).compile(dialect=POSTGRESQL))

    assert f"{column} BIGINT" in statement
