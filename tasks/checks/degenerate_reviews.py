"""Degenerate reviews: reviews have words, different ones, and words that the vocabulary knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.matrices import Matrix
from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict, Split
from storage.sequences import Int64Array, Sequences
from storage.snapshots import Rows
from tasks.checks.base import CheckedData, offending
from tasks.checks.effects import CONFIDENCE
from tasks.evaluation.bounds import exact_lower_bound, normal_quantile
from tasks.features.encoding import Encoder

# A review of a few words may well say one of them twice. In IMDB no word has more than 40 % of a review.
_FEWEST_WORDS = 5
_LARGEST_SHARE_OF_A_WORD = 0.6
# Train has rare words too; a split that has this much more of them was numbered by another vocabulary.
_LARGEST_OOV_EXCESS = 0.1
BoolArray = npt.NDArray[np.bool_]


@dataclass
class _Findings:
    """What was measured, what fails, what only warns, and whose it is."""

    measured: dict[str, float | int | str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Share:
    """A share of words, and its standard error over reviews."""

    value: float
    error: float


def check_degenerate_reviews(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Count reviews without words or of one word repeated, tokens out of range, and words out of the vocabulary.

    A single token out of range fails, as no model has an embedding for it. Shares fail where they are beyond their
    bounds at 99.9 % confidence, so that one odd review does not stop a run of 300; any that is found warns.
    """
    found = _Findings()
    for name, rows in data.rows.items():
        _count_degenerate(found, name, rows, options.max_degenerate_share)
        if name in data.matrices:
            _count_out_of_range(found, name, data.matrices[name], data.encoder)
    shares = {name: _oov(rows.tokens, data.encoder) for name, rows in data.rows.items()}
    found.measured |= {f"{name}_oov_share": share.value for name, share in shares.items()}
    found.wrong += _too_many_unknown(shares, options.max_oov_share)
    unknown = ", ".join(f"{name} {share.value:.2%}" for name, share in shares.items())
    told = [*found.wrong, *found.noted] or ["no review is empty or of one word"]
    verdict: CheckVerdict = "fail" if found.wrong else "warn" if found.noted else "pass"
    return CheckResult(
        "degenerate reviews",
        verdict,
        found.measured,
        f"at most {options.max_degenerate_share:.1%} empty or of one word, {options.max_oov_share:.0%} of words out of "
        f"the vocabulary and {_LARGEST_OOV_EXCESS:.0%} more than in train, at {CONFIDENCE:.1%} confidence; no token "
        "out of range",
        "; ".join([*told, f"words out of the vocabulary: {unknown}"]),
        tuple(dict.fromkeys(found.ids))[:20],
    )


def _count_degenerate(found: _Findings, name: str, rows: Rows, bound: float) -> None:
    empty, one_word = rows.tokens.lengths == 0, _by_piece(rows.tokens, _is_one_word)
    below = _by_piece(rows.tokens, lambda piece: _rows_with(piece, piece.values < 1))
    counts = {"empty": int(empty.sum()), "one_word": int(one_word.sum()), "ranks_below_1": int(below.sum())}
    found.measured |= {f"{name}_{kind}": count for kind, count in counts.items()}
    if counts["ranks_below_1"]:
        found.wrong.append(f"{name} has ranks below 1 in {counts['ranks_below_1']:,} reviews")
    if count := counts["empty"] + counts["one_word"]:
        least = exact_lower_bound(count, len(rows.tokens), 1 - CONFIDENCE)
        (found.wrong if least > bound else found.noted).append(
            f"of {len(rows.tokens):,} reviews of {name}, {counts['empty']:,} are empty and {counts['one_word']:,} are "
            "little but one word repeated"
        )
    found.ids += offending(rows.ids, (empty | one_word | below)[: len(rows.ids)])


def _count_out_of_range(found: _Findings, name: str, matrix: Matrix, encoder: Encoder) -> None:
    wrong = _by_piece(
        matrix.sequences,
        lambda piece: _rows_with(piece, (piece.values < 1) | (piece.values >= encoder.num_words)),
    )
    found.measured[f"{name}_out_of_range"] = count = int(wrong.sum())
    if count:
        found.wrong.append(f"{name} has indices outside 1 to {encoder.num_words - 1:,} in {count:,} sequences")
    # The ids may be fewer than the sequences: alignment says so.
    found.ids += offending(matrix.sequence_ids, wrong[: len(matrix.sequence_ids)])


def _by_piece(tokens: Sequences, of: Callable[[Sequences], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """What a function finds of each row, `(rows,)`, asked piece by piece."""
    return np.concatenate([of(piece) for _, piece in tokens.pieces()] or [of(tokens)])


def _is_one_word(tokens: Sequences) -> BoolArray:
    """Whether a review is little but one word repeated, `(rows,)`."""
    is_one_word = np.zeros(len(tokens), dtype=bool)
    rows = np.flatnonzero(_may_be_one_word(tokens))
    is_one_word[rows] = _largest_counts(tokens.take(rows)) > _LARGEST_SHARE_OF_A_WORD * tokens.lengths[rows]
    return is_one_word


def _may_be_one_word(tokens: Sequences) -> BoolArray:
    """Which reviews need to be counted, `(rows,)`: hardly any, and counting takes a sort.

    Of n words, k of which are the same one, at least 2k - n - 1 stand right after another of it.
    """
    places = np.flatnonzero(tokens.values[1:] == tokens.values[:-1]) + 1
    rows = np.searchsorted(tokens.offsets, places, side="right") - 1
    num_repeated = np.bincount(rows[tokens.offsets[rows] < places], minlength=len(tokens))
    lengths = tokens.lengths
    # Half a word more, so that no rounding leaves a review out.
    fewest = (2 * _LARGEST_SHARE_OF_A_WORD - 1) * lengths - 1.5
    may_be: BoolArray = (lengths >= _FEWEST_WORDS) & (num_repeated > fewest)
    return may_be


def _largest_counts(tokens: Sequences) -> Int64Array:
    """How often each review says the word that it says most, int64 `(rows,)`; none of them is empty."""
    if not len(tokens):
        return np.empty(0, dtype=np.int64)
    # One sort of (row, word) pairs: runs of equal pairs are the counts of a row's words.
    keys = np.sort((tokens.row_numbers << 32) + (tokens.values.astype(np.int64) + 2**31))
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    counts = np.diff(np.append(starts, len(keys)))
    rows = keys[starts] >> 32
    largest: Int64Array = np.maximum.reduceat(counts, np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]])))
    return largest


def _rows_with(tokens: Sequences, marked: BoolArray) -> BoolArray:
    """Rows that have a marked token, `(rows,)`, of `(tokens,)`."""
    result = np.zeros(len(tokens), dtype=bool)
    places = np.flatnonzero(marked)
    result[np.searchsorted(tokens.offsets, places, side="right") - 1] = True
    return result


def _oov(tokens: Sequences, encoder: Encoder) -> _Share:
    lengths = tokens.lengths
    total = int(lengths.sum())
    if total == 0:
        return _Share(0.0, math.inf)
    unknown = _by_piece(tokens, lambda piece: _num_unknown(piece, encoder))
    share = float(unknown.sum() / total)
    if len(tokens) < 2:
        return _Share(share, math.inf)
    # Of a ratio of sums over reviews (Cochran, Sampling Techniques, 1977): words of one review hang together.
    residuals = unknown - share * lengths
    return _Share(share, float(np.sqrt((residuals**2).sum() * len(tokens) / (len(tokens) - 1)) / total))


def _num_unknown(tokens: Sequences, encoder: Encoder) -> Int64Array:
    """Words of each row that are out of the vocabulary, `(rows,)`."""
    is_unknown = tokens.values.astype(np.int64) + encoder.index_from >= encoder.num_words
    cumulative = np.concatenate([[0], np.cumsum(is_unknown)])
    unknown: Int64Array = cumulative[tokens.offsets[1:]] - cumulative[tokens.offsets[:-1]]
    return unknown


def _too_many_unknown(shares: Mapping[Split, _Share], bound: float) -> list[str]:
    quantile = normal_quantile(CONFIDENCE)
    train = shares["train"]
    found = []
    for name, share in shares.items():
        if share.value - quantile * share.error > bound:
            found.append(f"{share.value:.1%} of the words of {name} are out of the vocabulary")
        elif share.value - train.value - quantile * math.hypot(share.error, train.error) > _LARGEST_OOV_EXCESS:
            found.append(f"{name} was numbered by another vocabulary than train")
    return found
