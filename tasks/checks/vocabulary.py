"""How far the words of two lists of reviews are apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.sequences import Sequences
from tasks.checks.effects import CONFIDENCE, Effect
from tasks.evaluation.bounds import normal_quantile

Floats = npt.NDArray[np.float64]

# Rare words would only add noise. On IMDB these hold 58 % of all words.
_NUM_FREQUENT = 200
_NUM_PERMUTATIONS = 40


def vocabulary_distance(train: Sequences, other: Sequences) -> Effect:
    """Jensen–Shannon distance (base 2) between the frequencies of train's most frequent words, and of all the rest.

    It is 0 for equal frequencies, 1 for no common word. Words of one review hang together, and a small split is apart
    from train by chance alone; so the divergence is held against that of random parts, of the same number of whole
    reviews, of both together, and `least` is what is left above nearly all of them.

    Args:
        train: Word ranks, `(rows, ragged)`.
        other: Those of another split.

    Source: Lin, IEEE Transactions on Information Theory 37 (1991).
    """
    if not len(train.values) or not len(other.values):
        return Effect(0.0, 0.0)
    frequent = _most_frequent(train)
    membership = np.repeat([False, True], [len(train), len(other)])
    random = np.random.default_rng(0)
    memberships = np.stack([membership, *(random.permutation(membership) for _ in range(_NUM_PERMUTATIONS))])
    total = np.zeros(len(frequent) + 1)
    of_other = np.zeros((len(memberships), len(total)))
    for first_row, tokens in ((0, train), (len(train), other)):
        for part, piece in tokens.pieces():
            counts = _counts(piece, frequent)
            here = memberships[:, first_row + part.start : first_row + part.stop]
            total += counts.sum(axis=0, dtype=np.float64)
            of_other += here.astype(np.float32) @ counts
    divergences = _divergences(total - of_other, of_other)
    by_chance = divergences[1:].mean() + normal_quantile(CONFIDENCE) * divergences[1:].std(ddof=1)
    return Effect(math.sqrt(divergences[0]), math.sqrt(max(0.0, divergences[0] - by_chance)))


def _most_frequent(tokens: Sequences) -> npt.NDArray[np.int32]:
    words, counts = np.empty(0, np.int32), np.empty(0, np.int64)
    for _, piece in tokens.pieces():
        # Hashed, not sorted: a piece has many times more words than different ones.
        here = pc.value_counts(pa.array(piece.values))
        words, places = np.unique(np.concatenate([words, here.field("values").to_numpy()]), return_inverse=True)
        both = np.concatenate([counts, here.field("counts").to_numpy()])
        counts = np.zeros(len(words), dtype=np.int64)
        np.add.at(counts, places, both)
    return np.sort(words[np.argsort(-counts, kind="stable")[:_NUM_FREQUENT]])


def _counts(tokens: Sequences, frequent: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """How often each review has each frequent word, and any other in the last column: `(rows, words + 1)`."""
    places = pc.index_in(pa.array(tokens.values), value_set=pa.array(frequent))
    columns = pc.fill_null(places, len(frequent)).to_numpy()
    width = len(frequent) + 1
    cells = np.bincount(tokens.row_numbers * width + columns, minlength=len(tokens) * width)
    return cells.reshape(len(tokens), width).astype(np.float32)


def _divergences(first: Floats, second: Floats) -> Floats:
    """Jensen–Shannon divergence in bits of each row of two arrays of counts, `(n, words)`; 0 beside no words."""
    shares = [of / np.maximum(of.sum(axis=1, keepdims=True), 1) for of in (first, second)]
    middle = (shares[0] + shares[1]) / 2
    terms = sum(
        np.where(of > 0, of * np.log2(np.where(of > 0, of, 1) / np.where(of > 0, middle, 1)), 0) for of in shares
    )
    empty = (first.sum(axis=1) == 0) | (second.sum(axis=1) == 0)
    divergences: Floats = np.where(empty, 0.0, np.maximum(np.sum(terms, axis=1) / 2, 0.0))
    return divergences
