"""Which run gets a slot of a schedule, and what becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storage.errors import SlotTakenError, StoreError

if TYPE_CHECKING:
    from tests.storage.conftest import Bench

FIRST, SECOND, THIRD = (f"retrain/weekly 2026-11-{day}T03:00:00Z" for day in ("16", "23", "30"))


def refused(bench: Bench, slot: str) -> tuple[str, str]:
    """The id of a run that does not get its slot, and why not."""
    with pytest.raises(SlotTakenError) as caught:
        bench.start_run(slot=slot)
    assert caught.value.run_id is not None
    return caught.value.run_id, str(caught.value)


def holders(bench: Bench, slot: str) -> list[str]:
    rows = bench.query("SELECT id FROM runs WHERE slot = ? AND state NOT IN ('failed', 'cancelled', 'crashed')", slot)
    return [row[0] for row in rows]


def test_a_run_holds_its_slot_from_its_start(bench: Bench) -> None:
    run_id = bench.start_run(slot=FIRST)

    assert bench.reader.run(run_id)["slot"] == FIRST
    assert [run.slot for run in bench.reader.history()] == [FIRST]


def test_a_run_outside_of_any_schedule_has_no_slot_and_is_in_nobodys_way(bench: Bench) -> None:
    run_ids = [bench.start_run(), bench.start_run(), bench.start_run(slot=FIRST), bench.start_run()]

    assert [bench.reader.run(run_id)["state"] for run_id in run_ids] == ["running"] * 4
    assert [bench.reader.run(run_id)["slot"] for run_id in run_ids] == [None, None, FIRST, None]


def test_while_a_run_is_at_work_another_one_of_its_slot_is_written_down_as_skipped(bench: Bench) -> None:
    holder = bench.start_run(slot=FIRST)
    second, reason = refused(bench, FIRST)

    of_holder, of_second = bench.reader.run(holder), bench.reader.run(second)
    where = f"process {of_holder['process_id']} on {of_holder['host']}"
    assert reason == f"the slot is taken: run {holder} ({where}) is working on {FIRST}."
    assert (of_second["state"], of_second["message"], of_second["slot"]) == ("skipped", reason, None)
    assert (of_second["seconds"], of_second["finished_at"]) == (0.0, of_second["started_at"])
    assert (of_holder["state"], of_holder["slot"]) == ("running", FIRST)


@pytest.mark.parametrize("state", ["completed", "skipped", "rejected data"])
def test_a_slot_that_has_its_result_gets_no_second_one(bench: Bench, state: Any) -> None:
    holder = bench.start_run(slot=FIRST)
    bench.store.finish_run(holder, state, "so it ended", 1.0)
    second, reason = refused(bench, FIRST)

    assert reason == f"the slot is taken: run {holder} has the result of {FIRST}."
    assert bench.reader.run(second)["state"] == "skipped"
    assert holders(bench, FIRST) == [holder]


@pytest.mark.parametrize("state", ["failed", "cancelled", "crashed"])
def test_a_retry_gets_the_slot_of_a_run_that_ended_badly(bench: Bench, state: Any) -> None:
    first = bench.start_run(slot=FIRST)
    bench.store.finish_run(first, state, "so it ended", 1.0)
    retry = bench.start_run(slot=FIRST)

    assert holders(bench, FIRST) == [retry]
    assert bench.reader.run(first)["slot"] == FIRST


def test_the_slot_of_a_holder_that_died_is_taken_over(bench: Bench) -> None:
    dead = bench.start_run(slot=FIRST)
    bench.query("UPDATE runs SET boot_id = 'another' WHERE id = ?", dead)
    heir = bench.start_run(slot=FIRST)

    assert holders(bench, FIRST) == [heir]
    crashed = bench.reader.run(dead)
    assert (crashed["state"], crashed["slot"]) == ("crashed", FIRST)
    assert crashed["message"] == f"the process {crashed['process_id']} died before the run ended"
    assert crashed["finished_at"] is not None


def test_a_holder_on_another_machine_may_live_and_keeps_its_slot(bench: Bench) -> None:
    holder = bench.start_run(slot=FIRST)
    bench.query("UPDATE runs SET host = 'another', boot_id = 'another' WHERE id = ?", holder)

    assert "on another) is working on" in refused(bench, FIRST)[1]
    assert holders(bench, FIRST) == [holder]


def test_missed_slots_that_run_in_their_order_get_a_result_each(bench: Bench) -> None:
    for slot in (FIRST, SECOND, THIRD):
        bench.store.finish_run(bench.start_run(slot=slot), "completed", "done", 1.0)

    assert [run.slot for run in reversed(bench.reader.history())] == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize("state", ["completed", "skipped", "rejected data"])
def test_a_slot_is_overtaken_once_a_later_one_has_its_result(bench: Bench, state: Any) -> None:
    bench.store.finish_run(bench.start_run(slot=SECOND), "completed", "done", 1.0)
    later = bench.start_run(slot=THIRD)
    bench.store.finish_run(later, state, "done", 1.0)
    skipped, reason = refused(bench, FIRST)

    assert reason == (f"the slot was overtaken: run {later} has the result of {THIRD}, which is later than {FIRST}.")
    assert bench.reader.run(skipped)["slot"] is None
    assert holders(bench, FIRST) == []


@pytest.mark.parametrize("state", ["failed", "cancelled", "crashed"])
def test_a_later_slot_without_a_result_overtakes_nobody(bench: Bench, state: Any) -> None:
    bench.store.finish_run(bench.start_run(slot=THIRD), state, "no", 1.0)
    bench.start_run(slot=SECOND)

    assert holders(bench, FIRST) == []
    bench.start_run(slot=FIRST)


@pytest.mark.parametrize(
    "other", ["monitor/weekly", "retrain/weekly 2", "retrain/weekl_", "retrain/%", "Retrain/Weekly", "z"]
)
def test_slots_of_other_deployments_are_no_concern(bench: Bench, other: str) -> None:
    bench.store.finish_run(bench.start_run(slot=f"{other} 2026-11-30T03:00:00Z"), "completed", "done", 1.0)

    assert holders(bench, FIRST) == []
    bench.start_run(slot=FIRST)


def test_a_second_holder_that_the_database_refuses_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.start_run(slot=FIRST)
    monkeypatch.setattr("storage.metrics.store.refusal_of", lambda *_: "")

    with pytest.raises(StoreError, match=r"the run could not be written down: .*(?i:unique constraint) .*slot"):
        bench.start_run(slot=FIRST)
    assert bench.count("runs") == 1
