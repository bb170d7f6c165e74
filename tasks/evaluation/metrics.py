"""All numbers of one model on one split. scikit-learn computes them; the intervals come from `bounds`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from storage.records import ConfusionMatrix, Evaluation, Metric, Scope, Split
from tasks.evaluation.bounds import (
    Labels,
    auc_standard_error,
    exact_interval,
    normal_quantile,
    placements,
)

THRESHOLD = 0.5
CONFIDENCE = 0.95
_CLASSES: tuple[tuple[int, Scope], ...] = ((0, "class 0"), (1, "class 1"))


def predicted_labels(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Label 1 above a probability of one half; a NaN is no prediction for 1."""
    return (probabilities > THRESHOLD).astype(np.uint8)


def evaluate(split: Split, labels: Labels, probabilities: npt.NDArray[np.floating]) -> Evaluation:
    """Measure a model's probabilities against the labels of the same rows.

    Accuracy, precision and recall have exact intervals, the AUC DeLong's, all two-sided at 95 %.

    Args:
        split: Which rows these are.
        labels: 0 or 1, `(rows,)`.
        probabilities: Of label 1, `(rows,)`. If any is no number from 0 to 1, log loss and Brier score are NaN; if any
            is NaN, the AUC too.

    Returns:
        Every number; NaN where one is undefined, such as the AUC of a single class.
    """
    from sklearn import metrics as sk

    predicted = predicted_labels(probabilities)
    tn, fp, fn, tp = (int(count) for count in sk.confusion_matrix(labels, predicted, labels=[0, 1]).ravel())
    confusion = ConfusionMatrix(tn, fp, fn, tp)
    of = placements(labels, probabilities)
    error = auc_standard_error(of)
    overall = [
        _share("accuracy", "overall", confusion.num_correct, confusion.num_rows),
        _auc_metric(of.auc, error),
        *_probability_metrics(labels, probabilities),
    ]
    return Evaluation(split, confusion, of.auc, error, (*overall, *_class_metrics(labels, predicted, confusion)))


def _share(name: str, scope: Scope, successes: int, trials: int) -> Metric:
    if trials == 0:
        return Metric(name, scope, math.nan)
    return Metric(name, scope, successes / trials, *exact_interval(successes, trials, CONFIDENCE), CONFIDENCE)


def _auc_metric(auc: float, error: float) -> Metric:
    if not math.isfinite(error):
        return Metric("auc", "overall", auc)
    half = normal_quantile((1 + CONFIDENCE) / 2) * error
    return Metric("auc", "overall", auc, max(0.0, auc - half), min(1.0, auc + half), CONFIDENCE)


def _probability_metrics(labels: Labels, probabilities: npt.NDArray[np.floating]) -> list[Metric]:
    from sklearn import metrics as sk

    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        return [Metric("log_loss", "overall", math.nan), Metric("brier", "overall", math.nan)]
    # In double precision: 1 - p of a float32 next to 1 would be lost.
    wide = probabilities.astype(np.float64)
    return [
        Metric("log_loss", "overall", float(sk.log_loss(labels, wide, labels=[0, 1]))),
        Metric("brier", "overall", float(np.mean((wide - labels) ** 2))),
    ]


def _class_metrics(labels: Labels, predicted: npt.NDArray[np.uint8], confusion: ConfusionMatrix) -> list[Metric]:
    from sklearn import metrics as sk

    f1 = sk.f1_score(labels, predicted, labels=[0, 1], average=None, zero_division=np.nan)
    correct = {0: confusion.true_negatives, 1: confusion.true_positives}
    called = {
        0: confusion.true_negatives + confusion.false_negatives,
        1: confusion.true_positives + confusion.false_positives,
    }
    support = {0: confusion.num_negative, 1: confusion.num_positive}
    return [
        metric
        for label, scope in _CLASSES
        for metric in (
            _share("precision", scope, correct[label], called[label]),
            _share("recall", scope, correct[label], support[label]),
            Metric("f1", scope, float(f1[label])),
            Metric("support", scope, float(support[label])),
        )
    ]
