from __future__ import annotations

import math

import pytest

from flows.cli import exit_code
from flows.retrain import Outcome, as_state, refuse_rejected, verdict
from storage.errors import DataRejectedError, NotFoundError, OptionError, RetrainError, SourceError, TrainingError
from storage.records import Candidate, CheckResult, ConfusionMatrix, Decision, Evaluation, Gate, SnapshotRecord
from tasks.report import verdict_markdown

SCORES = Evaluation("test", ConfusionMatrix(40, 10, 10, 40), auc=0.9, auc_standard_error=0.01)
SNAPSHOT = SnapshotRecord("s" * 64, "t" * 64, "imdb", "a file", "it was there", "", {"train": 1}, 1, 1)


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
    refuse_rejected([passed, warned])
    with pytest.raises(DataRejectedError, match="three: broken"):
        refuse_rejected([passed, CheckResult("three", "fail", {}, "", "broken")])


def test_a_run_that_promoted_nothing_is_completed_and_only_faults_are_failures() -> None:
    assert as_state(Outcome("r1", "completed", "nothing promoted")).is_completed()
    rejected = as_state(Outcome("r1", "rejected data", "one class", DataRejectedError("one class")))
    assert (rejected.name, rejected.is_failed()) == ("DataRejected", True)
    failed = as_state(Outcome("r1", "failed", "no file", SourceError("no file")))
    assert (failed.name, failed.message) == ("Failed", "r1: no file")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrainingError("nan"), 1),
        (OptionError("what"), 2),
        (SourceError("where"), 2),
        (DataRejectedError("no"), 3),
        (NotFoundError("who"), 4),
    ],
)
def test_every_error_has_its_exit_code(error: RetrainError, code: int) -> None:
    assert exit_code(error) == code


def test_the_page_begins_with_the_verdict_and_lists_every_gate_and_check() -> None:
    decisions = [decision("a", False, "the model scores near chance")]
    page = verdict_markdown(
        "r1",
        SNAPSHOT,
        [CheckResult("label balance", "warn", {"share": math.pi}, "", "lopsided")],
        [candidate("a")],
        decisions,
        verdict([candidate("a")], decisions, "imdb", False),
    )
    assert page.splitlines()[:2] == ["# nothing promoted on imdb", "a: the model scores near chance."]
    assert "| a | 0.8000 | 0.9000 | 0.8000 | 2 of 0 |" in page
    assert "- **above chance**: ✗ fail, the model scores near chance" in page
    assert "- **label balance**: ! warn, lopsided" in page
