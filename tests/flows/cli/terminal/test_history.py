from __future__ import annotations

import pytest

from flows.cli.terminal.history import print_history
from flows.cli.terminal.run import print_run
from storage.errors import SlotTakenError
from tests.flows.cli.terminal.conftest import line_with, printed
from tests.flows.conftest import record_rejection
from tests.storage.conftest import Bench


def test_the_history_tells_what_came_of_runs_of_both_flows(served_twice: Bench) -> None:
    first = served_twice.reader.champions("imdb")[0]
    rejected = record_rejection(served_twice)
    back = served_twice.roll_back(first.candidate_id, position=2)
    dry = served_twice.roll_back(first.candidate_id, position=3, dry_run=True)
    refused = served_twice.roll_back(first.candidate_id, position=3, promote=False)
    for run_id in (back, dry, refused):
        served_twice.store.finish_run(run_id, "completed", "", 1.0)

    text = printed(print_history, served_twice.reader.history())
    endings = {
        rejected: "nothing promoted",
        back: "put back baseline_avgpool",
        dry: "dry run: would put back baseline_avgpool",
        refused: "nothing put back",
    }
    for run_id, ending in endings.items():
        assert line_with(text, run_id).rstrip().endswith(ending)


def test_the_history_is_short_about_a_run_that_had_nothing_to_do(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.store.finish_run(run_id, "skipped", "nothing has changed since run r1: the same snapshot", 1.0)

    line = line_with(printed(print_history, bench.reader.history()), run_id)
    assert "  skipped  " in line
    assert line.rstrip().endswith("nothing has changed since run r1")


@pytest.mark.parametrize("message", ["no file [/]", "no file [old].npz", "C:\\[old]", "it ends in \\"])
def test_what_a_run_died_of_is_printed_as_it_was_said(bench: Bench, message: str) -> None:
    run_id = bench.start_run(line="my [odd] line")
    bench.store.finish_run(run_id, "failed", message, 1.0)

    line = line_with(printed(print_history, bench.reader.history()), run_id)
    assert line.rstrip().endswith(f" {message}")
    assert "my [odd] line" in line
    assert message in printed(print_run, bench.reader.run(run_id)).splitlines()[1]


def test_the_history_is_short_about_a_run_whose_slot_was_taken(bench: Bench) -> None:
    slot = "retrain/weekly 2026-11-30T03:00:00Z"
    bench.store.finish_run(bench.start_run(slot=slot), "completed", "promoted", 61.0)
    with pytest.raises(SlotTakenError) as caught:
        bench.start_run(slot=slot)
    told = printed(print_history, bench.reader.history())
    assert line_with(told, str(caught.value.run_id)).endswith("the slot is taken")
