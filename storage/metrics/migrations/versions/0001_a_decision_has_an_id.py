"""The oldest tables that can be upgraded, version 1 of before there were steps: nothing comes before them."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: a new store is made from `storage.metrics.tables`."""
