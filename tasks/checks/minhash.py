"""Pairs of nearly equal reviews among many, without comparing all with all: MinHash, locality-sensitive hashing.

In numpy, since reviews are rows of integers already: datasketch makes a Python object of every shingle first. Building
its index of 3,000 of IMDB's reviews took 2.4 s, all that is done here with all 50,000 took 2 to 4 s.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from storage.sequences import Sequences
from storage.spool import Spool

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]
Pairs = tuple[Int64s, Int64s]

WORDS_PER_SHINGLE = 5
# Chance that a pair right at the similarity asked for is missed. Those that are more alike are missed more rarely.
_MISSED = 0.001
# Minima that must agree in a band: with three, reviews that share a few common phrases hardly ever meet.
_BAND_WIDTH = 3
# Shingles hashed and pairs compared at a time: what fits into a processor's cache, or into memory.
_SHINGLES_AT_A_TIME = 2**18
_PAIRS_AT_A_TIME = 2**14


def shingles(tokens: Sequences) -> tuple[UInt64s, Int64s]:
    """Hashes of each review's word 5-grams, and the offsets of the reviews.

    A shorter review is one shingle as it is, so that it is like no other but its equal; one without words has none.

    Args:
        tokens: Word ranks, `(rows, ragged)`.

    Returns:
        uint64 `(shingles,)`, in the order of the text and not yet a set, and int64 `(rows + 1,)`.
    """
    lengths = tokens.lengths
    counts = np.where(lengths > 0, np.maximum(lengths - WORDS_PER_SHINGLE + 1, 1), 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    values = np.concatenate([tokens.values, np.zeros(WORDS_PER_SHINGLE, dtype=np.int32)]).astype(np.uint64)
    starts = np.arange(offsets[-1]) + np.repeat(tokens.offsets[:-1] - offsets[:-1], counts)
    multipliers = np.random.default_rng(0).integers(2**63, size=WORDS_PER_SHINGLE, dtype=np.uint64) * 2 + 1
    hashes = np.zeros(len(tokens.values), dtype=np.uint64)
    for place, multiplier in enumerate(multipliers):
        hashes += values[place : place + len(hashes)] * multiplier
    result = hashes[starts]
    short = np.flatnonzero((lengths > 0) & (lengths < WORDS_PER_SHINGLE))
    result[offsets[short]] = _hash_short(tokens.take(short), multipliers)
    return _mixed(result), offsets


def near_pairs(
    tokens: Sequences, similarity: float, groups: npt.NDArray[np.bool_], scratch: Path | None = None
) -> Pairs:
    """Pairs of reviews of different groups whose sets of word 5-grams have a Jaccard similarity of at least that asked.

    Every pair that is given was compared in full: none is false. In a crowd of reviews that are all alike, each is
    paired with the one before it and with the first of each group, not with all, so pairs grow with rows, not with
    their square. That is enough to say which groups have a near double of a review.

    Args:
        tokens: Different reviews, `(rows, ragged)`.
        similarity: From 0.5 to 1.
        groups: Which groups, such as splits, a review is in: `(groups, rows)`.
        scratch: On whose disk the reviews' hashes wait; by default that of temporary files.

    Returns:
        Row numbers, `(pairs,)` and `(pairs,)`, each pair once, the smaller number first.

    Source: Broder, Compression and Complexity of Sequences (1997); Leskovec, Rajaraman & Ullman, Mining of Massive
    Datasets, chapter 3.
    """
    has_words = np.flatnonzero(tokens.lengths)
    if len(has_words) < 2:
        return _no_pairs()
    num_bands = math.ceil(math.log(_MISSED) / math.log1p(-(similarity**_BAND_WIDTH))) if similarity < 1 else 1
    found = [_in_buckets(keys, groups[:, has_words]) for keys in _band_keys(tokens, num_bands, scratch)]
    first, second = (has_words[np.concatenate(side)] for side in zip(*found, strict=True))
    apart = (groups[:, first] != groups[:, second]).any(axis=0)
    first, second = first[apart], second[apart]
    codes = np.unique(np.minimum(first, second) * len(tokens) + np.maximum(first, second))
    first, second = codes // len(tokens), codes % len(tokens)
    parts = (slice(start, start + _PAIRS_AT_A_TIME) for start in range(0, len(codes), _PAIRS_AT_A_TIME))
    similarities = [_jaccard(tokens, first[part], second[part]) for part in parts]
    alike = np.concatenate([np.empty(0), *similarities]) >= similarity
    return first[alike], second[alike]


def _hash_short(tokens: Sequences, multipliers: UInt64s) -> UInt64s:
    # Rank 0 does not occur, so a short review is no longer one's shingle either.
    padded = tokens.padded(WORDS_PER_SHINGLE).astype(np.uint64)
    hashes: UInt64s = (padded * multipliers).sum(axis=1, dtype=np.uint64)
    return hashes


def _mixed(hashes: UInt64s) -> UInt64s:
    """Steele, Lea & Flood's finalizer (OOPSLA 2014): every bit of the input moves every bit of the output."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def _band_keys(tokens: Sequences, num_bands: int, scratch: Path | None) -> list[UInt64s]:
    """For each band, one hash of its minima in each row that has words, uint64 `(rows,)`."""
    random = np.random.default_rng(1)
    multipliers = random.integers(2**63, size=num_bands * _BAND_WIDTH, dtype=np.uint64) * 2 + 1
    weights = random.integers(2**63, size=_BAND_WIDTH, dtype=np.uint64) * 2 + 1
    bands = [Spool(np.uint64, scratch) for _ in range(num_bands)]
    for _, piece in tokens.pieces(_SHINGLES_AT_A_TIME):
        hashes, offsets = shingles(piece)
        firsts = offsets[:-1][np.diff(offsets) > 0]
        if not len(firsts):
            continue
        minima = np.stack([np.minimum.reduceat(hashes * multiplier, firsts) for multiplier in multipliers])
        by_band = _mixed(minima).reshape(num_bands, _BAND_WIDTH, len(firsts))
        for band, keys in zip(bands, (by_band * weights[:, None]).sum(axis=1, dtype=np.uint64), strict=True):
            band.add(keys)
    return [band.finish() for band in bands]


def _in_buckets(keys: UInt64s, groups: npt.NDArray[np.bool_]) -> Pairs:
    """Candidates of one band: each row with the row before it in its bucket, and with the first of each group."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    # A row that is alone in its bucket, as nearly all are, has no partner.
    is_alone = is_first & np.append(is_first[1:], True)
    order, is_first = order[~is_alone], is_first[~is_alone]
    if not len(order):
        return _no_pairs()
    starts = np.flatnonzero(is_first)
    buckets = np.cumsum(is_first) - 1
    firsts, seconds = [order[1:][~is_first[1:]]], [order[:-1][~is_first[1:]]]
    for in_group in groups[:, order]:
        places = np.where(in_group, np.arange(len(order)), len(order))
        partners = np.minimum.reduceat(places, starts)[buckets]
        has_partner = (partners < len(order)) & (partners != np.arange(len(order)))
        firsts.append(order[has_partner])
        seconds.append(order[partners[has_partner]])
    return np.concatenate(firsts), np.concatenate(seconds)


def _jaccard(tokens: Sequences, first: Int64s, second: Int64s) -> npt.NDArray[np.float64]:
    """Shared shingles over all shingles of each pair, `(pairs,)`."""
    rows, in_pair = np.unique(np.concatenate([first, second]), return_inverse=True)
    hashes, offsets = shingles(tokens.take(rows))
    # Quicker than to have `unique` number them, which sorts with the places.
    different = np.unique(hashes)
    columns = np.searchsorted(different, hashes)
    sets = sparse.csr_matrix(
        (np.ones(len(columns), dtype=np.int32), columns, offsets), shape=(len(rows), len(different))
    )
    sets.sum_duplicates()
    sets.data[:] = 1
    sizes = np.diff(sets.indptr)
    one, other = in_pair[: len(first)], in_pair[len(first) :]
    common = np.asarray(sets[one].multiply(sets[other]).sum(axis=1)).ravel()
    similarities: npt.NDArray[np.float64] = common / (sizes[one] + sizes[other] - common)
    return similarities


def _no_pairs() -> Pairs:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
