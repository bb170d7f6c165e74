from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storage.slots import deployment_of, due_time, slot_name

NEW_YORK = ZoneInfo("America/New_York")


def test_a_slot_names_its_deployment_and_its_due_time_and_both_can_be_read_from_it() -> None:
    due = datetime(2026, 11, 30, 3, tzinfo=UTC)
    slot = slot_name("retrain/every week", due)

    assert slot == "retrain/every week 2026-11-30T03:00:00Z"
    assert (deployment_of(slot), due_time(slot)) == ("retrain/every week", due)


def test_one_moment_is_one_slot_in_every_time_zone() -> None:
    due = datetime(2026, 7, 6, 3, tzinfo=UTC)
    slots = {slot_name("retrain/weekly", due.astimezone(zone)) for zone in (UTC, NEW_YORK, ZoneInfo("Asia/Kolkata"))}

    assert slots == {"retrain/weekly 2026-07-06T03:00:00Z"}


def test_a_schedule_in_new_york_has_the_offset_of_the_day() -> None:
    summer, winter = (datetime(2026, month, 2, 3, tzinfo=NEW_YORK) for month in (7, 12))

    assert slot_name("retrain/weekly", summer) == "retrain/weekly 2026-07-02T07:00:00Z"
    assert slot_name("retrain/weekly", winter) == "retrain/weekly 2026-12-02T08:00:00Z"


def test_an_hour_that_the_clock_shows_twice_makes_two_slots_in_their_order() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK)
    slots = [slot_name("retrain/hourly", first.replace(fold=fold)) for fold in (0, 1)]

    assert slots == ["retrain/hourly 2026-11-01T05:30:00Z", "retrain/hourly 2026-11-01T06:30:00Z"]
    assert due_time(slots[1]) - due_time(slots[0]) == timedelta(hours=1)


def test_slots_of_one_deployment_sort_as_time_does() -> None:
    start = datetime(2026, 10, 31, tzinfo=UTC)
    slots = [slot_name("retrain/hourly", (start + timedelta(hours=hour)).astimezone(NEW_YORK)) for hour in range(72)]

    assert sorted(slots) == slots
    assert len(set(slots)) == 72


def test_a_due_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        slot_name("retrain/weekly", datetime(2026, 11, 30, 3))
