"""Whom the candidates are compared with, and what is written down: a real store, and probabilities made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from storage.bundles import Predictions
from storage.errors import ContentError, StaleDecisionError
from storage.metrics.store import MetricsStore
from storage.options import ApprovalOptions, GateOptions, RunOptions
from storage.records import Approval, Asked, Basis, Candidate, Decision, Proposal, SnapshotRecord
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks import promote as task
from tests.storage.conftest import Bench
from tests.tasks.promotion.conftest import CHECKS, balanced, evaluation, failed, gate_of, validation

NUM_ROWS = 2000
TOKENS = Sequences.from_lists([[index + 1] for index in range(NUM_ROWS)])
ROWS = Rows(row_ids("test", TOKENS), (np.arange(NUM_ROWS) % 2).astype(np.uint8), TOKENS)

ASKING = RunOptions(approval=ApprovalOptions(required=True))

Probabilities = npt.NDArray[np.float32]


def right_on(count: int) -> Probabilities:
    """A model that is right on the first rows, so many, sure of them, and wrong by little on the others."""
    is_right = np.arange(NUM_ROWS) < count
    sure = np.where(is_right, 0.9, 0.45)
    return np.where(ROWS.labels == 1, sure, 1 - sure).astype(np.float32)


class World:
    """A store, and what each bundle says of the test rows; a text stands for a bundle that cannot be loaded."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.says: dict[str, Probabilities | str] = {}
        self.scored: list[str] = []
        self.opened: list[str] = []
        self.snapshot: SnapshotRecord = bench.snapshot(bench.start_run())

    def candidate(self, correct: int, run_id: str | None = None, model: str = "baseline_avgpool") -> Candidate:
        test = evaluation(balanced(correct, NUM_ROWS), 0.9, 0.005)
        run_id = run_id or self.bench.start_run()
        made = self.bench.candidate(run_id, model, validation=validation(correct / NUM_ROWS), test=test)
        self.says[made.bundle] = right_on(correct)
        return made

    def promote(self, *candidates: Candidate, dry_run: bool = False, **gates: object) -> list[Decision]:
        options = RunOptions(dry_run=dry_run, gates=GateOptions.model_validate(gates))
        self.scored.clear()
        self.opened.clear()
        return task.promote.fn(candidates[0].run_id, candidates, CHECKS, self.snapshot, options)

    def propose(self, *candidates: Candidate) -> Proposal:
        self.scored.clear()
        return task.propose.fn(candidates[0].run_id, candidates, CHECKS, self.snapshot, ASKING)

    def promote_as(self, approval: Approval | None, *candidates: Candidate, dry_run: bool = False) -> list[Decision]:
        options = ASKING.model_copy(update={"dry_run": dry_run})
        return task.promote.fn(candidates[0].run_id, candidates, CHECKS, self.snapshot, options, Asked(approval))

    def marks(self) -> list[int]:
        return [champion.mark for champion in self.bench.reader.champions("imdb")]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    world = World(Bench(MetricsStore(f"sqlite:///{tmp_path / 'metrics.db'}")))

    def predictions(_root: Path, bundle: str) -> Predictions:
        said = world.says[bundle]
        assert not isinstance(said, str)
        # Stored in another order than the snapshot's: only the ids tell.
        order = np.random.default_rng(0).permutation(NUM_ROWS)
        return Predictions(ROWS.ids.take(order), ROWS.labels[order], said[order])

    def score(_settings: object, champion: object, _rows: Rows) -> Probabilities:
        bundle: str = champion.bundle  # type: ignore[attr-defined]
        world.scored.append(bundle)
        said = world.says[bundle]
        if isinstance(said, str):
            raise ContentError(said)
        return said

    def opened(_root: Path, snapshot_id: str) -> SimpleNamespace:
        world.opened.append(snapshot_id)
        return SimpleNamespace(rows=lambda _: ROWS, raw=lambda _: ROWS.tokens)

    monkeypatch.setattr(task, "open_snapshot", opened)
    monkeypatch.setattr(task, "read_test_predictions", predictions)
    monkeypatch.setattr(task, "_score_champion", score)
    return world


def test_the_first_candidate_that_passes_is_compared_with_nobody(world: World) -> None:
    (decision,) = world.promote(world.candidate(1600))

    assert (decision.promote, decision.comparison, world.scored) == (True, None, [])
    assert world.marks() == [1]


def test_challenger_and_champion_are_compared_row_by_row_whatever_their_order(world: World) -> None:
    champion = world.candidate(1600)
    world.promote(champion)
    (decision,) = world.promote(world.candidate(1700))

    assert decision.promote
    assert decision.comparison is not None
    assert (decision.comparison.only_challenger, decision.comparison.only_champion) == (100, 0)
    assert decision.comparison.difference == pytest.approx(0.05)
    assert decision.comparison.champion_id == champion.id
    # The champion is the mark: it is scored once.
    assert world.scored == [champion.bundle]
    assert world.marks() == [1, 2]


def test_two_candidates_of_a_run_are_two_comparisons_of_the_ledger(world: World) -> None:
    world.promote(world.candidate(1600))
    first = world.candidate(1700)
    second = world.candidate(1650, first.run_id, "advanced_bilstm_features")
    decisions = world.promote(first, second)

    compared = [decision.comparison for decision in decisions]
    assert [(each.index, each.alpha) for each in compared if each] == [(0, 0.025), (1, pytest.approx(0.05 / 6))]
    assert world.bench.reader.num_comparisons("t1") == 2
    assert [decision.promote for decision in decisions] == [True, False]


def test_the_candidate_that_validation_prefers_is_compared_first(world: World) -> None:
    world.promote(world.candidate(1600))
    weaker = world.candidate(1650)
    stronger = world.candidate(1700, weaker.run_id, "advanced_bilstm_features")
    compared = [decision.comparison for decision in world.promote(weaker, stronger)]
    assert [each.index for each in compared if each] == [1, 0]


def test_after_a_promotion_that_was_no_better_challengers_meet_the_mark_as_well(world: World) -> None:
    best, slightly_worse = world.candidate(1700), world.candidate(1696)
    world.promote(best)
    (decision,) = world.promote(slightly_worse, comparison="non-inferiority", accuracy_loss_margin=0.01)
    assert (decision.promote, decision.moves_mark) == (True, False)
    assert world.marks() == [1, 1]

    (decision,) = world.promote(world.candidate(1690), comparison="non-inferiority", accuracy_loss_margin=0.01)

    assert world.scored == [slightly_worse.bundle, best.bundle]
    assert world.opened == [world.snapshot.id]
    # Six rows below the champion will do, ten below the mark will not, at the second comparison's level.
    assert failed(decision) == ["not below the high-water mark"]
    assert best.id in gate_of(decision, "not below the high-water mark").words
    assert decision.comparison is not None
    assert (decision.comparison.champion_id, decision.comparison.only_champion) == (slightly_worse.id, 6)
    assert world.bench.reader.num_comparisons("t1") == 2


def test_a_champion_that_cannot_be_scored_stays(world: World) -> None:
    champion = world.candidate(1600)
    world.promote(champion)
    world.says[champion.bundle] = "model.keras was changed."
    (decision,) = world.promote(world.candidate(1700))

    assert not decision.promote
    assert decision.reason.startswith("the champion could not be scored: model.keras was changed; also failed")
    assert world.bench.reader.num_comparisons("t1") == 0


def test_a_champion_that_cannot_be_scored_is_replaced_by_force_and_the_history_says_so(world: World) -> None:
    champion = world.candidate(1600)
    world.promote(champion)
    world.says[champion.bundle] = "model.keras was changed."
    challenger = world.candidate(1700)
    world.promote(challenger, replace_unscorable_champion=True)

    entry = world.bench.reader.champions("imdb")[-1]
    assert (entry.candidate_id, entry.succession, entry.mark) == (challenger.id, "forced replacement", 2)
    assert "model.keras was changed" in entry.reason


def test_the_log_tells_champion_and_mark_apart(world: World, caplog: pytest.LogCaptureFixture) -> None:
    best, slightly_worse = world.candidate(1700), world.candidate(1696)
    world.promote(best)
    world.promote(slightly_worse, comparison="non-inferiority", accuracy_loss_margin=0.01)
    world.says[slightly_worse.bundle] = "model.keras was changed."
    caplog.set_level("INFO", logger="tasks.promote")
    world.promote(world.candidate(1690))
    assert f"the champion {slightly_worse.id} cannot be scored: model.keras was changed." in caplog.messages
    assert f"compared with the high-water mark {best.id}, scored now on the same test rows" in caplog.messages


def test_a_dry_run_decides_and_leaves_champion_and_ledger_alone(world: World) -> None:
    champion = world.candidate(1600)
    world.promote(champion)
    (decision,) = world.promote(world.candidate(1700), dry_run=True)

    assert decision.promote
    assert [entry.candidate_id for entry in world.bench.reader.champions("imdb")] == [champion.id]
    assert world.bench.reader.num_comparisons("t1") == 0


def record_stale(times: int, real: Callable[..., None]) -> tuple[list[int], Callable[..., None]]:
    """`record_decisions` that finds so many times that another run was quicker."""
    calls: list[int] = []

    def record(*arguments: object, **named: object) -> None:
        calls.append(len(calls) + 1)
        if len(calls) <= times:
            raise StaleDecisionError("somebody else decided at the same time")
        real(*arguments, **named)

    return calls, record


@pytest.mark.parametrize(("times", "is_recorded"), [(0, True), (2, True), (3, False)])
def test_a_stale_decision_is_computed_anew_up_to_three_times(
    world: World, monkeypatch: pytest.MonkeyPatch, times: int, is_recorded: bool
) -> None:
    candidate = world.candidate(1600)
    calls, record = record_stale(times, MetricsStore.record_decisions)
    monkeypatch.setattr(MetricsStore, "record_decisions", lambda *a, **k: record(*a, **k))

    if is_recorded:
        assert world.promote(candidate)[0].promote
    else:
        with pytest.raises(StaleDecisionError):
            world.promote(candidate)

    assert len(calls) == min(times + 1, 3)
    assert world.bench.count("champions") == int(is_recorded)


# With a person who has the last word.


def approval(candidate: Candidate, basis: Basis, *, approved: bool = True) -> Approval:
    return Approval(candidate.id, basis, approved, "Ana", "reads well" if approved else "too many false positives")


def test_a_proposal_says_what_would_be_decided_and_records_nothing(world: World) -> None:
    champion = world.candidate(1600)
    world.promote(champion)
    proposal = world.propose(world.candidate(1700))

    assert [decision.promote for decision in proposal.decisions] == [True]
    assert proposal.basis == Basis(champion_position=1, num_comparisons=0)
    assert world.scored == [champion.bundle]
    assert (world.bench.count("decisions"), world.bench.count("comparisons")) == (1, 0)


def test_an_approved_candidate_serves_and_the_history_names_who_approved_it(world: World) -> None:
    world.promote(world.candidate(1600))
    challenger = world.candidate(1700)
    basis = world.propose(challenger).basis
    (decision,) = world.promote_as(approval(challenger, basis), challenger)

    assert decision.promote
    serving = world.bench.reader.champions("imdb")[-1]
    assert (serving.candidate_id, serving.position) == (challenger.id, 2)
    assert serving.reason.endswith("; approved by Ana: reads well")


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_candidate_that_nobody_approved_does_not_serve(world: World, is_asked: bool) -> None:
    challenger = world.candidate(1700)
    basis = world.propose(challenger).basis
    answer = approval(challenger, basis, approved=False) if is_asked else None
    (decision,) = world.promote_as(answer, challenger)

    assert failed(decision) == ["approved by a person"]
    assert world.bench.count("champions") == 0
    (words,) = world.bench.query("SELECT words FROM gates WHERE verdict = 'fail'")
    assert words == (decision.reason,)
    expected = "rejected by Ana: too many false positives" if is_asked else "nobody was asked about this candidate"
    assert decision.reason == expected


def test_an_approval_against_a_champion_that_serves_no_more_is_void(world: World) -> None:
    world.promote(world.candidate(1600))
    challenger = world.candidate(1800)
    basis = world.propose(challenger).basis
    other = world.candidate(1700)
    world.promote(other)
    (decision,) = world.promote_as(approval(challenger, basis), challenger)

    # It beats the new champion as well, but that is not what was approved.
    assert failed(decision) == ["approved by a person"]
    assert "the champion has changed since (its number was 1, and is 2)" in decision.reason
    assert world.bench.reader.champions("imdb")[-1].candidate_id == other.id


def test_an_approval_is_void_once_the_test_set_was_used_again(world: World) -> None:
    world.promote(world.candidate(1600))
    challenger = world.candidate(1800)
    basis = world.propose(challenger).basis
    world.promote(world.candidate(1500))
    (decision,) = world.promote_as(approval(challenger, basis), challenger)

    assert failed(decision) == ["approved by a person"]
    assert "the test set has been used for another comparison since" in decision.reason


def test_a_champion_that_changes_while_the_decision_is_recorded_makes_the_approval_void(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promote(world.candidate(1600))
    challenger, other = world.candidate(1800), world.candidate(1700)
    basis = world.propose(challenger).basis
    real = MetricsStore.record_decisions
    raced: list[bool] = []

    def record(*arguments: object, **named: object) -> None:
        if not raced:
            raced.append(True)
            world.promote(other)
        real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(MetricsStore, "record_decisions", record)
    (decision,) = world.promote_as(approval(challenger, basis), challenger)

    assert failed(decision) == ["approved by a person"]
    assert world.bench.reader.champions("imdb")[-1].candidate_id == other.id


def test_a_dry_run_waits_for_nobody(world: World) -> None:
    (decision,) = world.promote_as(None, world.candidate(1600), dry_run=True)
    assert decision.promote
    assert gate_of(decision, "approved by a person").verdict == "not applicable"
    assert world.bench.count("champions") == 0


def test_where_no_person_is_asked_there_is_no_such_gate(world: World) -> None:
    (decision,) = world.promote(world.candidate(1600))
    assert "approved by a person" not in [gate.name for gate in decision.gates]


def test_an_opponent_that_was_scored_for_the_question_is_not_scored_again(world: World) -> None:
    champion = world.candidate(1600)
    world.promote(champion)
    challenger = world.candidate(1700)
    proposal = world.propose(challenger)
    assert world.scored == [champion.bundle]
    assert list(proposal.answers) == [champion.bundle]

    world.scored.clear()
    approval = Approval(challenger.id, proposal.basis, True, "Ana", "reads well")
    (decision,) = task.promote.fn(
        challenger.run_id, [challenger], CHECKS, world.snapshot, ASKING, Asked(approval, proposal.answers)
    )
    assert decision.promote
    assert decision.comparison == proposal.decisions[0].comparison
    assert world.scored == []
