from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.options import GateOptions
from storage.records import Comparison, ConfusionMatrix, Decision, Evaluation, Gate
from tasks.promotion.rule import Assessment, decide, judge

OPTIONS = GateOptions()

# The notebook's two models: its test tables, and its validation accuracies on 2,500 rows.
BASELINE_TEST = ConfusionMatrix(11_843, 657, 3854, 8646)
BASELINE_AUC = 0.9389948767999999
ADVANCED_TEST = ConfusionMatrix(4180, 8320, 4419, 8081)
ADVANCED_AUC = 0.481549

BETTER = Comparison("run/old", 0, 0.025, 25_000, 1600, 1300, 1e-8, 0.012, 0.008, 0.016, 0.01, 0.007, 0.013)
WORSE = replace(BETTER, only_challenger=1300, only_champion=1600, p_value=1.0, difference=-0.012)


def hanley_mcneil(auc: float, num_positive: int, num_negative: int) -> float:
    """Standard error of an AUC where the scores are not at hand (Hanley & McNeil, Radiology 143, 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (num_positive - 1) * (q1 - auc**2) + (num_negative - 1) * (q2 - auc**2)
    return math.sqrt(variance / (num_positive * num_negative))


def validation(accuracy: float, rows: int = 2500) -> Evaluation:
    half = rows // 2
    correct = round(accuracy * rows)
    right = ConfusionMatrix(correct // 2, half - correct // 2, half - (correct - correct // 2), correct - correct // 2)
    return Evaluation("validation", right, 0.9, 0.006)


def on_test(confusion: ConfusionMatrix, auc: float) -> Evaluation:
    return Evaluation("test", confusion, auc, hanley_mcneil(auc, 12_500, 12_500))


BASELINE = Assessment("run/baseline", validation(0.8324), on_test(BASELINE_TEST, BASELINE_AUC), None)
ADVANCED = Assessment("run/advanced", validation(0.8756), on_test(ADVANCED_TEST, ADVANCED_AUC), None)


def decided(*assessments: Assessment, options: GateOptions = OPTIONS) -> list[Decision]:
    return decide(assessments, options)


def gate(decision: Decision, name: str) -> Gate:
    found = [gate for gate in decision.gates if gate.name == name]
    assert len(found) == 1
    return found[0]


def failed(decision: Decision) -> list[str]:
    return [gate.name for gate in decision.gates if gate.verdict == "fail"]


# The notebook.


def test_the_records_are_the_notebooks() -> None:
    assert BASELINE_TEST.accuracy == pytest.approx(0.81956)
    assert ADVANCED_TEST.accuracy == pytest.approx(0.49044)
    assert BASELINE.validation.confusion.accuracy == pytest.approx(0.8324)
    assert ADVANCED.validation.confusion.accuracy == pytest.approx(0.8756)


def test_the_notebooks_advanced_model_is_rejected_as_near_chance_and_named_inverted_or_misaligned() -> None:
    _, advanced = decided(BASELINE, ADVANCED)
    assert not advanced.promote
    assert failed(advanced) == [
        "above chance",
        "not inverted or misaligned",
        "AUC above chance",
        "recall of class 0",
        "validation agrees with test",
    ]
    assert advanced.reason.startswith("the model scores near chance: test accuracy 0.4904")
    inversion = gate(advanced, "not inverted or misaligned")
    assert inversion.value == pytest.approx(0.00255, abs=1e-5)
    assert "significantly below chance: labels or scores are inverted, or rows are misaligned" in inversion.words
    assert "p = 0.00255" in inversion.words
    assert "not inverted or misaligned" in advanced.reason


def test_the_notebooks_baseline_would_be_promoted() -> None:
    baseline, _ = decided(BASELINE, ADVANCED)
    assert baseline.promote
    assert failed(baseline) == []
    assert baseline.reason == "all gates passed, and the line had no champion"


# One decision for each candidate.


def test_decisions_come_in_the_order_of_the_candidates() -> None:
    assert [decision.candidate_id for decision in decided(ADVANCED, BASELINE)] == ["run/advanced", "run/baseline"]
    assert decided() == []


def test_a_decision_holds_every_gate_whether_it_passed_or_not() -> None:
    baseline, advanced = decided(BASELINE, ADVANCED)
    names = [gate.name for gate in judge(ADVANCED, OPTIONS)]
    assert len(names) == 7
    assert [gate.name for gate in advanced.gates] == names
    assert [gate.name for gate in baseline.gates] == [*names, "best of its run"]


def test_a_candidate_that_beats_the_champion_is_promoted() -> None:
    decision = decided(replace(BASELINE, comparison=BETTER))[0]
    assert decision.promote
    assert decision.comparison == BETTER
    assert decision.reason == "all gates passed, and better than the champion by +0.0120 in accuracy"


def test_a_candidate_that_does_not_beat_the_champion_is_rejected() -> None:
    decision = decided(replace(BASELINE, comparison=WORSE))[0]
    assert not decision.promote
    assert failed(decision) == ["better than the champion"]
    assert decision.comparison == WORSE
    assert decision.reason.startswith("not shown to be better than the champion")


def test_a_champion_that_cannot_be_scored_is_not_replaced() -> None:
    decision = decided(replace(BASELINE, comparison="its bundle is damaged"))[0]
    assert not decision.promote
    assert failed(decision) == ["better than the champion"]
    assert decision.comparison is None
    assert decision.reason == "the champion could not be scored: its bundle is damaged"


def test_a_bad_model_that_beats_a_worse_champion_is_rejected() -> None:
    decision = decided(replace(ADVANCED, comparison=BETTER))[0]
    assert not decision.promote
    assert gate(decision, "better than the champion").verdict == "pass"


# Unbalanced test sets.


@pytest.mark.parametrize("label", [0, 1])
def test_who_always_says_the_larger_class_is_rejected(label: int) -> None:
    confusion = (ConfusionMatrix(22_500, 0, 2500, 0), ConfusionMatrix(0, 2500, 0, 22_500))[label]
    of_validation = (ConfusionMatrix(2250, 0, 250, 0), ConfusionMatrix(0, 250, 0, 2250))[label]
    guesser = Assessment(
        "run/guesser",
        Evaluation("validation", of_validation, 0.5, 0.01),
        # Even with scores that rank well.
        Evaluation("test", confusion, 0.9, 0.004),
        None,
    )
    decision = decided(guesser)[0]
    assert not decision.promote
    assert failed(decision) == ["above chance", f"recall of class {1 - label}"]


def test_a_good_model_on_an_unbalanced_test_set_is_promoted() -> None:
    good = Assessment(
        "run/good",
        Evaluation("validation", ConfusionMatrix(2200, 50, 50, 200), 0.97, 0.01),
        Evaluation("test", ConfusionMatrix(22_000, 500, 400, 2100), 0.97, 0.002),
        None,
    )
    assert decided(good)[0].promote


# Several candidates.


def passing(identity: str, validation_accuracy: float, comparison: Comparison | None = None) -> Assessment:
    return replace(BASELINE, candidate_id=identity, validation=validation(validation_accuracy), comparison=comparison)


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_that_pass_the_one_with_the_better_validation_accuracy_is_promoted(turned: bool) -> None:
    pair = [passing("run/first", 0.8324), passing("run/second", 0.8328)]
    decisions = {decision.candidate_id: decision for decision in decided(*(reversed(pair) if turned else pair))}
    assert decisions["run/second"].promote
    assert not decisions["run/first"].promote
    assert failed(decisions["run/first"]) == ["best of its run"]
    assert decisions["run/first"].reason.startswith("another candidate of this run is preferred")
    assert "run/second" in decisions["run/first"].reason


def test_test_accuracy_does_not_choose_between_candidates() -> None:
    better_on_test = replace(
        passing("run/first", 0.8324), test=on_test(ConfusionMatrix(11_900, 600, 600, 11_900), 0.98)
    )
    first, second = decided(better_on_test, passing("run/second", 0.8328))
    assert not first.promote
    assert second.promote


@pytest.mark.parametrize("num_candidates", [2, 3, 5])
def test_of_candidates_that_are_equally_good_exactly_one_is_promoted(num_candidates: int) -> None:
    decisions = decided(*(passing(f"run/{index}", 0.8324, BETTER) for index in range(num_candidates)))
    assert [decision.promote for decision in decisions].count(True) == 1


def test_a_candidate_that_is_given_twice_is_promoted_once() -> None:
    again = replace(BASELINE)
    for pair in ((BASELINE, again), (BASELINE, BASELINE)):
        assert [decision.promote for decision in decided(*pair)].count(True) == 1


def test_a_candidate_that_fails_stands_in_nobodys_way() -> None:
    # ADVANCED has the better validation accuracy.
    first, second = decided(ADVANCED, BASELINE)
    assert not first.promote
    assert second.promote
    assert gate(second, "best of its run").value == gate(second, "best of its run").bound


# What is not a number never passes.

REJECTIONS = {
    "near chance": replace(BASELINE, test=on_test(ConfusionMatrix(6500, 6000, 6000, 6500), 0.9)),
    "inverted": replace(BASELINE, test=on_test(ConfusionMatrix(3000, 9500, 9500, 3000), 0.9)),
    "AUC at chance": replace(BASELINE, test=replace(BASELINE.test, auc=0.5)),
    "AUC unsure": replace(BASELINE, test=replace(BASELINE.test, auc_standard_error=0.2)),
    "recall of class 0": replace(BASELINE, test=on_test(ConfusionMatrix(5000, 7500, 100, 12_400), 0.9)),
    "recall of class 1": replace(BASELINE, test=on_test(ConfusionMatrix(12_400, 100, 7500, 5000), 0.9)),
    "validation far above test": replace(BASELINE, validation=validation(0.99)),
    "no better than the champion": replace(BASELINE, comparison=WORSE),
    "all at once": replace(ADVANCED, comparison=WORSE),
}


def with_nan(assessment: Assessment) -> Iterator[tuple[str, Assessment]]:
    """The assessment with one number after the other replaced by NaN."""
    for path, record in _records(assessment):
        for field in dataclasses.fields(record):
            if isinstance(getattr(record, field.name), int | float):
                name = ".".join([*path, field.name])
                yield name, _replaced(assessment, path, replace(record, **{field.name: math.nan}))


def _records(assessment: Assessment) -> list[tuple[tuple[str, ...], Any]]:
    records: list[tuple[tuple[str, ...], Any]] = []
    for split in ("validation", "test"):
        evaluation = getattr(assessment, split)
        records += [((split,), evaluation), ((split, "confusion"), evaluation.confusion)]
    if isinstance(assessment.comparison, Comparison):
        records.append((("comparison",), assessment.comparison))
    return records


def _replaced(whole: Any, path: tuple[str, ...], record: Any) -> Any:
    if not path:
        return record
    return replace(whole, **{path[0]: _replaced(getattr(whole, path[0]), path[1:], record)})


def promotes(assessment: Assessment) -> bool:
    """Whether it is promoted; counts that are no numbers may be refused instead."""
    try:
        return decided(assessment)[0].promote
    except (TypeError, ValueError):
        return False


def test_one_number_after_the_other_is_replaced() -> None:
    names = [name for name, _ in with_nan(replace(BASELINE, comparison=BETTER))]
    assert {"test.auc", "test.auc_standard_error", "test.confusion.true_positives", "comparison.p_value"} <= set(names)
    assert len(names) == len(set(names)) == 2 * (2 + 4) + 12


@pytest.mark.parametrize("name", REJECTIONS)
def test_a_number_that_is_not_known_never_turns_a_rejection_into_a_promotion(name: str) -> None:
    rejected = REJECTIONS[name]
    assert not promotes(rejected)
    for field, broken in with_nan(rejected):
        assert not promotes(broken), field


@pytest.mark.parametrize("name", ["test.auc", "test.auc_standard_error", "comparison.p_value", "comparison.alpha"])
def test_a_promotion_needs_every_number_that_the_rule_reads(name: str) -> None:
    promoted = replace(BASELINE, comparison=BETTER)
    assert promotes(promoted)
    assert not promotes(dict(with_nan(promoted))[name])


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_evaluation_of_no_rows_is_rejected(split: str) -> None:
    empty = replace(getattr(BASELINE, split), confusion=ConfusionMatrix(0, 0, 0, 0))
    decision = decided(_replaced(BASELINE, (split,), empty))[0]
    assert not decision.promote
    assert all(
        number is None or math.isfinite(number) for gate in decision.gates for number in (gate.value, gate.bound)
    )


counts = st.integers(0, 13_000)
confusions = st.builds(ConfusionMatrix, counts, counts, counts, counts)
numbers = st.floats(0, 1) | st.sampled_from([math.nan, math.inf, -math.inf])
evaluations = st.builds(Evaluation, st.just("test"), confusions, numbers, numbers | st.floats(0, 0.01))
comparisons = st.none() | st.text(max_size=5) | st.builds(lambda p: replace(BETTER, p_value=p), numbers)
assessments = st.builds(Assessment, st.text(max_size=3), evaluations, evaluations, comparisons)


@given(st.lists(assessments | st.just(BASELINE), max_size=4))
def test_whatever_the_numbers_are_at_most_one_is_promoted_and_nan_turns_no_rejection(
    candidates: list[Assessment],
) -> None:
    decisions = decided(*candidates)
    assert [decision.candidate_id for decision in decisions] == [candidate.candidate_id for candidate in candidates]
    assert [decision.promote for decision in decisions].count(True) <= 1
    for candidate, decision in zip(candidates, decisions, strict=True):
        assert decision.promote == (not failed(decision))
        assert decision.reason
        if not promotes(candidate):
            assert not any(promotes(broken) for _, broken in with_nan(candidate))
