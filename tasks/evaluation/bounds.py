"""Confidence bounds of a single model's numbers: exact ones for shares, DeLong's for the AUC."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


def exact_lower_bound(successes: int, trials: int, alpha: float) -> float:
    """One-sided Clopper–Pearson lower bound of a share.

    Exact rather than normal: it holds for small samples and for shares near 0 and 1, and errs on the safe side.

    Args:
        successes: Number of successes.
        trials: Number of trials.
        alpha: Probability that the bound lies above the true share, at most.

    Returns:
        The bound; 0 without a success, NaN without a trial.

    Source: Clopper & Pearson, Biometrika 26 (1934).
    """
    if trials == 0:
        return math.nan
    return float(stats.beta.ppf(alpha, successes, trials - successes + 1)) if successes else 0.0


def exact_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Clopper–Pearson interval of a share; NaN without a trial."""
    if trials == 0:
        return math.nan, math.nan
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def exact_intervals(successes: Labels, trials: Labels, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The same for many shares at once: lower and upper ends, `(shares,)`; NaN where there is no trial."""
    tail = (1 - confidence) / 2
    failures = trials - successes
    lower = np.where(successes == 0, 0.0, stats.beta.ppf(tail, successes, failures + 1))
    upper = np.where(failures == 0, 1.0, stats.beta.ppf(1 - tail, successes + 1, failures))
    return np.where(trials == 0, math.nan, lower), np.where(trials == 0, math.nan, upper)


@dataclass(frozen=True, eq=False)
class Placements:
    """What DeLong's method needs of one model: the AUC, and each row's part in it.

    Attributes:
        auc: Area under the ROC curve, ties counted half.
        positive: For each positive row, the share of negative rows that score below it, `(positives,)`.
        negative: For each negative row, the share of positive rows that score above it, `(negatives,)`.
    """

    auc: float
    positive: Floats
    negative: Floats


def placements(labels: Labels, scores: Floats) -> Placements:
    """Placement values by mid-ranks, in O(n log n).

    Args:
        labels: 0 or 1, `(rows,)`.
        scores: Higher means label 1, `(rows,)`.

    Returns:
        NaN for the AUC where one class has no rows, or a score is NaN.

    Source: Sun & Xu, IEEE Signal Processing Letters 21 (2014), a fast form of DeLong et al., Biometrics 44 (1988).
    """
    positive = scores[labels == 1].astype(np.float64)
    negative = scores[labels == 0].astype(np.float64)
    num_positive, num_negative = len(positive), len(negative)
    if not num_positive or not num_negative or np.isnan(scores).any():
        return Placements(math.nan, np.full(num_positive, math.nan), np.full(num_negative, math.nan))
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    of_positive = (ranks[:num_positive] - stats.rankdata(positive)) / num_negative
    of_negative = 1 - (ranks[num_positive:] - stats.rankdata(negative)) / num_positive
    return Placements(float(of_positive.mean()), of_positive, of_negative)


def auc_standard_error(of: Placements) -> float:
    """DeLong's standard error of the AUC; NaN with fewer than two rows in a class."""
    return math.sqrt(_variance(of.positive) + _variance(of.negative))


def _variance(values: Floats) -> float:
    """Variance of the mean of `values`."""
    return float(np.var(values, ddof=1) / len(values)) if len(values) > 1 else math.nan


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return float(stats.norm.ppf(probability))
