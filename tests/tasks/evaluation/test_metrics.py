from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as sk

from storage.records import ConfusionMatrix, Evaluation, Metric
from tasks.evaluation.bounds import auc_standard_error, exact_interval, placements
from tasks.evaluation.metrics import evaluate, predicted_labels

Floats = npt.NDArray[np.floating]

RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.random(500) < 0.4).astype(np.uint8)
PROBABILITIES = (1 / (1 + np.exp(-RANDOM.normal(1.2 * LABELS - 0.6, 1)))).astype(np.float32)
PREDICTED = (PROBABILITIES > 0.5).astype(np.uint8)


def metric(evaluation: Evaluation, name: str, scope: str = "overall") -> Metric:
    found = [metric for metric in evaluation.metrics if (metric.name, metric.scope) == (name, scope)]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate("test", LABELS, PROBABILITIES)


def test_every_number_is_there_once(evaluation: Evaluation) -> None:
    names = sorted((metric.name, metric.scope) for metric in evaluation.metrics)
    classes = [(name, f"class {label}") for name in ("precision", "recall", "f1", "support") for label in (0, 1)]
    assert names == sorted([(name, "overall") for name in ("accuracy", "auc", "log_loss", "brier")] + classes)
    assert evaluation.split == "test"


def test_the_overall_numbers_are_those_of_scikit_learn(evaluation: Evaluation) -> None:
    wide = PROBABILITIES.astype(np.float64)
    expected = {
        "accuracy": sk.accuracy_score(LABELS, PREDICTED),
        "auc": sk.roc_auc_score(LABELS, PROBABILITIES),
        "log_loss": sk.log_loss(LABELS, wide),
        "brier": sk.brier_score_loss(LABELS, wide),
    }
    assert {name: metric(evaluation, name).value for name in expected} == pytest.approx(expected, abs=1e-12)
    assert evaluation.auc == metric(evaluation, "auc").value


@pytest.mark.parametrize("label", [0, 1])
def test_the_numbers_of_a_class_are_those_of_scikit_learn(evaluation: Evaluation, label: int) -> None:
    precision, recall, f1, support = sk.precision_recall_fscore_support(LABELS, PREDICTED, labels=[label])
    expected = {"precision": precision[0], "recall": recall[0], "f1": f1[0], "support": support[0]}
    found = {name: metric(evaluation, name, f"class {label}").value for name in expected}
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_confusion_matrix_is_turned_the_right_way() -> None:
    labels = np.array([0] * 10 + [1] * 5)
    probabilities = np.array([0.1] * 7 + [0.9] * 3 + [0.2] * 1 + [0.8] * 4)
    confusion = evaluate("test", labels, probabilities).confusion
    assert confusion == ConfusionMatrix(true_negatives=7, false_positives=3, false_negatives=1, true_positives=4)
    assert (confusion.num_negative, confusion.num_positive, confusion.num_correct) == (10, 5, 11)
    assert confusion.accuracy == 11 / 15


def test_shares_have_exact_intervals_at_95_percent(evaluation: Evaluation) -> None:
    tn, fp, fn, tp = sk.confusion_matrix(LABELS, PREDICTED).ravel().tolist()
    counts = {
        ("accuracy", "overall"): (tn + tp, 500),
        ("precision", "class 0"): (tn, tn + fn),
        ("precision", "class 1"): (tp, tp + fp),
        ("recall", "class 0"): (tn, tn + fp),
        ("recall", "class 1"): (tp, tp + fn),
    }
    for (name, scope), (successes, trials) in counts.items():
        found = metric(evaluation, name, scope)
        assert (found.lower, found.upper) == exact_interval(successes, trials, 0.95)
        assert found.confidence == 0.95
        assert found.lower is not None
        assert found.upper is not None
        assert found.lower < found.value < found.upper


def test_the_auc_has_delongs_interval_at_95_percent(evaluation: Evaluation) -> None:
    error = auc_standard_error(placements(LABELS, PROBABILITIES))
    found = metric(evaluation, "auc")
    assert evaluation.auc_standard_error == error
    assert (found.lower, found.upper) == pytest.approx((found.value - 1.959964 * error, found.value + 1.959964 * error))
    assert found.confidence == 0.95


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_what_has_no_interval_says_so(evaluation: Evaluation, name: str) -> None:
    found = metric(evaluation, name)
    assert (found.lower, found.upper, found.confidence) == (None, None, None)


def test_the_interval_of_the_auc_does_not_leave_0_and_1() -> None:
    labels = np.array([0] * 6 + [1] * 6)
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.6, 0.8, 0.85, 0.9, 0.95, 0.99])
    assert metric(evaluate("test", labels, scores), "auc").upper == 1.0
    assert metric(evaluate("test", labels, 1 - scores), "auc").lower == 0.0


@pytest.mark.parametrize(
    ("probability", "label"), [(0.5, 0), (math.nextafter(0.5, 1), 1), (0.0, 0), (1.0, 1), (math.nan, 0)]
)
def test_a_review_is_called_positive_above_one_half(probability: float, label: int) -> None:
    assert predicted_labels(np.array([probability])).tolist() == [label]


def test_the_log_loss_of_a_sure_float32_is_taken_in_double_precision() -> None:
    sure = np.array([np.nextafter(np.float32(1), np.float32(0))] * 2, dtype=np.float32)
    found = metric(evaluate("test", np.array([0, 1]), sure), "log_loss").value
    assert found == pytest.approx(-math.log(2**-24) / 2, rel=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, 1.7, -0.2])
def test_one_number_that_is_no_probability_leaves_no_probability_metric(broken: float) -> None:
    probabilities = PROBABILITIES.copy()
    probabilities[3] = broken
    found = evaluate("test", LABELS, probabilities)
    assert math.isnan(metric(found, "log_loss").value)
    assert math.isnan(metric(found, "brier").value)
    assert math.isnan(found.auc) == math.isnan(broken)
    assert found.confusion.num_rows == 500


def test_a_model_that_says_nothing_but_nan_has_no_auc_and_no_error() -> None:
    found = evaluate("test", LABELS, np.full(500, np.nan))
    assert math.isnan(found.auc)
    assert math.isnan(found.auc_standard_error)
    assert metric(found, "auc").lower is None
    assert found.confusion.true_positives == 0


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_an_accuracy_and_no_auc(label: int) -> None:
    labels = np.full(4, label)
    found = evaluate("test", labels, np.array([0.1, 0.2, 0.7, 0.8]))
    assert found.confusion.accuracy == 0.5
    assert math.isnan(found.auc)
    assert math.isnan(metric(found, "recall", f"class {1 - label}").value)
    assert metric(found, "recall", f"class {1 - label}").lower is None
    assert metric(found, "recall", f"class {label}").value == 0.5
    assert metric(found, "support", f"class {1 - label}").value == 0


def test_a_class_that_is_never_called_has_no_precision() -> None:
    found = evaluate("test", np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert math.isnan(metric(found, "precision", "class 1").value)
    assert metric(found, "recall", "class 1").value == 0
    assert metric(found, "f1", "class 1").value == 0
    assert found.auc == 0.75


def test_a_perfect_model_has_an_accuracy_and_an_auc_of_1() -> None:
    found = evaluate("test", np.array([0, 1, 0, 1]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert (found.confusion.accuracy, found.auc, found.auc_standard_error) == (1.0, 1.0, 0.0)
    assert metric(found, "log_loss").value == pytest.approx(0, abs=1e-12)
