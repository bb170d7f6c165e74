"""The slot of a schedule that a run is for, which one run holds. Was version 3 of before there were steps."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text, text

from storage.metrics.migrations.alteration import add_column, put_check

revision = "0003"
down_revision = "0002"

_HELD = text("slot IS NOT NULL AND state NOT IN ('failed', 'cancelled', 'crashed')")


def upgrade() -> None:
    """From 0002."""
    add_column("runs", Column("slot", Text), after="trigger")
    flows = "'retrain', 'check', 'score', 'monitor', 'rollback', 'housekeeping'"
    put_check("runs", "flow_known", f"flow IN ({flows})")
    op.create_index("one_run_a_slot", "runs", ["slot"], unique=True, sqlite_where=_HELD, postgresql_where=_HELD)
