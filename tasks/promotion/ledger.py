"""How much error a comparison with the champion may spend, so that a test set used every week does not wear out."""

from __future__ import annotations


def alpha_for(index: int, total: float) -> float:
    """Error of the comparison number `index` (from 0) on one test set: total / ((k + 1)(k + 2)).

    The sum over all comparisons is `total`, however many there will be. With a plain test at 0.05 each week, a year of
    retrains of equal quality promotes at least one by luck with a probability of about one half.

    Args:
        index: How many comparisons this test set has seen before.
        total: Error that may be spent on all of them together.
    """
    return total / ((index + 1) * (index + 2))
