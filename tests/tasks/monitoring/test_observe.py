from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats

from storage.bundles import Predictions
from storage.options import CheckOptions, MonitorOptions
from storage.records import Champion, CheckResult, ConfusionMatrix, Contents
from storage.sequences import Sequences
from storage.snapshots import Rows
from tasks.monitoring.new_rows import NewRows
from tasks.monitoring.observe import (
    as_kept,
    check_accuracy,
    check_predictions,
    is_alarming,
    num_correct,
    observation,
    verdict_of,
)

CHAMPION = Champion("shop", 2, "r1/m", "m", "b", "s", "promotion", 1, "better", datetime(2026, 11, 1, tzinfo=UTC))
BOUNDS = MonitorOptions()


def matrix(correct: int, total: int) -> ConfusionMatrix:
    return ConfusionMatrix(correct, total - correct, 0, 0)


def rows(correct: int, total: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Labels by turns, and probabilities that are right so often."""
    labels = np.arange(total, dtype=np.uint8) % 2
    right = np.arange(total) < correct
    return labels, np.where(right == (labels == 1), 0.9, 0.1).astype(np.float32)


# The accuracy.


@pytest.mark.parametrize(
    ("promoted", "total", "correct"),
    [((22_250, 25_000), 1_000, 835), ((900, 1_000), 100, 75), ((9_000, 10_000), 10_000, 8_633)],
)
def test_a_loss_is_a_degradation_from_where_the_exact_bounds_show_it(
    promoted: tuple[int, int], total: int, correct: int
) -> None:
    then = matrix(*promoted)
    assert check_accuracy(then, *rows(correct, total), BOUNDS).verdict == "fail"
    # One row more, and it is not sure any longer, though the loss itself is beyond the bound.
    unsure = check_accuracy(then, *rows(correct + 1, total), BOUNDS)
    assert unsure.verdict == "warn"
    assert "too few rows to be sure of it" in unsure.evidence


def test_the_least_loss_is_the_difference_of_two_clopper_pearson_bounds() -> None:
    result = check_accuracy(matrix(900, 1_000), *rows(700, 1_000), MonitorOptions(alpha=0.02))
    lower = stats.binomtest(900, 1_000).proportion_ci(0.98, method="exact").low
    upper = stats.binomtest(700, 1_000).proportion_ci(0.98, method="exact").high
    assert result.measured["least_loss"] == pytest.approx(lower - upper)
    assert result.measured["loss"] == pytest.approx(0.2)


def test_a_sound_champion_is_rarely_called_degraded() -> None:
    rng = np.random.default_rng(7)
    bounds = MonitorOptions(max_accuracy_loss=0.0, alpha=0.05)
    then, now = rng.binomial(2_000, 0.88, 400), rng.binomial(300, 0.88, 400)
    alarms = [
        check_accuracy(matrix(int(a), 2_000), *rows(int(b), 300), bounds).verdict == "fail"
        for a, b in zip(then, now, strict=True)
    ]
    assert sum(alarms) / 400 <= 0.05


@pytest.mark.parametrize(("correct", "verdict"), [(881, "pass"), (879, "warn"), (1_000, "pass")])
def test_up_to_the_bound_a_loss_is_none(correct: int, verdict: str) -> None:
    assert check_accuracy(matrix(900, 1_000), *rows(correct, 1_000), BOUNDS).verdict == verdict


@pytest.mark.parametrize(("total", "verdict"), [(99, "warn"), (100, "fail"), (1, "warn"), (0, "warn")])
def test_below_the_least_number_of_rows_nothing_is_said(total: int, verdict: str) -> None:
    result = check_accuracy(matrix(900, 1_000), *rows(0, total), BOUNDS)
    assert result.verdict == verdict
    assert ("no labelled row" if not total else "too few new rows" if total < 100 else "are lost") in result.evidence


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 1.1])
@pytest.mark.parametrize("total", [1, 1_000])
def test_what_is_no_probability_never_passes(wrong: float, total: int) -> None:
    labels, probabilities = rows(total, total)
    probabilities[0] = wrong
    result = check_accuracy(matrix(900, 1_000), labels, probabilities, BOUNDS)
    assert result.verdict == "fail"
    assert result.measured["no_probability"] == 1
    assert num_correct(labels, probabilities) == total - 1


def test_without_an_evaluation_at_promotion_nothing_passes() -> None:
    assert check_accuracy(matrix(0, 0), *rows(1_000, 1_000), BOUNDS).verdict == "fail"


def test_only_finite_numbers_are_kept() -> None:
    result = check_accuracy(matrix(0, 0), *rows(1_000, 1_000), BOUNDS)
    assert all(math.isfinite(value) for value in result.measured.values() if not isinstance(value, str))


# The predictions.


def predictions(probabilities: npt.NDArray[np.floating]) -> Predictions:
    ids = pa.array([str(number) for number in range(len(probabilities))], pa.string())
    return Predictions(ids, np.zeros(len(probabilities), np.uint8), probabilities.astype(np.float32))


EVEN = np.linspace(0.0, 1.0, 2_000, dtype=np.float32)


@pytest.mark.parametrize(
    ("today", "before", "verdict"),
    [
        (EVEN, EVEN, "pass"),
        (EVEN[1_000:], EVEN, "fail"),
        (EVEN[:1_000], EVEN, "fail"),
        (EVEN[1_998:], EVEN, "warn"),
        (EVEN, EVEN[:0], "warn"),
        (EVEN[:0], EVEN, "warn"),
        (np.array([0.5, math.nan]), EVEN, "fail"),
        (EVEN, np.array([math.inf]), "fail"),
    ],
    ids=["the same", "higher", "lower", "higher, but few", "none before", "none today", "nan today", "inf before"],
)
def test_predictions_drift_by_an_effect_size_that_is_sure(
    today: npt.NDArray[np.floating], before: npt.NDArray[np.floating], verdict: str
) -> None:
    result = check_predictions(predictions(before), today.astype(np.float32), CheckOptions())
    assert result.verdict == verdict


def test_the_shares_of_positive_predictions_are_told() -> None:
    result = check_predictions(predictions(EVEN), EVEN[1_500:], CheckOptions())
    assert result.measured["predicted_positive"] == 1.0
    assert result.measured["promoted_predicted_positive"] == 0.5
    assert result.measured["effect"] == pytest.approx(0.75, abs=0.01)


# The verdict.


def result(verdict: str, name: str = "drift") -> CheckResult:
    return CheckResult(name, verdict, {}, "", f"{name} {verdict}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accuracy", "drift", "num_new", "verdict"),
    [
        ("pass", "pass", 100, "healthy"),
        ("warn", "warn", 100, "healthy"),
        ("pass", "fail", 100, "drifted"),
        ("warn", "fail", 100, "drifted"),
        ("fail", "pass", 100, "degraded"),
        ("fail", "fail", 100, "degraded"),
        ("warn", "fail", 99, "too few rows"),
        ("fail", "pass", 99, "degraded"),
    ],
)
def test_the_accuracy_decides_then_the_number_of_rows_then_drift(
    accuracy: str, drift: str, num_new: int, verdict: str
) -> None:
    assert verdict_of([result(accuracy, "accuracy"), result("pass"), result(drift)], num_new, BOUNDS)[0] == verdict


def test_the_reason_of_drift_names_what_drifted() -> None:
    results = [result("pass", "accuracy"), result("fail"), result("fail", "prediction drift")]
    assert verdict_of(results, 100, BOUNDS)[1] == (
        "drift: drift fail; prediction drift: prediction drift fail; accuracy pass"
    )


@pytest.mark.parametrize(
    ("verdict", "silent", "asked"),
    [("healthy", False, False), ("too few rows", False, False), ("drifted", False, True), ("degraded", True, True)],
)
def test_drift_is_an_alarm_where_that_is_asked_for(verdict: str, silent: bool, asked: bool) -> None:
    assert is_alarming(verdict, BOUNDS) == silent  # type: ignore[arg-type]
    assert is_alarming(verdict, MonitorOptions(alarm_on_drift=True)) == asked  # type: ignore[arg-type]


def test_drift_is_kept_as_a_warning_unless_it_is_an_alarm() -> None:
    drifts = [result("fail"), result("pass", "prediction drift")]
    assert [(kept.verdict, kept.action) for kept in as_kept(drifts, BOUNDS)] == [("warn", "warn"), ("pass", "warn")]
    assert as_kept(drifts, MonitorOptions(alarm_on_drift=True)) == drifts
    assert [(kept.name, kept.verdict) for kept in as_kept([], BOUNDS)] == [
        ("drift", "off"),
        ("prediction drift", "off"),
    ]


# The observation.


def new_rows(labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> NewRows:
    total = len(labels)
    tokens = Sequences.from_lists([[1]] * total)
    ids = pa.array([str(number) for number in range(total)], pa.string())
    contents = Contents(num_rows=total + 50, num_refused=3, num_neutral=7, num_new=total)
    return NewRows(Rows(ids, labels, tokens), probabilities, contents)


def observed(labels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> dict[str, object]:
    results = [check_accuracy(matrix(900, 1_000), labels, probabilities, BOUNDS)]
    seen = observation(CHAMPION, matrix(900, 1_000), new_rows(labels, probabilities), results, BOUNDS)
    return dataclasses.asdict(seen)


def test_an_observation_has_the_numbers_of_the_new_rows() -> None:
    seen = observed(*rows(180, 200))
    assert (seen["line"], seen["position"], seen["candidate_id"]) == ("shop", 2, "r1/m")
    assert (seen["num_rows"], seen["num_new"]) == (240, 200)
    interval = stats.binomtest(180, 200).proportion_ci(0.95, method="exact")
    assert (seen["accuracy"], seen["lower"], seen["upper"]) == pytest.approx((0.9, interval.low, interval.high))
    assert (seen["promoted_accuracy"], seen["positive"], seen["predicted_positive"]) == (0.9, 0.5, 0.5)
    assert seen["auc"] == pytest.approx(0.9)
    assert seen["verdict"] == "healthy"


def test_of_one_class_there_is_no_auc() -> None:
    seen = observed(np.ones(200, np.uint8), np.full(200, 0.9, np.float32))
    assert (seen["accuracy"], seen["auc"], seen["positive"], seen["verdict"]) == (1.0, None, 1.0, "healthy")


def test_without_rows_nothing_is_claimed() -> None:
    seen = observed(np.empty(0, np.uint8), np.empty(0, np.float32))
    measured = ("accuracy", "lower", "upper", "auc", "predicted_positive", "positive")
    assert [seen[name] for name in measured] == [None] * 6
    assert seen["verdict"] == "too few rows"


def test_a_nan_is_no_auc_and_no_right_answer() -> None:
    seen = observed(np.zeros(200, np.uint8), np.full(200, math.nan, np.float32))
    assert (seen["accuracy"], seen["auc"], seen["verdict"]) == (0.0, None, "degraded")
