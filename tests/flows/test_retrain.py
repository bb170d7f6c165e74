from __future__ import annotations

from flows.check import fitness, rejected_because
from flows.retrain import verdict
from storage.records import Candidate, CheckResult, ConfusionMatrix, Decision, Evaluation, Gate

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
