"""How far the words of lists of reviews are apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(eq=False)
class _Words:
    """How often each frequent word stands in reviews, and any other in the last column.

    Attributes:
        total: In all of them, float64 `(words + 1,)`.
        of_members: In those of each of some parts, float64 `(parts, words + 1)`.
    """

    total: Floats
    of_members: Floats


def vocabulary_distances(train: Sequences, others: Iterable[Sequences]) -> list[Effect]:
    """Jensen–Shannon distance (base 2) between the frequencies of train's most frequent words, and of all the rest.

    It is 0 for equal frequencies, 1 for no common word. Words of one review hang together, and a small split is apart
    from train by chance alone; so the divergence is held against that of random parts, of the same number of whole
    reviews, of both together, and `least` is what is left above nearly all of them.

    Args:
        train: Word ranks, `(rows, ragged)`.
        others: Those of other splits, each of which is held against train.

    Source: Lin, IEEE Transactions on Information Theory 37 (1991).
    """
    others = list(others)
    if not len(train.values):
        return [Effect(0.0, 0.0) for _ in others]
    frequent = _most_frequent(train)
    parts = [_parts(len(train), len(other)) for other in others]
    # Train is counted once for all.
    of_train = _counted(train, frequent, [members[:, : len(train)] for members in parts])
    return [
        _distance(in_train, _counted(other, frequent, [members[:, len(train) :]])[0])
        if len(other.values)
        else Effect(0.0, 0.0)
        for other, members, in_train in zip(others, parts, of_train, strict=True)
    ]


def _parts(num_train: int, num_other: int) -> npt.NDArray[np.bool_]:
    """Whether each review is the other split's, `(1 + permutations, reviews)`: truly, then in random parts."""
    truly = np.repeat([False, True], [num_train, num_other])
    random = np.random.default_rng(0)
    return np.stack([truly, *(random.permutation(truly) for _ in range(_NUM_PERMUTATIONS))])


def _counted(
    tokens: Sequences, frequent: npt.NDArray[np.int32], parts: Sequence[npt.NDArray[np.bool_]]
) -> list[_Words]:
    """The words of all reviews, and of those that belong to each of some parts."""
    width = len(frequent) + 1
    found = [_Words(np.zeros(width), np.zeros((len(members), width))) for members in parts]
    for part, piece in tokens.pieces():
        counts = _counts(piece, frequent)
        total = counts.sum(axis=0, dtype=np.float64)
        for words, members in zip(found, parts, strict=True):
            words.total += total
            words.of_members += members[:, part].astype(np.float32) @ counts
    return found


def _distance(in_train: _Words, in_other: _Words) -> Effect:
    total, of_other = in_train.total + in_other.total, in_train.of_members + in_other.of_members
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
