"""The accuracy on parts of the test rows: reviews of like length, and of one rating."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from storage.bundles import Predictions
from tasks.evaluation.bounds import exact_interval
from tasks.evaluation.metrics import predicted_labels


@dataclass(frozen=True)
class Slice:
    """Some of the test rows, at least one.

    Attributes:
        name: What they have in common, such as `up to 130` words.
        num_rows: How many.
        accuracy: Share that is right.
        lower: Lower end of its exact 95 % interval.
        upper: Upper end.
    """

    name: str
    num_rows: int
    accuracy: float
    lower: float
    upper: float


def by_length(predictions: Predictions) -> list[Slice]:
    """By quartiles of the number of words, shortest first; nothing where the words were not counted."""
    words = predictions.num_words
    if words is None or not len(words):
        return []
    inner = np.quantile(words, (0.25, 0.5, 0.75), method="lower").tolist()
    bounds = sorted({int(words.min()) - 1, *map(int, inner), int(words.max())})
    return [
        _slice(f"{begin + 1:,} to {end:,}", predictions, (words > begin) & (words <= end))
        for begin, end in pairwise(bounds)
    ]


def by_rating(predictions: Predictions) -> list[Slice]:
    """By each rating, lowest first; nothing where none is known."""
    if predictions.ratings is None:
        return []
    ratings = predictions.ratings.to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.unique(ratings[np.isfinite(ratings)])
    return [_slice(f"{rating:.0f}", predictions, ratings == rating) for rating in known]


def _slice(name: str, predictions: Predictions, inside: npt.NDArray[np.bool_]) -> Slice:
    right = predicted_labels(predictions.probabilities[inside]) == predictions.labels[inside]
    correct, rows = int(right.sum()), len(right)
    return Slice(name, rows, correct / rows, *exact_interval(correct, rows))
