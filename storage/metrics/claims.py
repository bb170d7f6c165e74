"""Who lives, and who holds a slot; each function works within the transaction of the session that it is given."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.metrics.lease import Lease
from storage.metrics.tables import SLOT_FREED, RunRow
from storage.slots import deployment_of


def mark_if_dead(run: RunRow) -> bool:
    """Mark a running run as crashed if its process is certainly gone, and say whether it is."""
    dead = run.state == "running" and Lease(run.host, run.boot_id, run.process_id, run.process_started).is_dead()
    if dead:
        run.state, run.finished_at = "crashed", datetime.now(UTC)
        run.message = f"the process {run.process_id} died before the run ended"
    return dead


def refusal_of(session: Session, slot: str) -> str:
    """Why a slot cannot be had, in a sentence; empty if it can. A holder that has died loses it here."""
    holder = session.scalar(select(RunRow).where(RunRow.slot == slot, RunRow.state.not_in(SLOT_FREED)))
    if holder is not None and mark_if_dead(holder):
        # At once: together, the new holder would be written before this one lets go.
        session.flush()
        holder = None
    if holder is not None and holder.state == "running":
        where = f"process {holder.process_id} on {holder.host}"
        return f"the slot is taken: run {holder.id} ({where}) is working on {slot}."
    if holder is not None:
        return f"the slot is taken: run {holder.id} has the result of {slot}."
    later = _later_result(session, slot)
    if later is not None:
        return f"the slot was overtaken: run {later.id} has the result of {later.slot}, which is later than {slot}."
    return ""


def _later_result(session: Session, slot: str) -> RunRow | None:
    prefix = f"{deployment_of(slot)} "
    query = select(RunRow).where(
        RunRow.slot > slot,
        # Not LIKE, which ignores case on SQLite.
        func.substr(RunRow.slot, 1, len(prefix)) == prefix,
        RunRow.state.not_in(("running", *SLOT_FREED)),
    )
    return session.scalar(query.order_by(RunRow.slot.desc()).limit(1))
