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
from storage.records import Comparison, ConfusionMatrix, Decision, Evaluation
from tasks.promotion.rule import Assessment, decide, judge
from tests.tasks.promotion.conftest import (
    ADVANCED,
    ADVANCED_TEST,
    BASELINE,
    BASELINE_TEST,
    BETTER,
    CHECKS,
    RELOADED,
    SLIGHTLY_WORSE,
    WORSE,
    check,
    comparison,
    failed,
    gate_of,
    on_test,
    validation,
)

OPTIONS = GateOptions()
NON_INFERIORITY = GateOptions(comparison="non-inferiority")
FORCED = GateOptions(replace_unscorable_champion=True)


def decided(*assessments: Assessment, options: GateOptions = OPTIONS) -> list[Decision]:
    return decide(assessments, options)


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
        "informed about both classes",
        "not inverted or misaligned",
        "AUC above chance",
        "recall of class 0",
        "validation agrees with test",
    ]
    assert advanced.reason.startswith("the model scores near chance: test accuracy 0.4904")
    inversion = gate_of(advanced, "not inverted or misaligned")
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
    assert len(names) == len(set(names)) == 14
    assert [gate.name for gate in advanced.gates] == names
    assert [gate.name for gate in baseline.gates] == [*names, "best of its run"]


def test_a_candidate_that_beats_the_champion_is_promoted() -> None:
    decision = decided(replace(BASELINE, comparison=BETTER))[0]
    assert decision.promote
    assert decision.comparison == BETTER
    assert decision.reason == "all gates passed, and better than the champion: +0.0120 in accuracy"


def test_a_candidate_that_does_not_beat_the_champion_is_rejected() -> None:
    decision = decided(replace(BASELINE, comparison=WORSE))[0]
    assert not decision.promote
    assert failed(decision) == ["better than the champion"]
    assert decision.comparison == WORSE
    assert decision.reason.startswith("not shown to be better than the champion")


def test_a_bad_model_that_beats_a_worse_champion_is_rejected() -> None:
    decision = decided(replace(ADVANCED, comparison=BETTER))[0]
    assert not decision.promote
    assert gate_of(decision, "better than the champion").verdict == "pass"


# A champion that contradicts the labels: one that was right on 82 % of the rows, and now is on 18 %.

CONTRADICTING = comparison(only_challenger=16_500, only_champion=500, p_value=0.0, difference=0.64, auc_difference=0.8)


@pytest.mark.parametrize("options", [OPTIONS, NON_INFERIORITY], ids=["superiority", "non-inferiority"])
def test_swapped_classes_do_not_replace_a_sound_champion(options: GateOptions) -> None:
    """All labels of a new export are exchanged: what is trained on it is consistent with itself, and far better."""
    (decision,) = decided(replace(BASELINE, comparison=CONTRADICTING), options=options)
    assert not decision.promote
    (name,) = failed(decision)
    assert name in ("better than the champion", "not worse than the champion")
    assert "the champion contradicts the labels: it alone is wrong on 16,500 of 25,000 rows" in decision.reason
    suspect = decision.diagnosis[0]
    assert (suspect.cause, suspect.standing) == ("swapped classes", "shown")
    assert not any("nothing has to be repaired" in suspect.remedy for suspect in decision.diagnosis)


def test_a_champion_that_learned_swapped_classes_is_replaced_by_force_and_the_decision_says_so() -> None:
    (decision,) = decided(replace(BASELINE, comparison=CONTRADICTING), options=FORCED)
    assert (decision.promote, decision.succession) == (True, "forced replacement")
    assert "the champion contradicts the labels" in decision.reason


@pytest.mark.parametrize(("rows", "promoted"), [(510, True), (600, False)])
def test_a_champion_that_may_be_right_on_half_of_the_rows_contradicts_nothing(rows: int, promoted: bool) -> None:
    against = comparison(num_rows=1000, only_challenger=rows, only_champion=10, difference=(rows - 10) / 1000)
    assert decided(replace(BASELINE, comparison=against))[0].promote == promoted


# A champion that cannot be scored.

UNSCORED = replace(BASELINE, comparison="its bundle is damaged")


def test_a_champion_that_cannot_be_scored_is_not_replaced() -> None:
    decision = decided(UNSCORED)[0]
    assert not decision.promote
    assert failed(decision) == ["better than the champion", "AUC not below the champion's"]
    assert decision.comparison is None
    assert decision.reason.startswith("the champion could not be scored: its bundle is damaged")
    assert [suspect.cause for suspect in decision.diagnosis if suspect.standing == "shown"] == [
        "champion cannot be scored"
    ]


def test_a_champion_that_cannot_be_scored_is_replaced_where_the_configuration_says_so_and_the_decision_does_too() -> (
    None
):
    decision = decided(UNSCORED, options=FORCED)[0]
    assert decision.promote
    assert (decision.succession, decision.moves_mark) == ("forced replacement", True)
    assert decision.reason == (
        "forced by the configuration: the champion could not be scored: its bundle is damaged; the configuration lets "
        "it be replaced unseen; all other gates passed"
    )


@pytest.mark.parametrize("name", ["near chance", "AUC unsure", "a check failed", "not loaded back", "inverted"])
def test_a_forced_replacement_must_pass_all_other_gates(name: str) -> None:
    decision = decided(replace(REJECTIONS[name], comparison="its bundle is damaged"), options=FORCED)[0]
    assert not decision.promote
    assert failed(decision)


def test_a_champion_that_can_be_scored_is_not_replaced_by_force() -> None:
    assert not decided(replace(BASELINE, comparison=WORSE), options=FORCED)[0].promote
    won = decided(replace(BASELINE, comparison=BETTER), options=FORCED)[0]
    assert (won.promote, won.succession) == (True, "promotion")


def test_a_mark_that_cannot_be_scored_stops_the_promotion_until_the_configuration_lets_it_go() -> None:
    challenger = replace(BASELINE, comparison=BETTER, mark="its bundle is damaged")
    stopped = decided(challenger)[0]
    assert failed(stopped) == ["not below the high-water mark", "AUC not below the high-water mark's"]
    forced = decided(challenger, options=FORCED)[0]
    assert (forced.promote, forced.succession, forced.moves_mark) == (True, "forced replacement", True)


# Superiority, non-inferiority, and the high-water mark.


def test_a_slight_loss_passes_only_where_non_inferiority_is_asked_for() -> None:
    challenger = replace(BASELINE, comparison=SLIGHTLY_WORSE)
    assert failed(decided(challenger)[0]) == ["better than the champion"]
    decision = decided(challenger, options=NON_INFERIORITY)[0]
    assert decision.promote
    assert decision.reason == (
        "all gates passed, and not worse, by more than the margin, than the champion: -0.0020 in accuracy"
    )
    assert decision.succession == "promotion"


def test_a_better_accuracy_does_not_make_up_for_a_worse_auc() -> None:
    decision = decided(replace(BASELINE, comparison=replace(BETTER, auc_difference=-0.01)))[0]
    assert failed(decision) == ["AUC not below the champion's"]


@pytest.mark.parametrize(
    ("against", "mark", "moves"),
    [
        (None, None, True),
        (BETTER, None, True),
        (replace(BETTER, p_value=0.025), None, True),
        (replace(BETTER, p_value=math.nextafter(0.025, 1)), None, False),
        (SLIGHTLY_WORSE, None, False),
        (BETTER, SLIGHTLY_WORSE, False),
        (SLIGHTLY_WORSE, BETTER, True),
        (BETTER, BETTER, True),
        (replace(BETTER, p_value=math.nan), None, False),
    ],
    ids=[
        "no champion", "better than the champion", "just better", "just not", "not worse than the champion",
        "better than the champion but not than the mark", "better than the mark", "better than both", "not a number",
    ],
)  # fmt: skip
def test_the_mark_moves_only_to_a_challenger_that_is_shown_to_be_better(
    against: Comparison | None, mark: Comparison | None, moves: bool
) -> None:
    decision = decided(replace(BASELINE, comparison=against, mark=mark), options=NON_INFERIORITY)[0]
    assert decision.moves_mark == moves


NUM_ROWS = 250_000


def against(accuracy_lost: float, auc_lost: float) -> Comparison:
    """A challenger that is worse by so much; both are right on 500 rows of their own at least."""
    only_champion = 500 + round(accuracy_lost * NUM_ROWS)
    return comparison(
        num_rows=NUM_ROWS, only_challenger=500, only_champion=only_champion, p_value=1.0,
        difference=-accuracy_lost, auc_difference=-auc_lost, auc_standard_error=0.0003,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "stopped_by"),
    [((0.004, 0.0), "not below the high-water mark"), ((0.0, 0.004), "AUC not below the high-water mark's")],
    ids=["accuracy", "AUC"],
)
@pytest.mark.parametrize("with_mark", [True, False])
def test_a_row_of_small_losses_is_stopped_by_the_mark_and_by_nothing_else(
    lost: tuple[float, float], stopped_by: str, with_mark: bool
) -> None:
    """Ten challengers, each worse than the last by 0.4 points, which is within the margin of 0.5."""
    champion, mark, promoted = 0, 0, []
    for number in range(1, 11):
        challenger = champion + 1
        compared_with_mark = against(*(challenger * part for part in lost)) if with_mark and champion != mark else None
        assessed = replace(BASELINE, comparison=against(*lost), mark=compared_with_mark)
        decision = decided(assessed, options=NON_INFERIORITY)[0]
        assert gate_of(decision, "not worse than the champion").verdict == "pass"
        assert gate_of(decision, "AUC not below the champion's").verdict == "pass"
        if decision.promote:
            assert not decision.moves_mark
            champion = challenger
            promoted.append(number)
        else:
            assert failed(decision) == [stopped_by]
    assert promoted == ([1] if with_mark else list(range(1, 11)))


# The probe.


def test_a_model_below_the_probe_is_promoted_unless_the_configuration_asks_for_more() -> None:
    challenger = replace(BASELINE, checks=(*CHECKS, check("probe", test_accuracy=0.89)))
    decision = decided(challenger)[0]
    assert (decision.promote, decision.succession) == (True, "promotion")
    assert gate_of(decision, "better than the probe").verdict == "waived"
    assert decision.reason == "all gates passed, and the line had no champion"
    assert failed(decided(challenger, options=GateOptions(beat_probe=True))[0]) == ["better than the probe"]
    assert decided(replace(challenger, checks=(*CHECKS, check("probe", test_accuracy=0.8))))[0].promote


# Checks.


@pytest.mark.parametrize(
    ("checks", "names"),
    [
        ((), ["all checks passed", "reload"]),
        ((check("split"),), ["reload"]),
        ((check("split", "fail"), RELOADED), ["all checks passed"]),
        ((replace(RELOADED, verdict="fail"),), ["all checks passed", "reload"]),
    ],
    ids=["none", "not loaded back", "one failed", "the bundle is another model"],
)
def test_no_model_is_promoted_without_its_checks(checks: tuple[Any, ...], names: list[str]) -> None:
    decision = decided(replace(BASELINE, checks=checks))[0]
    assert not decision.promote
    assert failed(decision) == names


@pytest.mark.parametrize("verdict", ["warn", "off"])
def test_a_promotion_with_a_check_that_the_configuration_lets_pass_is_not_called_forced(verdict: Any) -> None:
    decision = decided(replace(BASELINE, checks=(check("split"), replace(RELOADED, verdict=verdict, action=verdict))))[
        0
    ]
    assert (decision.promote, decision.succession) == (True, "promotion")
    assert decision.reason == "all gates passed, and the line had no champion"


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
        CHECKS,
        None,
    )
    decision = decided(guesser)[0]
    assert not decision.promote
    assert failed(decision) == ["above chance", "informed about both classes", f"recall of class {1 - label}"]


def test_a_good_model_on_an_unbalanced_test_set_is_promoted() -> None:
    good = Assessment(
        "run/good",
        Evaluation("validation", ConfusionMatrix(2200, 50, 50, 200), 0.97, 0.01),
        Evaluation("test", ConfusionMatrix(22_000, 500, 400, 2100), 0.97, 0.002),
        CHECKS,
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
    assert gate_of(second, "best of its run").value == gate_of(second, "best of its run").bound


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
    "ranks worse than the champion": replace(BASELINE, comparison=replace(BETTER, auc_difference=-0.01)),
    "below the mark": replace(BASELINE, comparison=BETTER, mark=WORSE),
    "ranks worse than the mark": replace(BASELINE, comparison=BETTER, mark=replace(BETTER, auc_difference=-0.01)),
    "a check failed": replace(BASELINE, checks=(check("padding", "fail"), RELOADED)),
    "not loaded back": replace(BASELINE, checks=(check("padding"),)),
    "all at once": replace(ADVANCED, comparison=WORSE, mark=WORSE),
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
    for name in ("comparison", "mark"):
        if isinstance(compared := getattr(assessment, name), Comparison):
            records.append(((name,), compared))
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
    names = [name for name, _ in with_nan(replace(BASELINE, comparison=BETTER, mark=BETTER))]
    assert {"test.auc", "test.auc_standard_error", "test.confusion.true_positives", "comparison.p_value"} <= set(names)
    assert len(names) == len(set(names)) == 2 * (2 + 4) + 2 * 13


@pytest.mark.parametrize("name", REJECTIONS)
def test_a_number_that_is_not_known_never_turns_a_rejection_into_a_promotion(name: str) -> None:
    rejected = REJECTIONS[name]
    assert not promotes(rejected)
    for field, broken in with_nan(rejected):
        assert not promotes(broken), field


@pytest.mark.parametrize(
    "name",
    [
        "test.auc",
        "test.auc_standard_error",
        "comparison.p_value",
        "comparison.alpha",
        "comparison.auc_difference",
        "comparison.auc_standard_error",
        "mark.alpha",
        "mark.only_champion",
        "mark.auc_difference",
        "mark.auc_standard_error",
    ],
)
def test_a_promotion_needs_every_number_that_the_rule_reads(name: str) -> None:
    promoted = replace(BASELINE, comparison=BETTER, mark=BETTER)
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
comparisons = (
    st.none()
    | st.text(max_size=5)
    | st.builds(lambda p, auc: replace(BETTER, p_value=p, auc_difference=auc), numbers, numbers)
)
checked = st.just(CHECKS) | st.just(()) | st.just((check("padding", "fail"), RELOADED))
assessments = st.builds(Assessment, st.text(max_size=3), evaluations, evaluations, checked, comparisons, comparisons)


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
        # A rejection always has a suspect that is not ruled out; a promotion needs none.
        assert decision.promote == all(suspect.standing == "ruled out" for suspect in decision.diagnosis)
        if not promotes(candidate):
            assert not any(promotes(broken) for _, broken in with_nan(candidate))
