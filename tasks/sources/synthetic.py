"""The embedded synthetic corpus: seeded review-like token ranks whose best possible accuracy is known.

Lengths follow IMDB's and token ranks follow Zipf's law. The label is the sign of `effective_polarity`: polar
words add up, and a negator flips the polar words among the `SCOPE` tokens after it, so their order matters.
Then exactly `round(rows * label_noise)` labels of each split, chosen regardless of their tokens, are flipped.
The label before that is a deterministic function of the tokens and the flips are not: the best accuracy of any
model is 1 - `label_noise`, up to that rounding.

It does not encode (no start token, no offset), does not hold out validation rows and touches no file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from storage.options import SyntheticOptions
from storage.sequences import Int32Array, Int64Array, Sequences
from tasks.sources.base import LabelledReviews, Reviews

BoolArray = npt.NDArray[np.bool_]

MAX_RANK = 49_997
"""Largest rank, the last that still has an index of its own below 50,000 after the usual offset of 3."""
FIRST_POLAR = 6
NUM_POLAR = 14
"""Ranks 6 to 19 are polar words, even ones negative and odd ones positive: neighbours, so that no statistic of
the ranks tells the classes apart, and few, so that a model learns them within a few epochs."""
NEGATORS = np.array([4], dtype=np.int32)
"""Ranks of the words that flip what follows."""
SCOPE = 3
"""Tokens after a negator in which it flips polarity."""
CLOSING = 50
"""Last tokens of a review, its verdict: a recurrent model starts learning from what it has just read."""
CLOSING_SHARE = 0.5
BODY_SHARE = 0.01
"""Shares of polar words in the closing and before it; 11% in all, as Zipf's law has it for their ranks."""
AGREEMENT = 0.98
"""Chance that a polar word's effective polarity is that of the review's intended class."""
NEGATION = 0.35
"""Chance that a polar word has a negator right before it, where that place is free."""
LENGTH_LEVELS = np.array([0, 0.01, 0.05, 0.10, 0.25, 0.40, 0.50, 0.60, 0.75, 0.85, 0.90, 0.95, 0.99, 0.999, 1])
LENGTH_QUANTILES = np.array([11, 44, 66, 93, 130, 155, 178, 210, 291, 384, 467, 610, 926, 1084, 2494])
"""Quantiles of the lengths of IMDB's training reviews, start token included."""


def generate(options: SyntheticOptions, *, reason: str = "") -> Reviews:
    """Draw the corpus of `options`; the same options always give the same corpus.

    Args:
        options: Sizes, label noise and seed.
        reason: Why this source was used, handed on as it is.
    """
    rng = np.random.default_rng(options.seed)
    train = _draw_split(rng, options.num_train, options.label_noise)
    test = _draw_split(rng, options.num_test, options.label_noise)
    origin = (
        f"embedded synthetic corpus, seed {options.seed}: {options.num_train} training and "
        f"{options.num_test} test reviews, label noise {options.label_noise:g}"
    )
    return Reviews("synthetic", origin, reason, "", train, test)


def effective_polarity(sequences: Sequences) -> Int64Array:
    """Positive minus negative words of each review, each flipped if a negator is close before it.

    Args:
        sequences: Token ranks without start token.

    Returns:
        int64 `(rows,)`. A generated review has an odd number of polar words, so its sum is never zero.
    """
    ranks = sequences.values
    polar = (ranks >= FIRST_POLAR) & (ranks < FIRST_POLAR + NUM_POLAR)
    signs = np.where(ranks % 2 == 1, 1, -1) * polar
    signs[_in_scope(np.isin(ranks, NEGATORS), sequences.row_numbers)] *= -1
    sums = np.bincount(sequences.row_numbers, weights=signs, minlength=len(sequences))
    return sums.astype(np.int64)


def _draw_split(rng: np.random.Generator, rows: int, label_noise: float) -> LabelledReviews:
    """One split of `rows` reviews."""
    tokens = _draw_tokens(rng, _draw_lengths(rng, rows), rng.permutation(rows) % 2 == 1)
    labels = effective_polarity(tokens) > 0
    # A fixed number of flips, not one draw per row: the best accuracy of this very split is then known as well.
    labels[rng.permutation(rows)[: round(rows * label_noise)]] ^= True
    return LabelledReviews(tokens, labels.astype(np.uint8))


def _draw_lengths(rng: np.random.Generator, rows: int) -> Int64Array:
    """Tokens of each review without the start token, int64 `(rows,)`."""
    # One draw from each of `rows` equal slices of the distribution: small corpora have the right lengths too.
    levels = (rng.permutation(rows) + rng.random(rows)) / rows
    lengths: Int64Array = np.rint(np.interp(levels, LENGTH_LEVELS, LENGTH_QUANTILES)).astype(np.int64)
    return lengths - 1


def _draw_tokens(rng: np.random.Generator, lengths: Int64Array, positive: BoolArray) -> Sequences:
    """Reviews whose effective polarity leans to their intended class, bool `(rows,)`."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    polar = _place_polar(rng, lengths, rows)
    negators = _place_negators(rng, polar, rows)
    neutral = np.ones(MAX_RANK, dtype=bool)
    neutral[FIRST_POLAR - 1 : FIRST_POLAR - 1 + NUM_POLAR] = neutral[NEGATORS - 1] = False
    values = _draw_zipf(rng, 1 + np.flatnonzero(neutral), len(rows))
    values[negators] = _draw_zipf(rng, NEGATORS, int(negators.sum()))
    # The word is chosen last, when it is known which effect it needs and whether a negator turns it round.
    agrees = rng.random(int(polar.sum())) < AGREEMENT
    is_positive = (positive[rows[polar]] == agrees) ^ _in_scope(negators, rows)[polar]
    pairs = np.arange(FIRST_POLAR, FIRST_POLAR + NUM_POLAR, 2)
    values[polar] = _draw_zipf(rng, pairs, len(agrees)) + is_positive
    return Sequences.from_lengths(values, lengths)


def _place_polar(rng: np.random.Generator, lengths: Int64Array, rows: Int64Array) -> BoolArray:
    """Where polar words stand, bool `(tokens,)`: an odd number in each review, so that sums are never zero."""
    ends = np.cumsum(lengths)
    closing = np.repeat(ends, lengths) - np.arange(len(rows)) <= CLOSING
    polar = rng.random(len(rows)) < np.where(closing, CLOSING_SHARE, BODY_SHARE)
    even = np.bincount(rows, weights=polar, minlength=len(lengths)) % 2 == 0
    polar[ends - 1] ^= even
    return polar


def _place_negators(rng: np.random.Generator, polar: BoolArray, rows: Int64Array) -> BoolArray:
    """Where negators stand, bool `(tokens,)`: right before polar words of the same review, never upon one."""
    negated = polar & (rng.random(len(rows)) < NEGATION)
    negators = np.zeros_like(polar)
    negators[:-1] = negated[1:] & ~polar[:-1] & (rows[1:] == rows[:-1])
    return negators


def _in_scope(negators: BoolArray, rows: Int64Array) -> BoolArray:
    """Which tokens have a negator of their own review among the `SCOPE` tokens before them, bool `(tokens,)`."""
    flipped = np.zeros(len(rows), dtype=bool)
    for distance in range(1, SCOPE + 1):
        flipped[distance:] |= negators[:-distance] & (rows[distance:] == rows[:-distance])
    return flipped


def _draw_zipf(rng: np.random.Generator, ranks: npt.NDArray[np.integer], size: int) -> Int32Array:
    """Independent ranks out of `ranks`, each as likely as Zipf's law has it, int32 `(size,)`."""
    cumulative = np.cumsum(1 / ranks)
    return ranks[np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right")].astype(np.int32)
