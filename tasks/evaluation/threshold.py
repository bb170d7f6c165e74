"""What another threshold than one half would give: whether probabilities that rank well are cut at the wrong place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.evaluation.bounds import Floats, Labels
from tasks.evaluation.metrics import THRESHOLD
from tasks.evaluation.paired import compare_accuracy


@dataclass(frozen=True)
class OtherThreshold:
    """A threshold, and what it is worth.

    Attributes:
        threshold: The one with the best accuracy on one half of the rows.
        gain: What it adds to the accuracy on the other half.
        lower: One-sided lower bound of that gain; -inf where the gain is not significant, or only trades the classes.
    """

    threshold: float
    gain: float
    lower: float


def other_threshold(labels: Labels, probabilities: Floats, alpha: float) -> OtherThreshold:
    """Choose the best threshold on one half of the rows, and measure its gain on the other: on the first, it flatters.

    Where one class prevails, the most accurate threshold calls every row by its name, and a weak model would seem to be
    cut wrongly. So balanced accuracy, the mean recall, must gain too.

    Args:
        labels: 0 or 1, `(rows,)`, two at least.
        probabilities: Of label 1, finite, `(rows,)`.
        alpha: Error of the bound.
    """
    # By a fixed seed: neighbouring rows may be of one class.
    order = np.random.default_rng(len(labels)).permutation(len(labels))
    chosen_on, held_out = order[::2], order[1::2]
    threshold = best_threshold(labels[chosen_on], probabilities[chosen_on])
    labels, probabilities = labels[held_out], probabilities[held_out]
    is_right, was_right = (probabilities > threshold) == labels, (probabilities > THRESHOLD) == labels
    paired = compare_accuracy(is_right, was_right, confidence=1 - 2 * alpha)
    # The interval is a large-sample one; the exact test guards the small ones.
    is_sure = paired.p_value <= alpha and _balanced(is_right, labels) > _balanced(was_right, labels)
    return OtherThreshold(threshold, paired.difference, paired.lower if is_sure else -math.inf)


def best_threshold(labels: Labels, probabilities: Floats) -> float:
    """The threshold, 0 to 1, above which to say 1 for the best accuracy: halfway between neighbouring probabilities."""
    order = np.argsort(probabilities)
    values = probabilities[order].astype(np.float64)
    positive = np.concatenate([[0], np.cumsum(labels[order], dtype=np.int64)])
    # Cut below row i: right are the negative rows before it, and the positive ones from it on.
    right = np.arange(len(positive)) - positive + positive[-1] - positive
    is_gap = np.concatenate([[values[0] > 0], values[1:] > values[:-1], [True]])
    cuts = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2, [values[-1]]])
    return float(cuts[np.where(is_gap, right, -1).argmax()])


def _balanced(is_right: npt.NDArray[np.bool_], labels: Labels) -> float:
    """Mean recall of the two classes; NaN where one has no rows."""
    recalls = [is_right[labels == label] for label in (0, 1)]
    return float(np.mean([part.mean() if len(part) else math.nan for part in recalls]))
