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

What is measured is NOT NULL and bounded: a NaN, an infinity or a text in a number's place is refused. For that every
table is STRICT on SQLite.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    TextClause,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.metrics.triggers import make_append_only, make_chain
from storage.metrics.types import Flag, Json, Number, UtcDateTime, Words, finite, one_of, refuse_nan, share
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

# The revisions in storage/metrics/migrations, oldest first; these tables are those of the last one.
REVISIONS = ("0001", "0002", "0003", "0004")
_STRICT = {"sqlite_strict": True}
_SPLITS = get_args(Split)
# A run that ended like this gives its slot back, for a retry.
SLOT_FREED: tuple[RunState, ...] = ("failed", "cancelled", "crashed")
# Rows that the views and the cook book look for among very many.
_FAILED, _FIRST = text("verdict = 'fail'"), text("position = 0")
_TEST_SCORE = text("split = 'test' AND name = 'accuracy' AND scope = 'overall'")
_HOLDS_SLOT = text(f"slot IS NOT NULL AND state NOT IN {SLOT_FREED}")


def _index_where(condition: TextClause, name: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows of which the condition holds.

    PostgreSQL's part is set where its tables are made: naming it here would load that dialect with each command.
    """
    return Index(name, *columns, unique=unique, sqlite_where=condition, info={"where": condition})


class Base(DeclarativeBase):
    """Maps Python types to portable column types."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        str: Words,
        # Seeds and bytes need more than PostgreSQL's 32 bits; SQLite's INTEGER has 64.
        int: BigInteger().with_variant(Integer(), "sqlite"),
        float: Number,
        bool: Flag(),
        datetime: UtcDateTime(),
        dict[str, Any]: Json(),
        list[str]: Json(),
    }


class SnapshotRow(Base):
    """An immutable dataset."""

    __tablename__ = "snapshots"
    __table_args__ = (_STRICT,)
    id: Mapped[str] = mapped_column(primary_key=True, doc="SHA-256 of its content.")
    test_id: Mapped[str] = mapped_column(
        index=True, doc="SHA-256 of its test rows alone; comparisons on the same rows share it."
    )
    line: Mapped[str] = mapped_column(doc="What a champion trained on it is champion of.")
    origin: Mapped[str] = mapped_column(doc="Where the reviews came from.")
    source_sha256: Mapped[str] = mapped_column(doc="Of the source file, or empty.")
    num_train: Mapped[int] = mapped_column(doc="Rows to train on.")
    num_validation: Mapped[int] = mapped_column(doc="Rows to choose an epoch by.")
    num_test: Mapped[int] = mapped_column(doc="Rows to judge by.")
    split_seed: Mapped[int] = mapped_column(doc="Seed that drew the validation rows.")
    content_version: Mapped[int] = mapped_column(doc="Version of the layout and of the hash.")
    vocabulary: Mapped[str] = mapped_column(
        doc="Hash of the vocabulary that made tokens of its texts; empty where it holds no texts."
    )
    created_at: Mapped[datetime] = mapped_column(doc="When a run first used it, UTC.")


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
        _index_where(_HOLDS_SLOT, "one_run_a_slot", "slot", unique=True),
        Index("runs_of_a_line", "line", "started_at", "id"),
        _STRICT,
    )
    id: Mapped[str] = mapped_column(primary_key=True, doc="When it began, in UTC, and four random digits.")
    flow: Mapped[str] = mapped_column(doc="Which flow it is a run of.")
    line: Mapped[str] = mapped_column(doc="Whose data it works on; `-` until that is known.")
    state: Mapped[str] = mapped_column(index=True, doc="Whether it is running, or how it ended.")
    trigger: Mapped[str] = mapped_column(doc="What started it.")
    slot: Mapped[str | None] = mapped_column(doc="The due time of a schedule that it is for; empty outside of any.")
    dry_run: Mapped[bool] = mapped_column(doc="Whether it only tells what it would decide.")
    snapshot_id: Mapped[str | None] = mapped_column(
        ForeignKey("snapshots.id"), index=True, doc="The dataset that it used; empty until that is known."
    )
    source_reason: Mapped[str | None] = mapped_column(doc="Why that source was used.")
    options: Mapped[dict[str, Any]] = mapped_column(doc="All options, as JSON.")
    seed: Mapped[int | None] = mapped_column(
        doc="Seed of initial weights, batch order and dropout; empty where nothing is drawn."
    )
    fingerprint: Mapped[str] = mapped_column(
        index=True, doc="Hash of all that decides what it gives; empty until that is known."
    )
    versions: Mapped[dict[str, Any]] = mapped_column(doc="Python's and the libraries' versions, as JSON.")
    git_commit: Mapped[str | None] = mapped_column(doc="Of the code; `-dirty` where files were changed.")
    device: Mapped[str | None] = mapped_column(doc="What trained the models; empty where nothing was trained.")
    message: Mapped[str] = mapped_column(doc="How it ended, in a sentence.")
    started_at: Mapped[datetime] = mapped_column(index=True, doc="When it began, UTC.")
    finished_at: Mapped[datetime | None] = mapped_column(doc="When it ended, UTC; empty while it is running.")
    seconds: Mapped[float | None] = mapped_column(doc="Wall time; empty while it is running, or if it died.")
    host: Mapped[str] = mapped_column(doc="The machine of its process.")
    boot_id: Mapped[str] = mapped_column(doc="Which boot of that machine.")
    process_id: Mapped[int] = mapped_column(doc="Its process there.")
    process_started: Mapped[float] = mapped_column(
        doc="When that process began, as the system tells: its number may be used again."
    )


class StageRow(Base):
    """Time and memory of one step of a run."""

    __tablename__ = "stages"
    __table_args__ = (finite("seconds"), _STRICT)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True, doc="The run.")
    name: Mapped[str] = mapped_column(primary_key=True, doc="The step.")
    position: Mapped[int] = mapped_column(doc="Its place among the steps that were finished, from 0.")
    seconds: Mapped[float] = mapped_column(doc="Wall time.")
    peak_memory_bytes: Mapped[int] = mapped_column(
        doc="Peak memory, up to the step's end, of the process that did the work."
    )


class CheckRow(Base):
    """What a check measured: its subject is `data`, `champion`, or the name of the trained model."""

    __tablename__ = "checks"
    __table_args__ = (
        one_of("verdict", get_args(CheckVerdict)),
        one_of("action", get_args(CheckAction)),
        CheckConstraint("(verdict = 'off') = (action = 'off')", name="off_is_off"),
        _index_where(_FAILED, "failed_checks", "name", "subject", "run_id"),
        _STRICT,
    )
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True, doc="The run.")
    subject: Mapped[str] = mapped_column(
        primary_key=True, doc="What was checked: `data`, `champion`, or the name of the trained model."
    )
    name: Mapped[str] = mapped_column(primary_key=True, doc="The check.")
    position: Mapped[int] = mapped_column(doc="Its place among the checks of its subject, from 0.")
    verdict: Mapped[str] = mapped_column(doc="What it says: `off` was not measured.")
    action: Mapped[str] = mapped_column(doc="What the configuration makes of a failure.")
    measured: Mapped[dict[str, Any]] = mapped_column(doc="The numbers by name, as JSON.")
    bound: Mapped[str] = mapped_column(doc="What they were held against.")
    evidence: Mapped[str] = mapped_column(doc="What it found, in a sentence.")
    offending_rows: Mapped[list[str]] = mapped_column(doc="Ids of up to 20 rows that it found, as JSON.")


class CandidateRow(Base):
    """A newly trained bundle: published, verified, scored."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("run_id", "model"), finite("training_seconds"), _STRICT)
    id: Mapped[str] = mapped_column(primary_key=True, doc="Its run's id, a slash and the model's name.")
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True, doc="The run that trained it.")
    model: Mapped[str] = mapped_column(doc="The model's name.")
    bundle: Mapped[str] = mapped_column(doc="The bundle's digest: SHA-256 of its manifest.")
    device: Mapped[str] = mapped_column(doc="What trained it.")
    num_parameters: Mapped[int] = mapped_column(doc="Trainable and other weights.")
    best_epoch: Mapped[int] = mapped_column(doc="The epoch whose weights were kept, from 1.")
    training_seconds: Mapped[float] = mapped_column(doc="Wall time of the training.")
    training_key: Mapped[str] = mapped_column(
        index=True, doc="Hash of all that decides what training gives; empty of old ones."
    )
    reused_from: Mapped[str] = mapped_column(
        doc="The candidate whose training it shares; empty where it was trained in its own run."
    )
    created_at: Mapped[datetime] = mapped_column(doc="When it was written down, UTC.")


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
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), primary_key=True, doc="The candidate.")
    epoch: Mapped[int] = mapped_column(primary_key=True, doc="Its number, from 1.")
    loss: Mapped[float] = mapped_column(doc="On training rows, in nats.")
    accuracy: Mapped[float] = mapped_column(doc="On training rows, a share.")
    validation_loss: Mapped[float] = mapped_column(doc="On validation rows, in nats.")
    validation_accuracy: Mapped[float] = mapped_column(doc="On validation rows, a share.")
    learning_rate: Mapped[float] = mapped_column(doc="Adam's step size.")
    seconds: Mapped[float] = mapped_column(doc="Wall time.")


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
        _index_where(_TEST_SCORE, "test_accuracies", "value", "candidate_id"),
        _STRICT,
    )
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), primary_key=True, doc="The candidate.")
    split: Mapped[str] = mapped_column(primary_key=True, doc="The rows that it was measured on.")
    name: Mapped[str] = mapped_column(primary_key=True, doc="The metric.")
    scope: Mapped[str] = mapped_column(primary_key=True, doc="The whole split, or one class of it.")
    value: Mapped[float] = mapped_column(doc="The number.")
    lower: Mapped[float | None] = mapped_column(doc="Lower end of its two-sided interval, where there is one.")
    upper: Mapped[float | None] = mapped_column(doc="Upper end of it.")
    confidence: Mapped[float | None] = mapped_column(doc="The interval's confidence, such as 0.95.")


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
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), primary_key=True, doc="The candidate.")
    split: Mapped[str] = mapped_column(primary_key=True, doc="The rows that were counted.")
    true_negatives: Mapped[int] = mapped_column(doc="Rows of class 0 that it calls so.")
    false_positives: Mapped[int] = mapped_column(doc="Rows of class 0 that it calls 1.")
    false_negatives: Mapped[int] = mapped_column(doc="Rows of class 1 that it calls 0.")
    true_positives: Mapped[int] = mapped_column(doc="Rows of class 1 that it calls so.")


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
    id: Mapped[str] = mapped_column(primary_key=True, doc="The deciding run's id, a slash and the model's name.")
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), doc="The run that decided.")
    candidate_id: Mapped[str] = mapped_column(
        ForeignKey("candidates.id"), index=True, doc="The candidate that was decided on."
    )
    kind: Mapped[str] = mapped_column(doc="How the candidate comes to serve, if it does.")
    verdict: Mapped[str] = mapped_column(doc="What was decided; `would …` in a dry run.")
    reason: Mapped[str] = mapped_column(doc="Why, in a sentence.")
    test_id: Mapped[str] = mapped_column(index=True, doc="The test rows that were used.")
    decided_at: Mapped[datetime] = mapped_column(doc="When it was written down, UTC.")


class GateRow(Base):
    """One condition of a decision. Nothing unmeasured passes."""

    __tablename__ = "gates"
    __table_args__ = (
        one_of("verdict", get_args(GateVerdict)),
        CheckConstraint("verdict <> 'pass' OR (value IS NOT NULL AND bound IS NOT NULL)", name="pass_is_measured"),
        _index_where(_FAILED, "failed_gates", "decision_id", "position"),
        _STRICT,
    )
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), primary_key=True, doc="The decision.")
    name: Mapped[str] = mapped_column(primary_key=True, doc="The gate.")
    position: Mapped[int] = mapped_column(doc="Its place among the decision's gates, from 0.")
    verdict: Mapped[str] = mapped_column(doc="Whether it was passed.")
    value: Mapped[float | None] = mapped_column(doc="What was measured; empty where nothing could be.")
    bound: Mapped[float | None] = mapped_column(doc="What it was held against.")
    words: Mapped[str] = mapped_column(doc="What it says, in a sentence.")


class DiagnosisRow(Base):
    """A cause that a rejection may have, the strongest first, or that was ruled out."""

    __tablename__ = "diagnoses"
    __table_args__ = (
        one_of("standing", get_args(Standing)),
        _index_where(_FIRST, "first_suspects", "decision_id"),
        _STRICT,
    )
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), primary_key=True, doc="The rejection.")
    cause: Mapped[str] = mapped_column(primary_key=True, doc="What may have led to it.")
    position: Mapped[int] = mapped_column(doc="Its place, from 0: the strongest first.")
    standing: Mapped[str] = mapped_column(doc="How sure that is.")
    evidence: Mapped[str] = mapped_column(doc="What speaks for or against it, with the numbers.")
    remedy: Mapped[str] = mapped_column(doc="What to do about it.")


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
    test_id: Mapped[str] = mapped_column(primary_key=True, doc="The test rows.")
    comparison: Mapped[int] = mapped_column(primary_key=True, doc="How many comparisons they had seen before.")
    decision_id: Mapped[str] = mapped_column(
        ForeignKey("decisions.id"), unique=True, doc="The decision that it was made for."
    )
    champion_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), doc="The champion's candidate.")
    alpha: Mapped[float] = mapped_column(doc="The error that it may make, and so spends.")
    num_rows: Mapped[int] = mapped_column(doc="Rows that both were scored on.")
    only_challenger: Mapped[int] = mapped_column(doc="Rows that only the challenger gets right.")
    only_champion: Mapped[int] = mapped_column(doc="Rows that only the champion gets right.")
    p_value: Mapped[float] = mapped_column(doc="Exact McNemar, one-sided: that the challenger is not better.")
    difference: Mapped[float] = mapped_column(doc="Accuracy of the challenger minus the champion's.")
    lower: Mapped[float] = mapped_column(doc="Lower end of its interval at 95 %.")
    upper: Mapped[float] = mapped_column(doc="Upper end of it.")
    auc_difference: Mapped[float | None] = mapped_column(
        doc="AUC of the challenger minus the champion's; empty where it is undefined."
    )
    auc_lower: Mapped[float | None] = mapped_column(doc="Lower end of its interval at 95 % (DeLong).")
    auc_upper: Mapped[float | None] = mapped_column(doc="Upper end of it.")
    auc_standard_error: Mapped[float | None] = mapped_column(doc="DeLong's, of that difference.")


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
    line: Mapped[str] = mapped_column(primary_key=True, doc="The line that it serves.")
    position: Mapped[int] = mapped_column(primary_key=True, doc="Its place in the line's history, from 1.")
    previous: Mapped[int] = mapped_column(doc="The place before: no two can follow the same one.")
    decision_id: Mapped[str] = mapped_column(
        ForeignKey("decisions.id"), unique=True, doc="The decision that put it there."
    )
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), doc="The candidate that serves.")
    succession: Mapped[str] = mapped_column(doc="How it came to serve.")
    mark: Mapped[int] = mapped_column(doc="Place of the line's high-water mark from here on.")
    reason: Mapped[str] = mapped_column(doc="Why, in a sentence.")
    promoted_at: Mapped[datetime] = mapped_column(index=True, doc="When it began to serve, UTC.")


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
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True, doc="The monitor's run.")
    line: Mapped[str] = mapped_column(index=True, doc="Whose champion.")
    position: Mapped[int] = mapped_column(doc="The champion's place in its line's history.")
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), doc="The champion's candidate.")
    num_rows: Mapped[int] = mapped_column(doc="Labelled rows that were read and can be used.")
    num_new: Mapped[int] = mapped_column(
        doc="Those that the champion's dataset does not hold; all shares are of these."
    )
    accuracy: Mapped[float | None] = mapped_column(doc="Share of them that it gets right; empty without any.")
    lower: Mapped[float | None] = mapped_column(doc="Lower end of its interval at 95 %.")
    upper: Mapped[float | None] = mapped_column(doc="Upper end of it.")
    auc: Mapped[float | None] = mapped_column(doc="AUC on them; empty where it is undefined.")
    promoted_accuracy: Mapped[float] = mapped_column(doc="Its test accuracy when it was promoted.")
    predicted_positive: Mapped[float | None] = mapped_column(doc="Share that it labels positive.")
    positive: Mapped[float | None] = mapped_column(doc="Share that is positive.")
    verdict: Mapped[str] = mapped_column(doc="What is said of it.")
    reason: Mapped[str] = mapped_column(doc="What led to that, in a sentence.")
    observed_at: Mapped[datetime] = mapped_column(doc="When it was written down, UTC.")


_APPEND_ONLY = (ChampionRow, ComparisonRow, DecisionRow, DiagnosisRow, GateRow, ObservationRow)

for _table in Base.metadata.tables.values():
    refuse_nan(_table)
for _row in _APPEND_ONLY:
    make_append_only(Base.metadata.tables[_row.__tablename__])
make_chain(Base.metadata.tables[ChampionRow.__tablename__])


@event.listens_for(Base.metadata, "before_create")
def _tell_postgresql_the_conditions(metadata: MetaData, connection: Connection, **_: Any) -> None:
    if connection.dialect.name == "postgresql":
        for index in (index for table in metadata.tables.values() for index in table.indexes if "where" in index.info):
            index.dialect_options["postgresql"]["where"] = index.info["where"]
