"""Indexes by which the views find their rows among very many; and Alembic says what the schema is.

Its own table does so from here on. Ours, which had a number before there were steps, is dropped. On PostgreSQL, tables
refuse what SQLite's strict ones refuse.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Double, Text, inspect, text

from storage.metrics.migrations.alteration import put_check

revision = "0004"
down_revision = "0003"

_TABLES = (
    *("snapshots", "runs", "stages", "checks", "candidates", "epochs", "metrics", "confusion_matrices"),
    *("decisions", "gates", "diagnoses", "comparisons", "champions", "observations"),
)
# Texts that hold JSON.
_NO_WORDS = ("options", "versions", "measured", "offending_rows")


def upgrade() -> None:
    """From 0003."""
    op.drop_index("ix_runs_line", "runs", if_exists=True)
    op.drop_index("runs_of_a_line", "runs", if_exists=True)
    _create_index("runs_of_a_line", "runs", "line", "started_at", "id")
    _create_index("ix_runs_snapshot_id", "runs", "snapshot_id")
    _create_index("ix_decisions_test_id", "decisions", "test_id")
    _create_index("ix_champions_promoted_at", "champions", "promoted_at")
    _create_index("alpha_spent", "comparisons", "test_id", "comparison", "alpha")
    _create_index("failed_checks", "checks", "name", "subject", "run_id", where="verdict = 'fail'")
    _create_index("failed_gates", "gates", "decision_id", "position", where="verdict = 'fail'")
    _create_index("first_suspects", "diagnoses", "decision_id", where="position = 0")
    accuracy = "split = 'test' AND name = 'accuracy' AND scope = 'overall'"
    _create_index("test_accuracies", "metrics", "value", "candidate_id", where=accuracy)
    op.drop_table("schema_version")
    if op.get_bind().dialect.name == "postgresql":
        for table in _TABLES:
            _be_strict(table)


def _be_strict(table: str) -> None:
    """Texts sort by their bytes, as on SQLite, and no number is NaN, which SQLite takes for NULL."""
    for column in inspect(op.get_bind()).get_columns(table):
        name = column["name"]
        if isinstance(column["type"], Double):
            put_check(table, f"{name}_is_number", f"{name} <> 'NaN'")
        elif isinstance(column["type"], Text) and name not in _NO_WORDS:
            op.alter_column(table, name, type_=Text(collation="C"))


def _create_index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    condition: dict[str, Any] = {"sqlite_where": text(where), "postgresql_where": text(where)} if where else {}
    # Version 3 had some of them at its end, one of them shorter.
    op.create_index(name, table, list(columns), if_not_exists=True, **condition)
