"""The store's tables, as typed mappings, with constraints that hold whatever program writes.

    snapshots ──< runs ─┬─< stages
                        ├─< checks
                        ├── observations  (of a champion, by the monitor)
                        └─< candidates ─┬─< epochs
                                        ├─< metrics
                                        ├─< confusion_matrices
                                        └─< decisions ─┬─< gates
                                                       ├─< diagnoses
                                                       ├── comparisons   (the ledger of α, a row per use of a test set)
                                                       └── champions     (append-only; the last of a line serves)

On SQLite every table is STRICT, and what is measured is NOT NULL and bounded: a NaN, an infinity or a text in a
number's place is refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.metrics.types import Flag, Json, Number, UtcDateTime, finite, one_of, share
from storage.records import (
    CheckAction,
    CheckVerdict,
    FlowName,
    GateVerdict,
    ObservationVerdict,
    RunState,
    Scope,
    Split,
    Standing,
    Succession,
    Trigger,
)

SCHEMA_VERSION = 3
_STRICT = {"sqlite_strict": True}
_SPLITS = get_args(Split)
# A run that ended like this gives its slot back, for a retry.
SLOT_FREED: tuple[RunState, ...] = ("failed", "cancelled", "crashed")
# Rows that the views and the cook book look for among very many.
_FAILED, _FIRST = text("verdict = 'fail'"), text("position = 0")
_TEST_SCORE = text("split = 'test' AND name = 'accuracy' AND scope = 'overall'")
_HOLDS_SLOT = text(f"slot IS NOT NULL AND state NOT IN {SLOT_FREED}")


class Base(DeclarativeBase):
    """Maps Python types to portable column types."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        str: Text(),
        # Seeds and bytes need more than PostgreSQL's 32 bits; SQLite's INTEGER has 64.
        int: BigInteger().with_variant(Integer(), "sqlite"),
        float: Number,
        bool: Flag(),
        datetime: UtcDateTime(),
        dict[str, Any]: Json(),
        list[str]: Json(),
    }


class SchemaVersion(Base):
    """One row: the version of the tables in this database."""

    __tablename__ = "schema_version"
    __table_args__ = (CheckConstraint("one = 1", name="single_row"), _STRICT)
    one: Mapped[int] = mapped_column(primary_key=True, default=1)
    version: Mapped[int]


class SnapshotRow(Base):
    """An immutable dataset."""

    __tablename__ = "snapshots"
    __table_args__ = (_STRICT,)
    id: Mapped[str] = mapped_column(primary_key=True)
    test_id: Mapped[str] = mapped_column(index=True)
    line: Mapped[str]
    origin: Mapped[str]
    source_sha256: Mapped[str]
    num_train: Mapped[int]
    num_validation: Mapped[int]
    num_test: Mapped[int]
    split_seed: Mapped[int]
    content_version: Mapped[int]
    vocabulary: Mapped[str]
    created_at: Mapped[datetime]


class RunRow(Base):
    """One pass of a flow. Host, boot, process and its start are its lease: they tell whether it lives.

    A slot of a schedule has one run that holds it, at work or with its result.
    """

    __tablename__ = "runs"
    __table_args__ = (
        one_of("state", get_args(RunState)),
        one_of("trigger", get_args(Trigger)),
        one_of("flow", get_args(FlowName)),
        CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished_has_time"),
        finite("seconds"),
        Index("one_run_a_slot", "slot", unique=True, sqlite_where=_HOLDS_SLOT, postgresql_where=_HOLDS_SLOT),
        Index("runs_of_a_line", "line", "started_at"),
        _STRICT,
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    flow: Mapped[str]
    line: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    trigger: Mapped[str]
    slot: Mapped[str | None]
    dry_run: Mapped[bool]
    snapshot_id: Mapped[str | None] = mapped_column(ForeignKey("snapshots.id"), index=True)
    source_reason: Mapped[str | None]
    options: Mapped[dict[str, Any]]
    seed: Mapped[int | None]
    fingerprint: Mapped[str] = mapped_column(index=True)
    versions: Mapped[dict[str, Any]]
    git_commit: Mapped[str | None]
    device: Mapped[str | None]
    message: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    seconds: Mapped[float | None]
    host: Mapped[str]
    boot_id: Mapped[str]
    process_id: Mapped[int]
    process_started: Mapped[float]


class StageRow(Base):
    """Time and memory of one step of a run."""

    __tablename__ = "stages"
    __table_args__ = (finite("seconds"), _STRICT)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    seconds: Mapped[float]
    peak_memory_bytes: Mapped[int]


class CheckRow(Base):
    """What a check measured: its subject is `data`, `champion`, or the name of the trained model."""

    __tablename__ = "checks"
    __table_args__ = (
        one_of("verdict", get_args(CheckVerdict)),
        one_of("action", get_args(CheckAction)),
        CheckConstraint("(verdict = 'off') = (action = 'off')", name="off_is_off"),
        Index("failed_checks", "name", "subject", "run_id", sqlite_where=_FAILED, postgresql_where=_FAILED),
        _STRICT,
    )
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    verdict: Mapped[str]
    action: Mapped[str]
    measured: Mapped[dict[str, Any]]
    bound: Mapped[str]
    evidence: Mapped[str]
    offending_rows: Mapped[list[str]]


class CandidateRow(Base):
    """A newly trained bundle: published, verified, scored."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("run_id", "model"), finite("training_seconds"), _STRICT)
    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    model: Mapped[str]
    bundle: Mapped[str]
    device: Mapped[str]
    num_parameters: Mapped[int]
    best_epoch: Mapped[int]
    training_seconds: Mapped[float]
    training_key: Mapped[str] = mapped_column(index=True)
    reused_from: Mapped[str]
    created_at: Mapped[datetime]


class EpochRow(Base):
    """One finished epoch."""

    __tablename__ = "epochs"
    __table_args__ = (
        CheckConstraint("epoch >= 1", name="epoch_from_one"),
        finite("loss"),
        finite("validation_loss"),
        finite("learning_rate"),
        finite("seconds"),
        share("accuracy"),
        share("validation_accuracy"),
        _STRICT,
    )
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    loss: Mapped[float]
    accuracy: Mapped[float]
    validation_loss: Mapped[float]
    validation_accuracy: Mapped[float]
    learning_rate: Mapped[float]
    seconds: Mapped[float]


class MetricRow(Base):
    """One measured number with its bounds. A metric that is undefined has no row."""

    __tablename__ = "metrics"
    __table_args__ = (
        one_of("split", _SPLITS),
        one_of("scope", get_args(Scope)),
        CheckConstraint("name IN ('log_loss', 'support') OR value BETWEEN 0 AND 1", name="value_is_share"),
        finite("value"),
        CheckConstraint("lower <= value AND value <= upper", name="value_within_bounds"),
        CheckConstraint(
            "(lower IS NULL) = (upper IS NULL) AND (lower IS NULL) = (confidence IS NULL)", name="bounds_complete"
        ),
        Index("test_accuracies", "value", "candidate_id", sqlite_where=_TEST_SCORE, postgresql_where=_TEST_SCORE),
        _STRICT,
    )
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    confidence: Mapped[float | None]


class ConfusionMatrixRow(Base):
    """Counts at a threshold of 0.5; class 1, a positive review, is the positive one."""

    __tablename__ = "confusion_matrices"
    __table_args__ = (
        one_of("split", _SPLITS),
        CheckConstraint(
            "true_negatives >= 0 AND false_positives >= 0 AND false_negatives >= 0 AND true_positives >= 0",
            name="counts_positive",
        ),
        _STRICT,
    )
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    true_negatives: Mapped[int]
    false_positives: Mapped[int]
    false_negatives: Mapped[int]
    true_positives: Mapped[int]


class DecisionRow(Base):
    """What was decided about a candidate: promoted, rejected, or, by a rollback, put back.

    A run decides at most once about a candidate; a later run may put the same candidate back.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        one_of("verdict", ("promoted", "rejected", "would promote", "would reject")),
        one_of("kind", get_args(Succession)),
        UniqueConstraint("run_id", "candidate_id"),
        _STRICT,
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), index=True)
    kind: Mapped[str]
    verdict: Mapped[str]
    reason: Mapped[str]
    test_id: Mapped[str]
    decided_at: Mapped[datetime]


class GateRow(Base):
    """One condition of a decision. Nothing unmeasured passes."""

    __tablename__ = "gates"
    __table_args__ = (
        one_of("verdict", get_args(GateVerdict)),
        CheckConstraint("verdict <> 'pass' OR (value IS NOT NULL AND bound IS NOT NULL)", name="pass_is_measured"),
        Index("failed_gates", "decision_id", "position", sqlite_where=_FAILED, postgresql_where=_FAILED),
        _STRICT,
    )
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    verdict: Mapped[str]
    value: Mapped[float | None]
    bound: Mapped[float | None]
    words: Mapped[str]


class DiagnosisRow(Base):
    """A cause that a rejection may have, the strongest first, or that was ruled out."""

    __tablename__ = "diagnoses"
    __table_args__ = (
        one_of("standing", get_args(Standing)),
        Index("first_suspects", "decision_id", sqlite_where=_FIRST, postgresql_where=_FIRST),
        _STRICT,
    )
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), primary_key=True)
    cause: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    standing: Mapped[str]
    evidence: Mapped[str]
    remedy: Mapped[str]


class ComparisonRow(Base):
    """The ledger: each use of a test set to compare a challenger with a champion, and the α that it spent."""

    __tablename__ = "comparisons"
    __table_args__ = (
        CheckConstraint("comparison >= 0", name="comparison_from_zero"),
        CheckConstraint("alpha > 0 AND alpha < 1", name="alpha_is_error"),
        share("p_value"),
        CheckConstraint("difference BETWEEN -1 AND 1", name="difference_in_range"),
        finite("auc_standard_error"),
        Index("alpha_spent", "test_id", "comparison", "alpha"),
        _STRICT,
    )
    test_id: Mapped[str] = mapped_column(primary_key=True)
    comparison: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), unique=True)
    champion_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"))
    alpha: Mapped[float]
    num_rows: Mapped[int]
    only_challenger: Mapped[int]
    only_champion: Mapped[int]
    p_value: Mapped[float]
    difference: Mapped[float]
    lower: Mapped[float]
    upper: Mapped[float]
    auc_difference: Mapped[float | None]
    auc_lower: Mapped[float | None]
    auc_upper: Mapped[float | None]
    auc_standard_error: Mapped[float | None]


class ChampionRow(Base):
    """What served when. `previous` makes each line a chain: nobody can follow the same champion twice.

    `mark` is the position of the line's high-water mark from here on.
    """

    __tablename__ = "champions"
    __table_args__ = (
        CheckConstraint("position >= 1 AND previous = position - 1", name="position_follows_previous"),
        CheckConstraint("mark BETWEEN 1 AND position", name="mark_has_served"),
        one_of("succession", get_args(Succession)),
        UniqueConstraint("line", "previous"),
        _STRICT,
    )
    line: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    previous: Mapped[int]
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), unique=True)
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"))
    succession: Mapped[str]
    mark: Mapped[int]
    reason: Mapped[str]
    promoted_at: Mapped[datetime] = mapped_column(index=True)


class ObservationRow(Base):
    """How a champion does on labelled reviews that came since it was trained. What was not measured is not healthy."""

    __tablename__ = "observations"
    __table_args__ = (
        ForeignKeyConstraint(("line", "position"), ("champions.line", "champions.position")),
        one_of("verdict", get_args(ObservationVerdict)),
        CheckConstraint("num_new BETWEEN 0 AND num_rows", name="new_among_rows"),
        *(share(name) for name in ("accuracy", "auc", "promoted_accuracy", "predicted_positive", "positive")),
        CheckConstraint("lower BETWEEN 0 AND accuracy AND upper BETWEEN accuracy AND 1", name="accuracy_within_bounds"),
        CheckConstraint(
            "(accuracy IS NULL) = (num_new = 0) AND (lower IS NULL) = (num_new = 0) AND (upper IS NULL) = (num_new = 0)"
            " AND (predicted_positive IS NULL) = (num_new = 0) AND (positive IS NULL) = (num_new = 0)",
            name="rows_are_measured",
        ),
        CheckConstraint("verdict = 'too few rows' OR num_new > 0", name="verdict_is_measured"),
        _STRICT,
    )
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    line: Mapped[str] = mapped_column(index=True)
    position: Mapped[int]
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"))
    num_rows: Mapped[int]
    num_new: Mapped[int]
    accuracy: Mapped[float | None]
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    auc: Mapped[float | None]
    promoted_accuracy: Mapped[float]
    predicted_positive: Mapped[float | None]
    positive: Mapped[float | None]
    verdict: Mapped[str]
    reason: Mapped[str]
    observed_at: Mapped[datetime]


_APPEND_ONLY = ("champions", "comparisons", "decisions", "diagnoses", "gates", "observations")


def _refuse(table: Table, name: str, event_words: str) -> None:
    """Make SQLite refuse a kind of change to a table, whatever program asks for it."""
    trigger = (
        f"CREATE TRIGGER {table.name}_{name} BEFORE {event_words} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    )
    event.listen(table, "after_create", DDL(trigger).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]


for _name in _APPEND_ONLY:
    _table = Base.metadata.tables[_name]
    _refuse(_table, "no_update", f"UPDATE ON {_name}")
    _refuse(_table, "no_delete", f"DELETE ON {_name}")
    # INSERT OR REPLACE deletes without the trigger above, unless a program has asked for recursive triggers.
    _same_key = " AND ".join(f"{column.name} = NEW.{column.name}" for column in _table.primary_key)
    _refuse(_table, "no_replace", f"INSERT ON {_name} WHEN EXISTS (SELECT 1 FROM {_name} WHERE {_same_key})")
event.listen(
    Base.metadata.tables["champions"],
    "after_create",
    # A gap in the chain would leave two rows without a successor, and so two champions.
    DDL(  # type: ignore[no-untyped-call]
        "CREATE TRIGGER champions_follow BEFORE INSERT ON champions "
        "WHEN NEW.previous <> (SELECT coalesce(max(position), 0) FROM champions WHERE line = NEW.line) "
        "BEGIN SELECT RAISE(ABORT, 'champions: position must follow the line''s last one'); END"
    ).execute_if(dialect="sqlite"),
)
