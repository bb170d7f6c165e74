"""Padding: a trained model says the same of a review, however wide it is padded and whatever stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.errors import ContentError
from storage.options import CheckOptions
from storage.records import CheckResult
from storage.sequences import Sequences
from tasks.checks.base import CheckedModel, Features, finite, in_words, offending

_NAME = "padding"
_SAMPLE = 16
# Columns on top of what the longest review of the sample needs.
_MORE = 64
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class _Differences:
    """By how much each review's logit changes, float `(rows,)`: with its padding, and with its company alone."""

    padding: Floats
    company: Floats


def check_padding(model: CheckedModel, options: CheckOptions) -> CheckResult:
    """Score a few test reviews alone and unpadded, beside longer ones, with still more padding, and in two halves.

    Without a mask, a model reads the padding: on IMDB, the advanced model then learns next to nothing (test accuracy
    0.519 instead of 0.855), and a review's answer depends on the reviews that happen to be in its batch. Logits are
    compared, since probabilities near 0 and 1 hide differences. The rows are fixed by their lengths: the shortest, the
    longest, and more of the short ones, which padding changes most.
    """
    bound = f"logits differ by at most {options.padding_tolerance:g}"
    lengths = model.matrix.sequences.lengths
    if len(lengths) == 0:
        return CheckResult(_NAME, "warn", {"reviews": 0}, bound, "there are no test rows to pad")
    rows = _across_lengths(lengths)
    try:
        found = _measure(model, model.matrix.sequences.take(rows), model.matrix.features[rows])
    except ContentError as error:
        return CheckResult(_NAME, "fail", {"reviews": len(rows)}, bound, f"nothing could be scored: {in_words(error)}")
    is_wrong = np.zeros(len(lengths), dtype=bool)
    # NaN is larger than any tolerance.
    is_wrong[rows] = ~(np.maximum(found.padding, found.company) <= options.padding_tolerance)
    return CheckResult(
        _NAME,
        "fail" if is_wrong.any() else "pass",
        finite(
            reviews=len(rows),
            changed=int(is_wrong.sum()),
            largest_difference=float(found.padding.max()),
            largest_difference_by_company=float(found.company.max()),
        ),
        bound,
        _evidence(found, int(is_wrong.sum()), options.padding_tolerance),
        offending(model.matrix.sequence_ids, is_wrong),
    )


def _across_lengths(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions of up to 16 reviews from the shortest to the longest, denser among the short ones."""
    order = np.argsort(lengths, kind="stable")
    quantiles = np.linspace(0, 1, _SAMPLE) ** 2
    return order[np.unique((quantiles * (len(lengths) - 1)).astype(np.int64))]


def _measure(model: CheckedModel, sequences: Sequences, features: Features) -> _Differences:
    def logits(rows: npt.NDArray[np.int64], width: int) -> Floats:
        # In double precision, so that the difference of two large logits is not rounded again.
        return model.logits(sequences.take(rows), features[rows], width).astype(np.float64)

    every = np.arange(len(sequences))
    # A review without a token still needs a column.
    widths = np.maximum(sequences.lengths, 1)
    longest = int(widths.max())
    alone = np.concatenate([logits(every[[row]], int(widths[row])) for row in every])
    together, wider = logits(every, longest), logits(every, longest + _MORE)
    halves = np.empty(len(every))
    for half in (every[::2], every[1::2]):
        if len(half):
            halves[half] = logits(half, longest)
    with np.errstate(invalid="ignore"):
        padding = np.maximum(np.abs(alone - together), np.abs(wider - together))
        return _Differences(padding, np.abs(halves - together))


def _evidence(found: _Differences, changed: int, tolerance: float) -> str:
    largest = float(np.maximum(found.padding, found.company).max())
    reviews = f"{len(found.padding)} reviews"
    if not np.isfinite(found.padding + found.company).all():
        return f"{changed} of {reviews} have logits that are not finite, so that nothing can be compared"
    if changed == 0:
        return (
            f"the logits of {reviews} alone, beside longer ones and with more padding differ by {largest:.2g} at most"
        )
    if not (found.company <= tolerance).all():
        return (
            f"{changed} of {reviews} get another logit in other company at the same width, by up to {largest:.3g}: "
            "the model looks across its batch, as batch normalisation does in training"
        )
    return (
        f"padding changes the answer: {changed} of {reviews} get another logit when they are padded, by up to "
        f"{largest:.3g}; the mask is missing"
    )
