"""A slot: one due time of one deployment's schedule, such as `retrain/weekly 2026-11-30T03:00:00Z`.

A slot gets one result. The store sees to that, since schedulers repeat: after an outage, with two workers, by a replay.
Due times stand in UTC and in one width, so that an hour that a clock shows twice makes two slots, and text sorts as
time does.
"""

from __future__ import annotations

from datetime import UTC, datetime

_DUE = "%Y-%m-%dT%H:%M:%SZ"


def slot_name(deployment: str, due: datetime) -> str:
    """The slot of a deployment, `flow/name`, at a due time of any time zone.

    Raises:
        ValueError: The time has no time zone: nobody knows when it is.
    """
    if due.tzinfo is None:
        raise ValueError(f"{due!r} has no time zone; slots are named in UTC")
    return f"{deployment} {due.astimezone(UTC):{_DUE}}"


def deployment_of(slot: str) -> str:
    """The deployment, `flow/name`, that a slot is of."""
    return slot.rpartition(" ")[0]


def due_time(slot: str) -> datetime:
    """When a slot was due, in UTC."""
    return datetime.strptime(slot.rpartition(" ")[2], _DUE).replace(tzinfo=UTC)
