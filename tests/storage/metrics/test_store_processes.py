"""The store in the hands of several real processes, some of which are killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.metrics.integrity import damage_of
from storage.metrics.store import MetricsStore
from storage.metrics.tables import REVISIONS

if TYPE_CHECKING:
    from tests.storage.conftest import Bench, Databases, MakeBench, Spawn

NUM_PROCESSES, NUM_PROMOTIONS = 4, 15

RUNNER = """
import sys
from storage.metrics.store import MetricsStore
from storage.records import RunStart
store = MetricsStore(sys.argv[1])
print(store.start_run(RunStart("retrain", "imdb", "schedule", {}, 7, False, {}, None)), flush=True)
sys.stdin.readline()
"""

# Claims a slot at the word, says whether it got it, and keeps it until the end of its input.
CLAIMER = """
import sys
from storage.errors import SlotTakenError
from storage.metrics.store import MetricsStore
from storage.records import RunStart
store = MetricsStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for slot in sys.argv[2:]:
    try:
        store.start_run(RunStart("retrain", "imdb", "schedule", {}, 7, False, {}, None, slot))
        print("got", flush=True)
    except SlotTakenError:
        print("skipped", flush=True)
sys.stdin.read()
"""

# Promotes one candidate after the other, each time against the champion and the ledger that it finds.
PROMOTER = """
import sys
from storage.errors import StaleDecisionError
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.records import Comparison, Decision, Gate
new, url, *candidates = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
MetricsStore(new)
store, reader = MetricsStore(url), MetricsReader(url)
num_stale = 0
for candidate in candidates:
    while True:
        champion, spent = reader.champion("race"), reader.num_comparisons("t1")
        position, comparison = 0, None
        if champion:
            position = champion.position
            numbers = (0.025, 100, 9, 1, 0.01, 0.08, 0.02, 0.14, 0.03, 0.01, 0.05, 0.01)
            comparison = Comparison(champion.candidate_id, spent, *numbers)
        gate = Gate("accuracy", "pass", 0.9, 0.55, "")
        try:
            store.record_decisions(
                candidate.split("/")[0],
                [Decision(candidate, True, f"after {position}", (gate,), comparison)],
                line="race", test_id="t1", dry_run=False, champion_position=position,
            )
        except StaleDecisionError:
            num_stale += 1
        else:
            break
print(num_stale, flush=True)
"""


def test_a_run_whose_process_was_killed_is_reaped_and_a_live_one_is_not(bench: Bench, spawn: Spawn) -> None:
    children = [spawn(RUNNER, bench.url) for _ in range(2)]
    run_ids = []
    for child in children:
        assert child.stdout is not None
        run_ids.append(child.stdout.readline().strip())
    assert bench.store.reap_dead_runs() == []

    children[0].kill()
    children[0].wait()

    assert bench.store.reap_dead_runs() == [run_ids[0]]
    crashed, alive = (bench.reader.run(run_id) for run_id in run_ids)
    assert (crashed["state"], crashed["process_id"]) == ("crashed", children[0].pid)
    assert crashed["message"] == f"the process {children[0].pid} died before the run ended"
    assert (alive["state"], alive["finished_at"]) == ("running", None)


def test_many_processes_that_claim_one_slot_at_once_make_one_holder(bench: Bench, spawn: Spawn) -> None:
    """Slot after slot; then the holders are killed, and one of their heirs gets each slot."""
    slots = [f"retrain/weekly 2026-11-30T03:00:{second:02}Z" for second in range(10)]
    holding = "SELECT slot, count(*) FROM runs WHERE state = 'running' GROUP BY slot ORDER BY slot"

    for num_dead in (0, 1):
        children = [spawn(CLAIMER, bench.url, *slots) for _ in range(NUM_PROCESSES)]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        said = [[child.stdout.readline().strip() for _ in slots] for child in children if child.stdout]

        assert [sorted(of_slot) for of_slot in zip(*said, strict=True)] == [["got", *["skipped"] * 3]] * len(slots)
        assert bench.query(holding) == [(slot, 1) for slot in slots]
        crashed = "SELECT count(*) FROM runs WHERE state = 'crashed' AND slot IS NOT NULL"
        assert bench.query(crashed) == [(num_dead * len(slots),)]
        for child in children:
            child.kill()
            child.wait()


@pytest.fixture(scope="module")
def raced(databases: Databases, make_bench: MakeBench, spawn: Spawn) -> tuple[Bench, str]:
    """A store after a race of promotions, and the address of a store that all the racers opened first."""
    bench, new = make_bench(), databases.new_url()
    run_id = bench.start_run("race")
    candidates = [bench.candidate(run_id, f"model {number}").id for number in range(NUM_PROCESSES * NUM_PROMOTIONS)]
    children = [spawn(PROMOTER, new, bench.url, *candidates[number::NUM_PROCESSES]) for number in range(NUM_PROCESSES)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    return bench, new


def test_racing_promotions_make_one_chain_without_a_gap(raced: tuple[Bench, str]) -> None:
    bench, _ = raced
    champions = bench.reader.champions("race")

    assert [champion.position for champion in champions] == list(range(1, NUM_PROCESSES * NUM_PROMOTIONS + 1))
    assert [champion.reason for champion in champions] == [f"after {entry.position - 1}" for entry in champions]
    assert len({champion.candidate_id for champion in champions}) == NUM_PROCESSES * NUM_PROMOTIONS
    without_successor = bench.query(
        "SELECT position FROM champions AS this WHERE line = 'race' AND NOT EXISTS "
        "(SELECT 1 FROM champions AS next WHERE next.line = this.line AND next.previous = this.position)"
    )
    assert without_successor == [(NUM_PROCESSES * NUM_PROMOTIONS,)]


def test_racing_promotions_leave_a_whole_ledger(raced: tuple[Bench, str]) -> None:
    bench, _ = raced
    total = NUM_PROCESSES * NUM_PROMOTIONS

    assert bench.query("SELECT comparison FROM comparisons ORDER BY comparison") == [(k,) for k in range(total - 1)]
    assert (bench.count("decisions"), bench.count("gates")) == (total, total)
    # Each comparison was with the champion that its winner then followed.
    assert bench.query(
        "SELECT count(*) FROM comparisons JOIN champions AS winner USING (decision_id) "
        "JOIN champions AS loser ON loser.candidate_id = comparisons.champion_id AND loser.position = winner.previous"
    ) == [(total - 1,)]
    assert not damage_of(bench.url)


def test_a_new_store_opened_by_several_processes_at_once_is_made_once(raced: tuple[Bench, str]) -> None:
    bench, new = raced
    other = type(bench)(MetricsStore(new))

    assert other.query("SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]
    assert not damage_of(new)
