from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy import stats

from storage.options import GateOptions
from storage.records import CheckResult, CheckVerdict, Comparison, ConfusionMatrix, Evaluation, Gate
from tasks.evaluation.paired import non_inferiority_p_value
from tasks.promotion import gates
from tests.tasks.promotion.conftest import (
    BETTER,
    RELOADED,
    SLIGHTLY_WORSE,
    balanced,
    check,
    comparison,
    evaluation,
)

OPTIONS = GateOptions()
NON_INFERIORITY = GateOptions(comparison="non-inferiority")
FORCED = GateOptions(replace_unscorable_champion=True)
NO_ROWS = ConfusionMatrix(0, 0, 0, 0)


def lower_bound(successes: int, trials: int) -> float:
    return float(stats.beta.ppf(0.001, successes, trials - successes + 1))


def is_well_formed(gate: Gate) -> bool:
    return bool(gate.name and gate.words) and all(
        number is None or math.isfinite(number) for number in (gate.value, gate.bound)
    )


# Accuracy above chance.


@pytest.mark.parametrize(("rows", "smallest"), [(25_000, 13_994), (1000, 599)])
def test_the_accuracys_lower_bound_must_exceed_055(rows: int, smallest: int) -> None:
    assert lower_bound(smallest, rows) > 0.55 >= lower_bound(smallest - 1, rows)
    passing = gates.gate_above_chance(evaluation(balanced(smallest, rows)), OPTIONS)
    failing = gates.gate_above_chance(evaluation(balanced(smallest - 1, rows)), OPTIONS)
    assert (passing.verdict, failing.verdict) == ("pass", "fail")
    assert passing.bound == failing.bound == 0.55
    assert passing.value == pytest.approx(lower_bound(smallest, rows), abs=1e-12)
    assert "the model scores near chance" in failing.words
    assert "near chance" not in passing.words


@pytest.mark.parametrize("turned", [False, True])
def test_chance_is_the_share_of_the_larger_class(turned: bool) -> None:
    # 70 % of one class: 0.72 is above 0.55, and yet no better than saying its name.
    confusion = ConfusionMatrix(6500, 500, 2300, 700)
    if turned:
        confusion = ConfusionMatrix(700, 2300, 500, 6500)
    gate = gates.gate_above_chance(evaluation(confusion), OPTIONS)
    assert gate.verdict == "fail"
    assert gate.bound == pytest.approx(0.75)


@pytest.mark.parametrize(("margin", "verdict"), [(0.0, "pass"), (0.1, "fail")])
def test_the_margin_on_the_accuracy_is_the_one_of_the_options(margin: float, verdict: str) -> None:
    options = GateOptions(accuracy_margin=margin)
    assert gates.gate_above_chance(evaluation(balanced(14_000, 25_000)), options).verdict == verdict


def test_a_bound_at_its_level_does_not_pass() -> None:
    confusion = balanced(14_000, 25_000)
    value = gates.gate_above_chance(evaluation(confusion), OPTIONS).value
    assert value is not None
    margin = value - 0.5
    at, below = (GateOptions(accuracy_margin=each) for each in (margin, math.nextafter(margin, 0) - 1e-12))
    assert gates.gate_above_chance(evaluation(confusion), at).verdict == "fail"
    assert gates.gate_above_chance(evaluation(confusion), below).verdict == "pass"


# Inversion.


def test_an_accuracy_significantly_below_chance_is_called_inverted() -> None:
    significant = [stats.binomtest(k, 25_000).pvalue <= 0.01 for k in range(12_200, 12_400)]
    largest = 12_200 + significant.index(False) - 1
    failing = gates.gate_not_inverted(evaluation(balanced(largest, 25_000)), OPTIONS)
    passing = gates.gate_not_inverted(evaluation(balanced(largest + 1, 25_000)), OPTIONS)
    assert (failing.verdict, passing.verdict) == ("fail", "pass")
    assert failing.bound == passing.bound == 0.01
    assert failing.value is not None
    assert passing.value is not None
    assert failing.value <= 0.01 < passing.value
    assert "inverted" in failing.words
    assert "misaligned" in failing.words


def test_a_p_value_at_its_level_fails() -> None:
    confusion = balanced(12_261, 25_000)
    p_value = gates.below_chance_p_value(confusion)
    at, below = (GateOptions(inversion_alpha=alpha) for alpha in (p_value, math.nextafter(p_value, 0)))
    assert gates.gate_not_inverted(evaluation(confusion), at).verdict == "fail"
    assert gates.gate_not_inverted(evaluation(confusion), below).verdict == "pass"


@pytest.mark.parametrize("correct", [12_500, 12_739, 25_000])
def test_an_accuracy_above_chance_is_not_inverted_however_significant(correct: int) -> None:
    assert gates.gate_not_inverted(evaluation(balanced(correct, 25_000)), OPTIONS).verdict == "pass"


def test_guessing_blindly_on_an_unbalanced_test_set_is_not_inverted() -> None:
    # Half of the guesses are positive where a tenth of the rows is: an accuracy of 0.5 is chance here.
    gate = gates.gate_not_inverted(evaluation(ConfusionMatrix(11_250, 11_250, 1250, 1250)), OPTIONS)
    assert gate.verdict == "pass"


def test_a_model_that_always_says_the_rare_class_is_not_inverted_but_weak() -> None:
    confusion = ConfusionMatrix(0, 22_500, 0, 2500)
    assert gates.gate_not_inverted(evaluation(confusion), OPTIONS).verdict == "pass"
    assert gates.gate_above_chance(evaluation(confusion), OPTIONS).verdict == "fail"


def test_turned_answers_on_an_unbalanced_test_set_are_inverted() -> None:
    assert gates.gate_not_inverted(evaluation(ConfusionMatrix(2000, 20_500, 2300, 200)), OPTIONS).verdict == "fail"


@pytest.mark.parametrize(
    ("confusion", "chance"),
    [
        (ConfusionMatrix(25, 25, 25, 25), 0.5),
        (ConfusionMatrix(90, 0, 10, 0), 0.9),
        (ConfusionMatrix(45, 45, 5, 5), 0.5),
        (ConfusionMatrix(20, 5, 10, 15), 0.5),
        (ConfusionMatrix(0, 0, 0, 7), 1.0),
    ],
)
def test_the_accuracy_of_chance_is_cohens_expected_agreement(confusion: ConfusionMatrix, chance: float) -> None:
    assert gates.chance_agreement(confusion) == pytest.approx(chance)


# AUC.


@pytest.mark.parametrize("error", [0.0, 0.002, 0.05])
@pytest.mark.parametrize(("distance", "verdict"), [(1e-9, "pass"), (-1e-9, "fail")])
def test_the_aucs_lower_bound_must_exceed_055(error: float, distance: float, verdict: str) -> None:
    auc = 0.55 + 3.090232306167813 * error + distance
    gate = gates.gate_auc(evaluation(NO_ROWS, auc=auc, auc_standard_error=error), OPTIONS)
    assert gate.verdict == verdict
    assert gate.value == pytest.approx(0.55 + distance, abs=1e-12)
    assert gate.bound == 0.55


def test_the_margin_on_the_auc_is_the_one_of_the_options() -> None:
    weak = evaluation(NO_ROWS, auc=0.6, auc_standard_error=0.01)
    assert gates.gate_auc(weak, GateOptions(auc_margin=0.0)).verdict == "pass"
    assert gates.gate_auc(weak, GateOptions(auc_margin=0.1)).verdict == "fail"


@pytest.mark.parametrize(
    ("auc", "error"), [(math.nan, 0.01), (0.9, math.nan), (math.nan, math.nan), (math.inf, 0.01), (0.9, -math.inf)]
)
def test_an_auc_that_could_not_be_measured_does_not_pass(auc: float, error: float) -> None:
    gate = gates.gate_auc(evaluation(NO_ROWS, auc=auc, auc_standard_error=error), OPTIONS)
    assert (gate.verdict, gate.value) == ("fail", None)
    assert "could not be measured" in gate.words


# Recall.


@pytest.mark.parametrize("label", [0, 1])
def test_the_lower_bound_of_a_recall_must_exceed_one_half(label: int) -> None:
    smallest = next(k for k in range(500, 1000) if lower_bound(k, 1000) > 0.5)
    for correct, verdict in ((smallest, "pass"), (smallest - 1, "fail")):
        ones = {
            0: ConfusionMatrix(correct, 1000 - correct, 0, 1000),
            1: ConfusionMatrix(1000, 0, 1000 - correct, correct),
        }
        gate = gates.gate_recall(evaluation(ones[label]), label, OPTIONS)
        assert gate.verdict == verdict
        assert gate.name == f"recall of class {label}"
        assert gate.value == pytest.approx(lower_bound(correct, 1000), abs=1e-12)
        assert gates.gate_recall(evaluation(ones[label]), 1 - label, OPTIONS).verdict == "pass"


def test_the_floor_of_the_recall_is_the_one_of_the_options() -> None:
    confusion = ConfusionMatrix(700, 300, 300, 700)
    assert gates.gate_recall(evaluation(confusion), 1, GateOptions(recall_floor=0.64)).verdict == "pass"
    assert gates.gate_recall(evaluation(confusion), 1, GateOptions(recall_floor=0.66)).verdict == "fail"


@pytest.mark.parametrize("label", [0, 1])
def test_a_class_without_rows_has_no_recall_and_does_not_pass(label: int) -> None:
    confusion = (ConfusionMatrix(0, 0, 5, 995), ConfusionMatrix(995, 5, 0, 0))[label]
    gate = gates.gate_recall(evaluation(confusion), label, OPTIONS)
    assert (gate.verdict, gate.value) == ("fail", None)


# Validation against test.


def test_the_gap_is_measured_beyond_its_sampling_error() -> None:
    gate = gates.gate_validation_gap(evaluation(balanced(2189, 2500)), evaluation(balanced(12_261, 25_000)), OPTIONS)
    p_v, p_t = 2189 / 2500, 12_261 / 25_000
    error = math.sqrt(p_v * (1 - p_v) / 2500 + p_t * (1 - p_t) / 25_000)
    assert gate.verdict == "fail"
    assert gate.value == pytest.approx(p_v - p_t - 3.090232306167813 * error, abs=1e-12)
    assert (p_v - p_t) / error == pytest.approx(52.6, abs=0.05)
    assert "test disagrees with validation" in gate.words


def test_a_gap_at_its_margin_passes_and_above_it_fails() -> None:
    validation, test = evaluation(balanced(2300, 2500)), evaluation(balanced(20_000, 25_000))
    gap = gates.gate_validation_gap(validation, test, OPTIONS).value
    assert gap is not None
    assert 0.05 < gap < 0.12
    at, below = (GateOptions(validation_gap_margin=margin) for margin in (gap, math.nextafter(gap, 0)))
    assert gates.gate_validation_gap(validation, test, at).verdict == "pass"
    assert gates.gate_validation_gap(validation, test, below).verdict == "fail"


def test_a_validation_accuracy_below_the_tests_passes() -> None:
    gate = gates.gate_validation_gap(evaluation(balanced(1500, 2500)), evaluation(balanced(20_000, 25_000)), OPTIONS)
    assert gate.verdict == "pass"


def test_a_difference_that_a_small_validation_set_explains_passes() -> None:
    small, large = evaluation(balanced(90, 100)), evaluation(balanced(9000, 10_000))
    test = evaluation(balanced(20_500, 25_000))
    assert gates.gate_validation_gap(small, test, OPTIONS).verdict == "pass"
    assert gates.gate_validation_gap(large, test, OPTIONS).verdict == "fail"


# The champion.


@pytest.mark.parametrize(
    ("p_value", "alpha", "verdict"),
    [
        (0.025, 0.025, "pass"),
        (math.nextafter(0.025, 1), 0.025, "fail"),
        (0.0, 0.025, "pass"),
        (1.0, 0.025, "fail"),
        (0.02, 0.05 / 6, "fail"),
        (math.nan, 0.025, "fail"),
        (0.001, math.nan, "fail"),
    ],
)
def test_a_challenger_must_be_better_at_this_comparisons_level(p_value: float, alpha: float, verdict: str) -> None:
    gate = gates.gate_champion(comparison(p_value=p_value, alpha=alpha), OPTIONS)
    assert (gate.name, gate.verdict) == ("better than the champion", verdict)
    assert is_well_formed(gate)


def losing(rows: int) -> Comparison:
    """A challenger that is right on 100 rows less some than the champion alone; never shown to be better."""
    return comparison(only_challenger=100, only_champion=100 + rows, p_value=0.9)


def test_a_challenger_must_not_be_worse_by_the_margin_where_that_is_all_that_is_asked_for() -> None:
    p_values = {rows: non_inferiority_p_value(100, 100 + rows, 25_000, 0.005) for rows in range(126)}
    largest = max(rows for rows, p_value in p_values.items() if p_value <= 0.025)
    assert 0 < largest < 125
    for rows, verdict in ((largest, "pass"), (largest + 1, "fail")):
        gate = gates.gate_champion(losing(rows), NON_INFERIORITY)
        assert (gate.name, gate.verdict, gate.bound) == ("not worse than the champion", verdict, 0.025)
        assert gate.value == p_values[rows]
        assert gates.gate_champion(losing(rows), OPTIONS).verdict == "fail"


def test_the_margin_of_a_loss_is_the_one_of_the_options() -> None:
    lost = losing(100)
    for margin, verdict in ((0.01, "pass"), (0.004, "fail")):
        options = GateOptions(comparison="non-inferiority", accuracy_loss_margin=margin)
        assert gates.gate_champion(lost, options).verdict == verdict


def test_a_margin_of_nothing_asks_for_superiority() -> None:
    options = GateOptions(comparison="non-inferiority", accuracy_loss_margin=0.0)
    assert gates.gate_champion(BETTER, options).verdict == "pass"
    assert gates.gate_champion(losing(0), options).verdict == "fail"


@pytest.mark.parametrize("options", [OPTIONS, NON_INFERIORITY], ids=["superiority", "non-inferiority"])
def test_the_numbers_of_the_comparison_are_said(options: GateOptions) -> None:
    words = gates.gate_champion(replace(BETTER, index=3), options).words
    assert "+0.0120 [+0.0080, +0.0160]" in words
    assert "1,600 rows against 1,300" in words
    assert "comparison 4 on this test set" in words


@pytest.mark.parametrize("error", [0.0, 0.002])
@pytest.mark.parametrize(("distance", "verdict"), [(1e-9, "pass"), (-1e-9, "fail")])
def test_the_lower_bound_of_the_auc_must_not_be_a_margin_below_the_champions(
    error: float, distance: float, verdict: str
) -> None:
    # One-sided, at the level of this comparison: 0.025.
    difference = -0.005 + 1.959963984540054 * error + distance
    compared = comparison(auc_difference=difference, auc_standard_error=error)
    for gate in (gates.gate_champion_auc(compared, OPTIONS), gates.gate_mark_auc(compared, OPTIONS)):
        assert (gate.verdict, gate.bound) == (verdict, -0.005)
        assert gate.value == pytest.approx(-0.005 + distance, abs=1e-12)


def test_the_margin_of_a_loss_in_auc_is_the_one_of_the_options() -> None:
    compared = comparison(auc_difference=-0.004, auc_standard_error=0.001)
    for margin, verdict in ((0.006, "pass"), (0.005, "fail")):
        assert gates.gate_champion_auc(compared, GateOptions(auc_loss_margin=margin)).verdict == verdict


def test_a_later_comparison_asks_for_a_surer_auc() -> None:
    compared = comparison(auc_difference=0.0, auc_standard_error=0.002)
    assert gates.gate_champion_auc(compared, OPTIONS).verdict == "pass"
    assert gates.gate_champion_auc(replace(compared, alpha=0.05 / 132), OPTIONS).verdict == "fail"


@pytest.mark.parametrize("name", ["auc_difference", "auc_standard_error"])
def test_an_auc_that_could_not_be_compared_does_not_pass(name: str) -> None:
    broken = comparison(**{name: math.nan})
    for gate in (gates.gate_champion_auc(broken, OPTIONS), gates.gate_mark_auc(broken, OPTIONS)):
        assert (gate.verdict, gate.value) == ("fail", None)
        assert "could not be measured" in gate.words


# The high-water mark.


@pytest.mark.parametrize("options", [OPTIONS, NON_INFERIORITY], ids=["superiority", "non-inferiority"])
def test_a_challenger_must_not_be_worse_than_the_mark_by_the_margin(options: GateOptions) -> None:
    largest = max(rows for rows in range(126) if non_inferiority_p_value(100, 100 + rows, 25_000, 0.005) <= 0.025)
    passing, failing = (gates.gate_mark(losing(rows), options) for rows in (largest, largest + 1))
    assert (passing.verdict, failing.verdict) == ("pass", "fail")
    assert (passing.name, failing.bound) == ("not below the high-water mark", 0.025)
    assert "run/old" in passing.words
    assert failing.words.startswith("not shown to be as good as the best champion so far")


def test_the_mark_is_compared_at_the_level_of_the_ledger() -> None:
    assert gates.gate_mark(SLIGHTLY_WORSE, OPTIONS).verdict == "pass"
    assert gates.gate_mark(replace(SLIGHTLY_WORSE, alpha=1e-12), OPTIONS).verdict == "fail"
    assert gates.gate_mark(replace(SLIGHTLY_WORSE, alpha=math.nan), OPTIONS).verdict == "fail"


# No champion, or none that can be scored.

AGAINST = [gates.gate_champion, gates.gate_champion_auc, gates.gate_mark, gates.gate_mark_auc]


@pytest.mark.parametrize("judge", AGAINST)
@pytest.mark.parametrize("options", [OPTIONS, NON_INFERIORITY, FORCED], ids=["superior", "not worse", "forced"])
def test_where_there_is_nobody_to_compare_with_the_gate_is_not_applicable(
    judge: Callable[[Comparison | str | None, GateOptions], Gate], options: GateOptions
) -> None:
    gate = judge(None, options)
    assert (gate.verdict, gate.value, gate.bound) == ("not applicable", None, None)


@pytest.mark.parametrize("judge", AGAINST)
@pytest.mark.parametrize(("options", "verdict"), [(OPTIONS, "fail"), (NON_INFERIORITY, "fail"), (FORCED, "waived")])
def test_who_cannot_be_scored_is_not_replaced_unless_the_configuration_says_so(
    judge: Callable[[Comparison | str | None, GateOptions], Gate], options: GateOptions, verdict: str
) -> None:
    gate = judge("its bundle is damaged", options)
    assert (gate.verdict, gate.value, gate.bound) == (verdict, None, None)
    assert "could not be scored: its bundle is damaged" in gate.words
    assert ("lets it be replaced unseen" in gate.words) == (verdict == "waived")


@pytest.mark.parametrize("judge", AGAINST)
def test_a_comparison_that_is_lost_is_not_waived_by_the_configuration(
    judge: Callable[[Comparison | str | None, GateOptions], Gate],
) -> None:
    lost = comparison(only_challenger=1000, only_champion=2000, p_value=1.0, auc_difference=-0.1)
    assert judge(lost, FORCED).verdict == "fail"


# The probe.


@pytest.mark.parametrize(
    ("probe", "asked_for", "otherwise"),
    [(0.8, "fail", "waived"), (math.nextafter(0.8, 0), "pass", "pass"), (math.nan, "fail", "waived")],
)
def test_a_model_must_be_above_the_probe_only_where_that_is_asked_for(
    probe: float, asked_for: str, otherwise: str
) -> None:
    test, checks = evaluation(balanced(20_000, 25_000)), [check("probe", test_accuracy=probe)]
    gate = gates.gate_probe(test, checks, OPTIONS)
    assert (gate.name, gate.verdict) == ("better than the probe", otherwise)
    assert gates.gate_probe(test, checks, GateOptions(beat_probe=True)).verdict == asked_for


@pytest.mark.parametrize(
    "checks",
    [[], [check("split", test_accuracy=0.1)], [check("probe", "off")], [check("probe", test_accuracy="high")]],
    ids=["no check", "another check", "turned off", "no number"],
)
def test_a_probe_that_was_not_measured_is_not_beaten(checks: list[CheckResult]) -> None:
    test = evaluation(balanced(20_000, 25_000))
    assert gates.gate_probe(test, checks, OPTIONS).verdict == "not applicable"
    assert gates.gate_probe(test, checks, GateOptions(beat_probe=True)).verdict == "fail"


# Checks.


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["pass"], "pass"),
        (["pass", "warn", "off"], "pass"),
        (["pass", "fail"], "fail"),
        (["fail", "fail"], "fail"),
        (["pass", "unknown"], "fail"),
        ([], "fail"),
    ],
)
def test_every_check_must_have_passed_and_there_must_be_one(verdicts: list[CheckVerdict], verdict: str) -> None:
    checks = [check(f"number {index}", each, f"evidence {index}") for index, each in enumerate(verdicts)]
    gate = gates.gate_checks(checks)
    assert gate.verdict == verdict
    assert is_well_formed(gate)
    for one in checks:
        assert (f"{one.name}: {one.evidence}" in gate.words) == (one.verdict in ("fail", "unknown"))


def test_warnings_and_what_was_turned_off_are_counted() -> None:
    checks = [check("a"), check("b", "warn"), check("c", "off"), check("d", "off")]
    assert gates.gate_checks(checks).words == "1 of 4 checks passed, 1 warn, 2 off"


# Reload.


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (RELOADED, "pass"),
        (replace(RELOADED, verdict="warn", action="warn", measured={"rows_changed": 3}), "waived"),
        (replace(RELOADED, verdict="warn", measured={}), "fail"),
        (replace(RELOADED, verdict="fail"), "fail"),
        (replace(RELOADED, verdict="off", measured={}), "not applicable"),
        (replace(RELOADED, measured={}), "fail"),
        (replace(RELOADED, measured={"rows": 0}), "fail"),
        (replace(RELOADED, measured={"rows_changed": 1}, verdict="unknown"), "fail"),  # type: ignore[arg-type]
        (replace(RELOADED, measured={"rows_changed": math.nan}), "fail"),
    ],
    ids=["same", "let pass", "warned", "changed", "turned off", "not measured", "no rows", "unknown", "not a number"],
)
def test_the_bundle_must_have_given_the_same_in_a_fresh_process(result: CheckResult, verdict: str) -> None:
    gate = gates.gate_reload([check("split"), result])
    assert gate.verdict == verdict
    assert result.evidence in gate.words
    assert is_well_formed(gate)


def test_a_bundle_that_was_not_loaded_back_does_not_pass() -> None:
    gate = gates.gate_reload([check("split")])
    assert (gate.verdict, gate.words) == ("fail", "the bundle was not loaded back")


# Informedness.


def test_both_rates_together_must_exceed_one_by_twice_the_margin() -> None:
    def bound(correct: int) -> float:
        return 2 * float(stats.beta.ppf(0.0005, correct, 1000 - correct + 1)) - 1

    smallest = next(correct for correct in range(500, 1000) if bound(correct) > 0.1)
    for correct, verdict in ((smallest, "pass"), (smallest - 1, "fail")):
        gate = gates.gate_informedness(evaluation(balanced(2 * correct, 2000)), OPTIONS)
        assert gate.verdict == verdict
        assert gate.value == pytest.approx(bound(correct), abs=1e-12)
        assert gate.bound == pytest.approx(0.1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_guessing_with_any_share_of_positives_is_not_informed(share: float) -> None:
    said = round(10_000 * share)
    guessing = ConfusionMatrix(10_000 - said, said, 10_000 - said, said)
    gate = gates.gate_informedness(evaluation(guessing), OPTIONS)
    assert gate.verdict == "fail"
    assert "no better than by guessing" in gate.words


def test_the_margin_on_both_rates_is_twice_the_one_of_the_options() -> None:
    weak = evaluation(balanced(12_000, 20_000))
    assert gates.gate_informedness(weak, GateOptions(accuracy_margin=0.07)).verdict == "pass"
    assert gates.gate_informedness(weak, GateOptions(accuracy_margin=0.1)).verdict == "fail"


# The best of its run.


@pytest.mark.parametrize(("is_best", "verdict"), [(True, "pass"), (False, "fail")])
def test_only_the_best_of_a_run_passes(is_best: bool, verdict: str) -> None:
    gate = gates.gate_best_of_run(is_best, 0.85, 0.86, "run/advanced")
    assert gate.verdict == verdict
    assert "run/advanced" in gate.words


# Nothing measured, nothing passed.


@pytest.mark.parametrize(
    "judge",
    [
        lambda empty: gates.gate_above_chance(empty, OPTIONS),
        lambda empty: gates.gate_informedness(empty, OPTIONS),
        lambda empty: gates.gate_not_inverted(empty, OPTIONS),
        lambda empty: gates.gate_auc(replace(empty, auc=math.nan), OPTIONS),
        lambda empty: gates.gate_recall(empty, 0, OPTIONS),
        lambda empty: gates.gate_recall(empty, 1, OPTIONS),
        lambda empty: gates.gate_validation_gap(evaluation(balanced(90, 100)), empty, OPTIONS),
        lambda empty: gates.gate_validation_gap(empty, evaluation(balanced(90, 100)), OPTIONS),
        lambda empty: gates.gate_validation_gap(empty, empty, OPTIONS),
    ],
    ids=[
        "accuracy",
        "informedness",
        "inversion",
        "AUC",
        "recall 0",
        "recall 1",
        "gap without test",
        "without validation",
        "neither",
    ],
)
def test_an_empty_confusion_matrix_passes_no_gate(judge: Callable[[Evaluation], Gate]) -> None:
    gate = judge(evaluation(NO_ROWS))
    assert gate.verdict == "fail"
    assert is_well_formed(gate)


def test_every_gate_says_what_it_measured_in_one_line() -> None:
    good = evaluation(balanced(20_000, 25_000))
    every = [
        gates.gate_checks([RELOADED]),
        gates.gate_reload([RELOADED]),
        gates.gate_above_chance(good, OPTIONS),
        gates.gate_informedness(good, OPTIONS),
        gates.gate_not_inverted(good, OPTIONS),
        gates.gate_auc(good, OPTIONS),
        gates.gate_recall(good, 0, OPTIONS),
        gates.gate_recall(good, 1, OPTIONS),
        gates.gate_validation_gap(good, good, OPTIONS),
        gates.gate_probe(good, [check("probe", test_accuracy=0.7)], OPTIONS),
        gates.gate_champion(BETTER, OPTIONS),
        gates.gate_champion(BETTER, NON_INFERIORITY),
        gates.gate_champion_auc(BETTER, OPTIONS),
        gates.gate_mark(BETTER, OPTIONS),
        gates.gate_mark_auc(BETTER, OPTIONS),
        gates.gate_best_of_run(True, 0.85, 0.85, "run/advanced"),
    ]
    assert {gate.verdict for gate in every} == {"pass"}
    assert len({gate.name for gate in every}) == len(every)
    for gate in every:
        assert is_well_formed(gate)
        assert "\n" not in gate.words
