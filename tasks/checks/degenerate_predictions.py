"""Degenerate predictions: a trained model's probabilities are finite, spread, and cut at the right threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.bundles import Predictions
from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict
from tasks.checks.base import CheckedModel, finite, offending
from tasks.evaluation.bounds import auc_standard_error, normal_quantile, placements
from tasks.evaluation.metrics import THRESHOLD, predicted_labels
from tasks.evaluation.threshold import OtherThreshold, other_threshold

_NAME = "degenerate predictions"
# Fewer rows than these can look like anything.
_FEWEST_ROWS = 20
_MIN_RANGE = 1e-3
_MIN_DEVIATION = 1e-4
_MIN_DISTINCT = 10
_DECIMALS = 6
_ALPHA = 0.001
_CLEAR_AUC = 0.55
_ACCURACY_LOSS = 0.05
_BOUND = (
    f"finite; range at least {_MIN_RANGE:g}, standard deviation {_MIN_DEVIATION:g}, {_MIN_DISTINCT} distinct values; "
    f"both classes predicted; AUC not below 0.5, accuracy not {_ACCURACY_LOSS:g} below that of the best threshold, at "
    f"{1 - _ALPHA:.1%}"
)
Floats = npt.NDArray[np.floating]
# Verdict and evidence.
_Fault = tuple[CheckVerdict, str] | None


@dataclass(frozen=True)
class _Ranking:
    """The AUC with one-sided bounds at 99.9 %; NaN where a class has too few rows.

    Attributes:
        upper: Its error is at least the one of the rank-sum test, since DeLong's is 0 for an AUC of 0.
    """

    auc: float
    lower: float
    upper: float


def check_degenerate_predictions(model: CheckedModel, options: CheckOptions) -> CheckResult:
    """Look at the test probabilities themselves, for what no accuracy tells.

    Not finite; no spread; only one class; ranked well, but cut at the wrong threshold; ranked upside down. A model that
    is merely weak passes: that is for the gates of the promotion rule. The numbers of a small or one-sided test set say
    nothing, which is a warning.
    """
    predictions = model.predictions
    is_odd = ~((predictions.probabilities >= 0) & (predictions.probabilities <= 1))
    if is_odd.any():
        count = int(is_odd.sum())
        return CheckResult(
            _NAME,
            "fail",
            {"rows": len(is_odd), "rows_not_probabilities": count},
            _BOUND,
            f"{count:,} of {len(is_odd):,} predictions are no probabilities: not finite, or not from 0 to 1",
            offending(predictions.row_ids, is_odd),
        )
    if len(is_odd) < _FEWEST_ROWS:
        evidence = f"a test set of {len(is_odd)} rows says nothing of a model's predictions"
        return CheckResult(_NAME, "warn", {"rows": len(is_odd)}, _BOUND, evidence)
    return _judge(predictions)


def _judge(predictions: Predictions) -> CheckResult:
    """The result for finite probabilities of enough rows; the first fault in the order of how much it explains."""
    probabilities, labels = predictions.probabilities.astype(np.float64), predictions.labels
    ranking, cut = _rank(labels, probabilities), other_threshold(labels, probabilities, _ALPHA)
    positive_share = float(predicted_labels(probabilities).mean())
    accuracy = float((predicted_labels(probabilities) == labels).mean())
    distinct = len(np.unique(probabilities.round(_DECIMALS)))
    measured = finite(
        rows=len(labels),
        predicted_positive_share=positive_share,
        range=float(np.ptp(probabilities)),
        standard_deviation=float(probabilities.std()),
        distinct_values=distinct,
        accuracy=accuracy,
        auc=ranking.auc,
        auc_lower=ranking.lower,
        auc_upper=ranking.upper,
        best_threshold=cut.threshold,
        best_threshold_gain=cut.gain,
    )
    faults = (
        _no_spread(probabilities, distinct),
        _one_class_of_test(labels),
        _inverted(ranking),
        _wrong_threshold(ranking, cut, accuracy),
        _one_class(positive_share, len(labels), ranking),
    )
    fine = f"probabilities from {probabilities.min():.3g} to {probabilities.max():.3g}, {positive_share:.1%} above 0.5"
    verdict, evidence = next((fault for fault in faults if fault), ("pass", fine))
    return CheckResult(_NAME, verdict, measured, _BOUND, evidence)


def _no_spread(probabilities: Floats, distinct: int) -> _Fault:
    deviation, extent = float(probabilities.std()), float(np.ptp(probabilities))
    if extent < _MIN_RANGE or deviation < _MIN_DEVIATION:
        return "fail", (
            f"constant: all {len(probabilities):,} probabilities lie from {probabilities.min():.6f} to "
            f"{probabilities.max():.6f} (standard deviation {deviation:.2g})"
        )
    if distinct < min(_MIN_DISTINCT, len(probabilities) // 2):
        return "fail", f"{len(probabilities):,} rows have only {distinct} distinct probabilities"
    return None


def _one_class_of_test(labels: npt.NDArray[np.uint8]) -> _Fault:
    if len(np.unique(labels)) > 1:
        return None
    return "warn", f"all {len(labels):,} test rows are of class {labels[0]}: nothing can be said of the ranking"


def _inverted(ranking: _Ranking) -> _Fault:
    if not ranking.upper < 0.5:
        return None
    return "fail", (
        f"inverted: test AUC {ranking.auc:.4f}, at most {ranking.upper:.4f} at {1 - _ALPHA:.1%}, so that negative "
        "reviews get the higher probabilities"
    )


def _wrong_threshold(ranking: _Ranking, cut: OtherThreshold, accuracy: float) -> _Fault:
    if not (ranking.lower > _CLEAR_AUC and cut.lower > _ACCURACY_LOSS):
        return None
    return "fail", (
        f"threshold: test AUC {ranking.auc:.4f}, but accuracy {accuracy:.4f} at {THRESHOLD}; a threshold of "
        f"{cut.threshold:.4f} adds {cut.gain:.4f}, at least {cut.lower:.4f} at {1 - _ALPHA:.1%}"
    )


def _one_class(positive_share: float, rows: int, ranking: _Ranking) -> _Fault:
    if 0 < positive_share < 1:
        return None
    return "fail", f"all {rows:,} test rows are called class {positive_share:.0f} (test AUC {ranking.auc:.4f})"


def _rank(labels: npt.NDArray[np.uint8], probabilities: Floats) -> _Ranking:
    of = placements(labels, probabilities)
    error = auc_standard_error(of)
    if not math.isfinite(error):
        return _Ranking(of.auc, math.nan, math.nan)
    positive, negative = len(of.positive), len(of.negative)
    # Variance of the rank-sum statistic where both classes are alike: Mann & Whitney (1947).
    error_by_chance = math.sqrt((positive + negative + 1) / (12 * positive * negative))
    z = normal_quantile(1 - _ALPHA)
    return _Ranking(of.auc, of.auc - z * error, of.auc + z * max(error, error_by_chance))
