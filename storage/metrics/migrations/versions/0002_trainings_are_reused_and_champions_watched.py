"""What is known of a training and of a run to find it again, the vocabulary of a snapshot, and observations.

Was version 2 of before there were steps. It had less when it was new: all of this can be done once more.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, Text

from storage.metrics.migrations.alteration import add_text, put_check
from storage.metrics.types import Number, UtcDateTime

revision = "0002"
down_revision = "0001"

_WHOLE = BigInteger().with_variant(Integer(), "sqlite")
_SHARES = ("accuracy", "auc", "promoted_accuracy", "predicted_positive", "positive")


def upgrade() -> None:
    """From 0001."""
    put_check(
        "comparisons",
        "auc_standard_error_is_finite",
        "auc_standard_error BETWEEN 0 AND 1.7976931348623157e308",
    )
    add_text("snapshots", "vocabulary", after="content_version")
    add_text("candidates", "training_key", "reused_from", after="training_seconds")
    op.create_index("ix_candidates_training_key", "candidates", ["training_key"])
    add_text("runs", "fingerprint", after="seed")
    op.create_index("ix_runs_fingerprint", "runs", ["fingerprint"])
    states = "'running', 'completed', 'skipped', 'rejected data', 'failed', 'cancelled', 'crashed'"
    put_check("runs", "state_known", f"state IN ({states})")
    put_check("runs", "flow_known", "flow IN ('retrain', 'check', 'score', 'monitor', 'rollback')")
    _create_observations()


def _create_observations() -> None:
    op.create_table(
        "observations",
        Column("run_id", Text, nullable=False),
        Column("line", Text, nullable=False),
        Column("position", _WHOLE, nullable=False),
        Column("candidate_id", Text, nullable=False),
        Column("num_rows", _WHOLE, nullable=False),
        Column("num_new", _WHOLE, nullable=False),
        Column("accuracy", Number),
        Column("lower", Number),
        Column("upper", Number),
        Column("auc", Number),
        Column("promoted_accuracy", Number, nullable=False),
        Column("predicted_positive", Number),
        Column("positive", Number),
        Column("verdict", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("observed_at", UtcDateTime, nullable=False),
        PrimaryKeyConstraint("run_id"),
        ForeignKeyConstraint(["line", "position"], ["champions.line", "champions.position"]),
        CheckConstraint("verdict IN ('healthy', 'degraded', 'drifted', 'too few rows')", name="verdict_known"),
        CheckConstraint("num_new BETWEEN 0 AND num_rows", name="new_among_rows"),
        *(CheckConstraint(f"{share} BETWEEN 0 AND 1", name=f"{share}_is_share") for share in _SHARES),
        CheckConstraint("lower BETWEEN 0 AND accuracy AND upper BETWEEN accuracy AND 1", name="accuracy_within_bounds"),
        CheckConstraint(
            "(accuracy IS NULL) = (num_new = 0) AND (lower IS NULL) = (num_new = 0) AND (upper IS NULL) = (num_new = 0)"
            " AND (predicted_positive IS NULL) = (num_new = 0) AND (positive IS NULL) = (num_new = 0)",
            name="rows_are_measured",
        ),
        CheckConstraint("verdict = 'too few rows' OR num_new > 0", name="verdict_is_measured"),
        ForeignKeyConstraint(["run_id"], ["runs.id"]),
        ForeignKeyConstraint(["candidate_id"], ["candidates.id"]),
        sqlite_strict=True,
    )
    op.create_index("ix_observations_line", "observations", ["line"])
