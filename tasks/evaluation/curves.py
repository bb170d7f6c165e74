"""Curves over all thresholds, and calibration: for people to look at. The promotion rule uses none of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.evaluation.bounds import Floats, Labels, exact_interval, exact_intervals

MAX_POINTS = 400
NUM_BINS = 10


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of a curve from left to right, at most `MAX_POINTS`, each `(points,)`.

    Attributes:
        x: False positive rate, or recall.
        y: Recall, or precision.
        lower: Lower end of the exact 95 % interval of `y` at that point alone (Clopper and Pearson).
        upper: Its upper end.
    """

    x: Floats
    y: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Bin:
    """Reviews whose probability lies between two bounds.

    Attributes:
        begin: Lower bound of the probability.
        end: Upper bound.
        num_rows: Reviews.
        said: Mean probability of them; NaN without any.
        seen: Share of them that is positive; NaN without any.
        lower: Lower end of its exact 95 % interval.
        upper: Upper end.
    """

    begin: float
    end: float
    num_rows: int
    said: float
    seen: float
    lower: float
    upper: float


def can_be_drawn(labels: Labels, probabilities: npt.NDArray[np.floating]) -> bool:
    """Whether there are rows of both classes and every probability is one."""
    in_range = bool(((probabilities >= 0) & (probabilities <= 1)).all())
    return in_range and 0 < int(labels.sum()) < len(labels)


def roc_curve(labels: Labels, probabilities: npt.NDArray[np.floating]) -> Curve:
    """Recall of the positive reviews over the share of negative ones that are called positive.

    Args:
        labels: 0 or 1, `(rows,)`, both of them present.
        probabilities: Of label 1, `(rows,)`.
    """
    from sklearn import metrics as sk

    false_rate, recall, _ = sk.roc_curve(labels, probabilities, drop_intermediate=False)
    kept = _evenly(false_rate + recall)
    num_positive = int(labels.sum())
    found = np.rint(recall[kept] * num_positive).astype(np.int64)
    lower, upper = exact_intervals(found, np.full(len(kept), num_positive))
    return Curve(false_rate[kept], recall[kept], lower, upper)


def precision_recall_curve(labels: Labels, probabilities: npt.NDArray[np.floating]) -> Curve:
    """Precision of what is called positive over recall, from the highest threshold on; arguments as above."""
    from sklearn import metrics as sk

    false_rate, recall, _ = sk.roc_curve(labels, probabilities, drop_intermediate=False)
    num_positive = int(labels.sum())
    found = np.rint(recall * num_positive).astype(np.int64)
    called = found + np.rint(false_rate * (len(labels) - num_positive)).astype(np.int64)
    # The first threshold calls nothing positive.
    found, called = found[1:], called[1:]
    kept = _evenly(found / num_positive)
    found, called = found[kept], called[kept]
    return Curve(found / num_positive, found / called, *exact_intervals(found, called))


def reliability(labels: Labels, probabilities: npt.NDArray[np.floating]) -> list[Bin]:
    """What is said and what is seen, in bins of equal width."""
    numbers = np.minimum((probabilities * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    bins = []
    for number in range(NUM_BINS):
        inside = numbers == number
        rows, positive = int(inside.sum()), int(labels[inside].sum())
        said = float(probabilities[inside].astype(np.float64).mean()) if rows else np.nan
        seen = positive / rows if rows else np.nan
        bins.append(Bin(number / NUM_BINS, (number + 1) / NUM_BINS, rows, said, seen, *exact_interval(positive, rows)))
    return bins


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the mean distance of what is said from what is seen, weighted by rows."""
    total = sum(one.num_rows for one in bins)
    return sum(one.num_rows * abs(one.said - one.seen) for one in bins if one.num_rows) / total


def _evenly(along: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Positions of at most `MAX_POINTS` points, about evenly along a value that never falls; both ends are kept."""
    if len(along) <= MAX_POINTS:
        return np.arange(len(along))
    wanted = np.linspace(along[0], along[-1], MAX_POINTS - 1)
    return np.unique(np.append(np.searchsorted(along, wanted), len(along) - 1))
