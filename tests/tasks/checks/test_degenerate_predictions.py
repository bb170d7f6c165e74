from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from storage.bundles import Predictions
from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.base import CheckedModel
from tasks.checks.degenerate_predictions import check_degenerate_predictions

Floats = npt.NDArray[np.floating]
ROWS = 4000
LABELS = (np.arange(ROWS) % 2).astype(np.uint8)


def sigmoid(logits: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-logits))
    return result


def scores(separation: float, labels: npt.NDArray[np.uint8] = LABELS, seed: int = 3) -> Floats:
    """Logits of a model that is calibrated and separates the classes by so many standard deviations."""
    noise = np.random.default_rng(seed).normal(size=len(labels))
    result: Floats = separation * (separation * (labels - 0.5) + noise)
    return result


def check(model: CheckedModel, probabilities: Floats, labels: npt.NDArray[np.uint8] = LABELS) -> CheckResult:
    ids = pa.array([f"row {number}" for number in range(len(labels))], pa.string())
    predictions = Predictions(ids, labels, np.asarray(probabilities, dtype=np.float32))
    result = check_degenerate_predictions(replace(model, predictions=predictions), CheckOptions())
    assert result.name == "degenerate predictions"
    assert all(np.isfinite(value) for value in result.measured.values() if not isinstance(value, str))
    return result


@pytest.mark.parametrize("separation", [0.2, 0.5, 1.0, 2.0, 4.0, 8.0])
def test_good_and_weak_models_pass(checked_model: CheckedModel, separation: float) -> None:
    result = check(checked_model, sigmoid(scores(separation)))
    assert (result.verdict, result.rows) == ("pass", ())
    assert result.measured["rows"] == ROWS


@pytest.mark.parametrize("seed", range(20))
def test_a_model_at_chance_is_the_gates_business(checked_model: CheckedModel, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=ROWS)
    assert check(checked_model, sigmoid(noise)).verdict == "pass"


def test_a_model_that_is_always_right_passes(checked_model: CheckedModel) -> None:
    spread = np.random.default_rng(1).uniform(0, 0.4, ROWS)
    result = check(checked_model, np.where(LABELS == 1, 1 - spread, spread))
    assert (result.verdict, result.measured["accuracy"], result.measured["auc"]) == ("pass", 1.0, 1.0)


# Not finite.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.001, -0.001])
def test_one_number_that_is_no_probability_fails_with_its_row(checked_model: CheckedModel, value: float) -> None:
    probabilities = sigmoid(scores(2.0))
    probabilities[7] = value
    result = check(checked_model, probabilities)
    assert (result.verdict, result.rows) == ("fail", ("row 7",))
    assert "1 of 4,000 predictions are no probabilities" in result.evidence


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_zero_and_one_are_probabilities(checked_model: CheckedModel, value: float) -> None:
    probabilities = sigmoid(scores(2.0))
    probabilities[7] = value
    assert check(checked_model, probabilities).verdict == "pass"


def test_a_model_that_says_nothing_but_nan_lists_20_rows(checked_model: CheckedModel) -> None:
    assert len(check(checked_model, np.full(ROWS, np.nan)).rows) == 20


# No spread.


@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 0.51, 1.0])
def test_a_constant_model_fails(checked_model: CheckedModel, value: float) -> None:
    result = check(checked_model, np.full(ROWS, value))
    assert result.verdict == "fail"
    assert result.evidence.startswith("constant: all 4,000 probabilities lie from")


@pytest.mark.parametrize(("extent", "verdict"), [(0.9e-3, "fail"), (1.1e-3, "pass")])
def test_the_range_has_its_bound(checked_model: CheckedModel, extent: float, verdict: str) -> None:
    ranks = scores(1.0).argsort().argsort() / (ROWS - 1)
    assert check(checked_model, 0.5 + extent * (ranks - 0.5)).verdict == verdict


@pytest.mark.parametrize(("width", "verdict"), [(0.8e-4, "fail"), (1.2e-4, "pass")])
def test_the_standard_deviation_has_its_bound_though_one_row_stands_out(
    checked_model: CheckedModel, width: float, verdict: str
) -> None:
    noise = np.random.default_rng(2).normal(size=ROWS)
    probabilities = 0.5 + width * noise
    probabilities[0] = 0.502
    assert check(checked_model, probabilities).verdict == verdict


@pytest.mark.parametrize(("distinct", "verdict"), [(2, "fail"), (9, "fail"), (10, "pass")])
def test_a_handful_of_distinct_probabilities_fails(checked_model: CheckedModel, distinct: int, verdict: str) -> None:
    steps = np.round(sigmoid(scores(1.0)) * (distinct - 1)) / (distinct - 1)
    result = check(checked_model, steps)
    assert (result.verdict, result.measured["distinct_values"]) == (verdict, distinct)


# One class only.


@pytest.mark.parametrize("label", [0, 1])
def test_a_model_that_calls_every_row_by_one_class_fails(checked_model: CheckedModel, label: int) -> None:
    noise = np.random.default_rng(5).uniform(0.02, 0.4, ROWS)
    result = check(checked_model, 1 - noise if label else noise)
    assert result.verdict == "fail"
    assert result.evidence.startswith(f"all 4,000 test rows are called class {label}")


@pytest.mark.parametrize("label", [0, 1])
def test_one_row_of_the_other_class_is_enough(checked_model: CheckedModel, label: int) -> None:
    noise = np.random.default_rng(5).uniform(0.02, 0.4, ROWS)
    probabilities = 1 - noise if label else noise
    probabilities[3] = 1 - probabilities[3]
    assert check(checked_model, probabilities).verdict == "pass"


# The threshold.


@pytest.mark.parametrize("shift", [-8.0, -4.0, -2.0, 2.0, 4.0, 8.0])
def test_a_well_ranked_model_that_is_cut_at_the_wrong_place_is_named(checked_model: CheckedModel, shift: float) -> None:
    result = check(checked_model, sigmoid(scores(2.0) + shift))
    assert result.verdict == "fail"
    assert result.evidence.startswith("threshold: test AUC 0.9")
    assert float(result.measured["best_threshold"]) == pytest.approx(sigmoid(np.array([shift]))[0], abs=0.1)


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.2, 0.5])
def test_a_threshold_that_costs_little_passes(checked_model: CheckedModel, shift: float) -> None:
    assert check(checked_model, sigmoid(scores(2.0) + shift)).verdict == "pass"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("separation", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("is_balanced", [False, True])
def test_a_lopsided_test_set_alone_is_no_threshold_fault(
    checked_model: CheckedModel, is_balanced: bool, separation: float, seed: int
) -> None:
    # The most accurate threshold calls nearly every row positive; a model that does not is not cut wrongly.
    labels = (np.random.default_rng(seed).random(ROWS) < 0.8).astype(np.uint8)
    prior = 0.0 if is_balanced else np.log(4)
    assert "threshold" not in check(checked_model, sigmoid(scores(separation, labels, seed) + prior), labels).evidence


def test_a_lopsided_test_set_does_not_hide_a_threshold_fault(checked_model: CheckedModel) -> None:
    labels = (np.random.default_rng(1).random(ROWS) < 0.8).astype(np.uint8)
    assert check(checked_model, sigmoid(scores(2.0, labels) - 4), labels).evidence.startswith("threshold")


def test_in_a_small_test_set_a_gain_by_chance_is_no_fault(checked_model: CheckedModel) -> None:
    for seed in range(200):
        result = check(checked_model, sigmoid(scores(1.0, LABELS[:60], seed)), LABELS[:60])
        assert "threshold" not in result.evidence


# Inversion.


@pytest.mark.parametrize("separation", [0.5, 1.0, 4.0])
def test_a_model_that_ranks_upside_down_is_named(checked_model: CheckedModel, separation: float) -> None:
    result = check(checked_model, sigmoid(-scores(separation)))
    assert result.verdict == "fail"
    assert result.evidence.startswith("inverted: test AUC 0.")


def test_the_notebooks_auc_is_an_inversion_at_its_size_and_not_on_a_few_rows(checked_model: CheckedModel) -> None:
    labels = (np.arange(25_000) % 2).astype(np.uint8)
    noise = np.random.default_rng(1).normal(size=25_000)
    probabilities = sigmoid(noise - 0.0656 * labels)  # AUC Φ(-0.0656 / √2) = 0.4815
    result = check(checked_model, probabilities, labels)
    assert result.measured["auc"] == pytest.approx(0.4815, abs=0.004)
    assert result.evidence.startswith("inverted")
    assert check(checked_model, probabilities[:1000], labels[:1000]).verdict == "pass"


@pytest.mark.parametrize("rows", [20, 60])
def test_a_small_test_set_that_is_wholly_upside_down_is_inverted(checked_model: CheckedModel, rows: int) -> None:
    spread = np.random.default_rng(1).uniform(0.01, 0.4, rows)
    result = check(checked_model, np.where(LABELS[:rows] == 1, spread, 1 - spread), LABELS[:rows])
    assert result.evidence.startswith("inverted")


def test_two_rows_of_a_class_are_too_few_to_call_it_inverted(checked_model: CheckedModel) -> None:
    # DeLong's error of an AUC of 0 is 0, however few the rows are.
    labels = np.array([1, 1] + [0] * 22, dtype=np.uint8)
    probabilities = np.linspace(0.05, 0.95, 24)
    result = check(checked_model, probabilities, labels)
    assert result.measured["auc"] == 0.0
    assert "inverted" not in result.evidence


# What says nothing.


@pytest.mark.parametrize("rows", [0, 1, 2, 19])
def test_a_handful_of_rows_warns(checked_model: CheckedModel, rows: int) -> None:
    assert check(checked_model, np.full(rows, 0.5), LABELS[:rows]).verdict == "warn"


def test_20_rows_are_judged(checked_model: CheckedModel) -> None:
    assert check(checked_model, np.full(20, 0.5), LABELS[:20]).verdict == "fail"


@pytest.mark.parametrize("label", [0, 1])
def test_a_test_set_of_one_class_warns(checked_model: CheckedModel, label: int) -> None:
    labels = np.full(ROWS, label, dtype=np.uint8)
    assert check(checked_model, sigmoid(scores(1.0)), labels).verdict == "warn"
    assert check(checked_model, np.full(ROWS, 0.7), labels).verdict == "fail"


@pytest.mark.parametrize("label", [0, 1])
def test_a_class_of_one_row_is_no_error(checked_model: CheckedModel, label: int) -> None:
    labels = np.full(ROWS, label, dtype=np.uint8)
    labels[17] = 1 - label
    assert check(checked_model, sigmoid(scores(1.0)), labels).verdict in ("pass", "warn")
