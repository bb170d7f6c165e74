from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows import retrain
from flows.check import fitness, rejected_because
from flows.retrain import keep_open, skip_unchanged, train_all, verdict
from storage.errors import NothingChangedError
from storage.options import ApprovalOptions, RunOptions
from storage.records import (
    Approval,
    Basis,
    Candidate,
    CheckResult,
    ConfusionMatrix,
    Decision,
    Evaluation,
    Gate,
    SnapshotRecord,
)
from tests.storage.conftest import Bench

SCORES = Evaluation("test", ConfusionMatrix(40, 10, 10, 40), auc=0.9, auc_standard_error=0.01)


def candidate(model: str) -> Candidate:
    return Candidate(f"r1/{model}", "r1", model, "b" * 64, "cpu", 1, 2, 3.0, (), SCORES, SCORES)


def decision(model: str, promote: bool, reason: str) -> Decision:
    gate = Gate("above chance", "pass" if promote else "fail", 0.7, 0.55, f"{reason} | with a bar")
    return Decision(f"r1/{model}", promote, reason, (gate,))


def test_the_verdict_names_the_winner_with_its_scores() -> None:
    said = verdict(
        [candidate("a"), candidate("b")], [decision("a", False, "no"), decision("b", True, "yes")], "imdb", False
    )
    assert said == "promoted b on imdb (test accuracy 0.8000, AUC 0.9000): yes"


def test_a_dry_run_says_that_it_is_one() -> None:
    assert verdict([candidate("a")], [decision("a", True, "yes")], "imdb", True).startswith(
        "a dry run: would promote a"
    )


def test_without_a_winner_every_model_has_its_reason() -> None:
    said = verdict(
        [candidate("a"), candidate("b")], [decision("a", False, "weak"), decision("b", False, "gap")], "imdb", False
    )
    assert said == "nothing promoted on imdb: a: weak; b: gap"


def test_only_a_failed_check_stops_the_run() -> None:
    passed = CheckResult("one", "pass", {}, "", "fine")
    warned = CheckResult("two", "warn", {}, "", "odd")
    off = CheckResult("four", "off", {}, "", "turned off", action="off")
    assert rejected_because([passed, warned, off]) == ""
    broken = [CheckResult(name, "fail", {}, "", "broken") for name in ("three", "five")]
    assert rejected_because([passed, *broken]) == ("the data was rejected before training: three: broken; five: broken")


def test_the_fitness_of_data_names_the_checks_that_did_not_pass() -> None:
    passed, warned = CheckResult("one", "pass", {}, "", "fine"), CheckResult("two", "warn", {}, "", "odd")
    off = CheckResult("three", "off", {}, "", "turned off", action="off")
    assert fitness("imdb", [passed, passed]) == "imdb is fit to be trained on: 2 checks passed"
    assert fitness("imdb", [passed, warned, off]) == (
        "imdb is fit to be trained on: 1 checks passed, 1 warned (two), 1 turned off (three)"
    )


# Whether a run is skipped.

WON = Decision("r/a", False, "", (Gate("approved by a person", "fail", 0.0, 1.0, "rejected by Ana: it misses irony"),))
REFUSAL = Approval("r/a", Basis(0, 0), False, "Ana", "it misses irony")
NO_ANSWER = replace(REFUSAL, name="", reason="nobody approved it within 24 hours")


@pytest.fixture
def snapshot(bench: Bench) -> SnapshotRecord:
    return bench.snapshot(bench.start_run())


def finish(bench: Bench, snapshot: SnapshotRecord, options: RunOptions, approval: Approval | None = None) -> str:
    """A run that reaches its decision, which is WON's where a person was asked."""
    run_id = bench.start_run()
    skip_unchanged(run_id, snapshot, options)
    if approval is not None:
        candidate = bench.candidate(run_id, "a")
        decision = replace(WON, candidate_id=candidate.id)
        bench.decide(decision)
        keep_open(run_id, [decision], replace(approval, candidate_id=candidate.id))
    bench.store.finish_run(run_id, "completed", "decided", 1.0)
    return run_id


@pytest.mark.parametrize("asks", [False, True])
def test_a_run_that_differs_only_in_who_is_asked_is_skipped(bench: Bench, snapshot: SnapshotRecord, asks: bool) -> None:
    first = finish(bench, snapshot, RunOptions(approval=ApprovalOptions(required=not asks)))
    with pytest.raises(NothingChangedError) as caught:
        skip_unchanged(bench.start_run(), snapshot, RunOptions(approval=ApprovalOptions(required=asks)))
    assert str(caught.value) == (
        f"nothing has changed since run {first}: the same snapshot, configuration, code and seed would give the same "
        "models. To train anew all the same: --force."
    )


def test_what_a_person_has_refused_is_not_proposed_again_unless_it_is_forced(
    bench: Bench, snapshot: SnapshotRecord
) -> None:
    first = finish(bench, snapshot, RunOptions(), REFUSAL)
    with pytest.raises(NothingChangedError) as caught:
        skip_unchanged(bench.start_run(), snapshot, RunOptions())
    assert str(caught.value).startswith(f"nothing has changed since run {first}: ")
    assert str(caught.value).endswith(
        "the same models, and the one to promote was rejected by Ana: it misses irony. "
        "To train anew all the same: --force."
    )
    skip_unchanged(bench.start_run(), snapshot, RunOptions(force=True))


def test_what_nobody_has_answered_is_asked_again(bench: Bench, snapshot: SnapshotRecord) -> None:
    finish(bench, snapshot, RunOptions(), NO_ANSWER)
    skip_unchanged(bench.start_run(), snapshot, RunOptions())


class Training:
    """A training in another thread, which is interrupted only by the end of its process."""

    def __init__(self, error: BaseException | None) -> None:
        self.error, self.has_ended = error, False

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> str:
        if self.error is not None and raise_on_failure:
            raise self.error
        if timeout is not None and not self.has_ended:
            raise TimeoutError
        return "trained"


def submit(monkeypatch: pytest.MonkeyPatch, errors: list[BaseException | None]) -> list[Training]:
    """Trainings at once, each with what interrupts the wait for it."""
    trainings: list[Training] = []

    class Task:
        def submit(self, *_: Any) -> Training:
            trainings.append(Training(errors[len(trainings)]))
            return trainings[-1]

    def end() -> None:
        for training in trainings:
            training.has_ended = True

    monkeypatch.setattr(retrain, "train", Task())
    monkeypatch.setattr(retrain, "end_trainings", end)
    return trainings


AT_ONCE = RunOptions.parse(training={"at_once": True})


def test_trainings_at_once_are_all_begun_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = submit(monkeypatch, [None, None])
    assert list(map(str, train_all("r1", "m1", AT_ONCE))) == ["trained", "trained"]
    assert [training.has_ended for training in trainings] == [False, False]


@pytest.mark.parametrize("errors", [[KeyboardInterrupt(), None], [None, ValueError("it died")]])
def test_what_ends_one_training_or_the_wait_ends_them_all(
    monkeypatch: pytest.MonkeyPatch, errors: list[BaseException | None]
) -> None:
    trainings = submit(monkeypatch, errors)
    with pytest.raises((KeyboardInterrupt, ValueError)):
        train_all("r1", "m1", AT_ONCE)
    assert [training.has_ended for training in trainings] == [True, True]
