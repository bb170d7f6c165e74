"""How far two groups of rows are apart, on a scale from 0 to 1 that does not grow with the number of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from tasks.evaluation.bounds import auc_standard_error, normal_quantile, placements

Values = npt.NDArray[np.integer] | npt.NDArray[np.floating]

# One-sided: clean data is refused once in a thousand comparisons at most, and that only where it is at the bound.
CONFIDENCE = 0.999


@dataclass(frozen=True)
class Effect:
    """An effect size.

    Attributes:
        size: With its sign, from -1 to 1.
        least: What its absolute value is at least, at 99.9 %, one-sided; 0 where there are too few rows to say.
    """

    size: float
    least: float


def cliffs_delta(group: Values, others: Values) -> Effect:
    """Probability that a row of the group lies above one of the others, minus that it lies below: 2 AUC - 1.

    Taken rather than a test's p-value, which with enough rows finds any difference significant, and rather than a
    difference of means, which long reviews would decide. Of two values it is the difference of shares.

    The standard error is DeLong's, but no smaller than that of equal distributions: DeLong's vanishes where the groups
    are wholly apart, however few rows they have.

    Args:
        group: Finite numbers, `(n,)`.
        others: `(m,)`.

    Source: Cliff, Psychological Bulletin 114 (1993).
    """
    num_group, num_others = len(group), len(others)
    if not num_group or not num_others:
        return Effect(0.0, 0.0)
    scores = np.concatenate([group, others]).astype(np.float64)
    labels = np.repeat([1, 0], [num_group, num_others])
    of = placements(labels, scores)
    delong = auc_standard_error(of)
    error = 2 * max(0.0 if math.isnan(delong) else delong, _null_standard_error(scores, num_group, num_others))
    size = 2 * of.auc - 1
    return Effect(size, max(0.0, abs(size) - normal_quantile(CONFIDENCE) * error))


def rank_correlation(first: Values, second: Values) -> Effect:
    """Spearman's correlation of two columns, `(rows,)` each; 0 where one of them is constant."""
    if len(first) < 4 or first.min() == first.max() or second.min() == second.max():
        return Effect(0.0, 0.0)
    size = float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])
    return Effect(size, max(0.0, abs(size) - normal_quantile(CONFIDENCE) / math.sqrt(len(first) - 1)))


def _null_standard_error(scores: npt.NDArray[np.float64], num_group: int, num_others: int) -> float:
    """Of the AUC of equal distributions, with the correction for ties: Lehmann, Nonparametrics (1975)."""
    total = num_group + num_others
    ties = np.unique(scores, return_counts=True)[1].astype(np.float64)
    untied = 1 - float(((ties / total) ** 3 - ties / total**3).sum())
    return math.sqrt(max(untied, 0.0) * (total + 1) / (12 * num_group * num_others))
