"""Two models on the same rows: exact McNemar for accuracy, DeLong's paired test for the AUC."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from tasks.evaluation.bounds import Floats, Labels, Placements, normal_quantile, placements


@dataclass(frozen=True)
class PairedAccuracy:
    """Discordant rows of two classifiers, and what follows.

    Attributes:
        only_first: Rows that only the first gets right (b).
        only_second: Rows that only the second gets right (c).
        p_value: Exact one-sided McNemar test of «the first is not better»; 1 without a discordant row.
        difference: Accuracy of the first minus the second's, (b - c) / n.
        lower: Of the paired interval of the difference.
        upper: Of the paired interval of the difference.
    """

    only_first: int
    only_second: int
    p_value: float
    difference: float
    lower: float
    upper: float


@dataclass(frozen=True)
class PairedAuc:
    """Difference of two AUCs on the same rows, its paired interval, standard error and DeLong's one-sided p-value."""

    difference: float
    lower: float
    upper: float
    standard_error: float
    p_value: float


def compare_accuracy(
    first_correct: npt.NDArray[np.bool_], second_correct: npt.NDArray[np.bool_], confidence: float = 0.95
) -> PairedAccuracy:
    """Compare by the rows on which exactly one of the two is right.

    The test is the exact binomial one on the discordant rows (McNemar, Psychometrika 12, 1947). The interval is the
    large-sample one for paired shares: SE = sqrt(b + c - (b - c)² / n) / n.

    Args:
        first_correct: Whether the first is right, `(rows,)`.
        second_correct: Whether the second is right on the same rows, `(rows,)`.
        confidence: Of the interval.
    """
    rows = len(first_correct)
    b = int(np.sum(first_correct & ~second_correct))
    c = int(np.sum(~first_correct & second_correct))
    p_value = float(stats.binomtest(b, b + c, alternative="greater").pvalue) if b + c else 1.0
    difference = (b - c) / rows
    half = normal_quantile((1 + confidence) / 2) * math.sqrt(b + c - (b - c) ** 2 / rows) / rows
    return PairedAccuracy(b, c, p_value, difference, max(-1.0, difference - half), min(1.0, difference + half))


def two_sided_p_value(only_first: int, only_second: int) -> float:
    """Exact McNemar test of «neither of the two is better», by the rows that only one gets right; 1 without any."""
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def non_inferiority_p_value(only_first: int, only_second: int, num_rows: int, margin: float) -> float:
    """One-sided p-value of «the first is worse than the second by the margin or more», for paired shares.

    Tango's score test: the variance is the one under that hypothesis, so that the test keeps its level where there are
    few discordant rows, or none, and a Wald interval would have no width.

    Args:
        only_first: Rows that only the first gets right (b).
        only_second: Rows that only the second gets right (c).
        num_rows: All rows.
        margin: Largest loss of accuracy that is put up with, 0 to 1; 0 asks for superiority.

    Returns:
        The p-value; 1 where the hypothesis cannot be told from the data.

    Source: Tango, Statistics in Medicine 17 (1998).
    """
    surplus = only_first - only_second
    # The share of rows that only the second gets right, at its most likely if the difference is exactly -margin: the
    # root of 2n q² - (b + c - margin (b - c - 2n)) q + margin (1 + margin) c.
    linear = only_first + only_second - margin * (surplus - 2 * num_rows)
    constant = margin * (1 + margin) * only_second
    share = (linear + math.sqrt(max(0.0, linear**2 - 8 * num_rows * constant))) / (4 * num_rows)
    variance = num_rows * (2 * share - margin * (1 + margin))
    if not variance > 0:
        return 1.0
    return float(stats.norm.sf((surplus + num_rows * margin) / math.sqrt(variance)))


def compare_auc(labels: Labels, first: Floats, second: Floats, confidence: float = 0.95) -> PairedAuc:
    """Compare two models' scores on the same rows by DeLong's method.

    Args:
        labels: 0 or 1, `(rows,)`.
        first: Scores of the first model, `(rows,)`.
        second: Scores of the second model, `(rows,)`.
        confidence: Of the interval.

    Returns:
        NaN where an AUC or its variance is undefined; a p-value of 1 where the scores rank all rows alike.

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988).
    """
    return compare_placements(placements(labels, first), placements(labels, second), confidence)


def compare_placements(first: Placements, second: Placements, confidence: float = 0.95) -> PairedAuc:
    """`compare_auc` of two models whose placements on the same rows are known already; they take nearly all its time.

    Args:
        first: Of the first model.
        second: Of the second model, on the same rows in the same order.
        confidence: Of the interval.
    """
    difference = first.auc - second.auc
    parts = (first.positive - second.positive, first.negative - second.negative)
    if min(len(part) for part in parts) < 2:
        return PairedAuc(difference, math.nan, math.nan, math.nan, math.nan)
    error = math.sqrt(sum(float(np.var(part, ddof=1)) / len(part) for part in parts))
    half = normal_quantile((1 + confidence) / 2) * error
    if error == 0:
        # Both rank every row alike, or one ranks perfectly what the other turns about.
        return PairedAuc(difference, difference, difference, 0.0, 0.0 if difference > 0 else 1.0)
    p_value = float(stats.norm.sf(difference / error))
    return PairedAuc(difference, difference - half, difference + half, error, p_value)
