"""Leakage: no text of one split stands in another one, and none is there many times, or with both labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storage.options import CheckOptions
from storage.records import SPLITS, CheckResult, CheckVerdict, Split
from storage.sequences import Sequences, spooled
from storage.snapshots import Rows
from tasks.checks.base import MAX_OFFENDING_ROWS, CheckedData
from tasks.checks.effects import CONFIDENCE
from tasks.checks.identical import identical, numbered
from tasks.checks.minhash import WORDS_PER_SHINGLE, near_pairs
from tasks.evaluation.bounds import exact_lower_bound
from tasks.features.encoding import Encoder

BoolArray = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

# A review with fewer words that the vocabulary knows says too little to be called the same as another.
_FEWEST_KNOWN_WORDS = WORDS_PER_SHINGLE
_LEVELS = ("same", "same_once_encoded", "nearly_same")


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of all splits that have words.

    Attributes:
        tokens: `(rows, ragged)`.
        labels: uint8 `(rows,)`.
        splits: Which of `SPLITS` each row is in, `(rows,)`.
        positions: Its position there, `(rows,)`.
    """

    tokens: Sequences
    labels: npt.NDArray[np.uint8]
    splits: Int64s
    positions: Int64s


@dataclass(frozen=True, eq=False)
class _Texts:
    """Different texts, however many rows have them: a text that stands there a thousand times is compared once.

    Attributes:
        of_row: The text of each row, `(rows,)`.
        readings: What the encoder makes of each text, numbered, `(texts,)`: equal numbers are equal to a model.
        places: For each level, which splits have the text, or one that counts as the same: bool `(splits, texts)`.
    """

    of_row: Int64s
    readings: Int64s
    places: Mapping[str, BoolArray]


@dataclass(frozen=True)
class _Kind:
    """One way in which rows are wrong: which, and what the configuration allows."""

    words: str
    wrong: BoolArray
    bound: float


def check_leakage(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Find texts that are the same, the same once encoded and cut, or nearly the same, by their word 5-grams.

    A test row that was trained on is no test, and a model that has seen a review with both labels can only learn it by
    heart. Any that are found warn; a share of rows beyond its bound, at 99.9 % confidence, fails, so that one row of a
    small split does not. Empty reviews are not compared: they are degenerate, not leaked.
    """
    rows = _all_rows(data.rows, data.scratch)
    texts = _texts(rows, data, options.near_duplicate_similarity)
    leaks = {level: _elsewhere(rows, texts, level) for level in _LEVELS}
    kinds = {
        "leaked": _Kind(
            "are in another split too", np.logical_or.reduce(leaks["nearly_same"]), options.max_leaked_share
        ),
        "repeated": _Kind("repeat another one of it", _repeated(rows, texts), options.max_repeated_share),
        "contradicting": _Kind("are there with both labels", _both(rows, texts), options.max_contradicting_share),
    }
    measured: dict[str, float | int | str] = dict(_pair_counts(rows, leaks))
    wrong: list[str] = []
    for name, kind in kinds.items():
        for number, split in enumerate(SPLITS):
            num_rows = len(data.rows[split].tokens)
            count = int((kind.wrong & (rows.splits == number)).sum())
            measured[f"{split}_{name}"] = count
            if count and exact_lower_bound(count, num_rows, 1 - CONFIDENCE) > kind.bound:
                wrong.append(f"{count / num_rows:.1%} of the rows of {split} {kind.words}")
    found = any(kind.wrong.any() for kind in kinds.values())
    verdict: CheckVerdict = "fail" if wrong else "warn" if found else "pass"
    told = [*wrong, *_pairs_in_words(measured), *_rest_in_words(measured)]
    return CheckResult(
        "leakage",
        verdict,
        measured,
        f"rows in another split too at most {options.max_leaked_share:.1%}, repeated at most "
        f"{options.max_repeated_share:.1%}, with both labels at most {options.max_contradicting_share:.1%} of a split, "
        f"at {CONFIDENCE:.1%} confidence; nearly the same from {options.near_duplicate_similarity:g} on",
        "; ".join(told) or f"all {len(rows.labels):,} texts are different",
        _ids(data.rows, rows, kinds),
    )


def _all_rows(splits: Mapping[Split, Rows], scratch: Path | None) -> _Rows:
    # Where a split's parts differ in size, what is common to them is read: alignment says so.
    sizes = [min(len(rows.tokens), len(rows.labels), len(rows.ids)) for rows in (splits[name] for name in SPLITS)]
    parts = [splits[name].tokens.between(0, size) for name, size in zip(SPLITS, sizes, strict=True)]
    tokens = spooled((piece for part in parts for _, piece in part.pieces()), scratch)
    labels = np.concatenate([splits[name].labels[:size] for name, size in zip(SPLITS, sizes, strict=True)])
    kept = np.flatnonzero(tokens.lengths)
    positions = np.concatenate([np.arange(size) for size in sizes])
    return _Rows(
        # Rows without words have no tokens to leave out.
        tokens=Sequences.from_lengths(tokens.values, tokens.lengths[kept]),
        labels=labels[kept],
        splits=np.repeat(np.arange(len(SPLITS)), sizes)[kept],
        positions=positions[kept],
    )


def _texts(rows: _Rows, data: CheckedData, similarity: float) -> _Texts:
    of_row = identical(rows.tokens)
    firsts = _firsts(of_row)
    is_all = len(firsts) == len(of_row)
    tokens = rows.tokens if is_all else spooled(rows.tokens.take_in_pieces(firsts), data.scratch)
    same = np.zeros((len(SPLITS), len(firsts)), dtype=bool)
    same[rows.splits, of_row] = True
    readings = _readings(tokens, data.encoder)
    of_reading = np.zeros((len(SPLITS), len(firsts)), dtype=bool)
    for number, here in enumerate(same):
        of_reading[number, readings[here]] = True
    once_encoded = of_reading[:, readings]
    nearly = once_encoded.copy()
    first, second = near_pairs(tokens, similarity, same, data.scratch)
    for one, other in ((first, second), (second, first)):
        for number in range(len(SPLITS)):
            nearly[number, one[same[number, other]]] = True
    return _Texts(of_row, readings, dict(zip(_LEVELS, (same, once_encoded, nearly), strict=True)))


def _firsts(numbers: Int64s) -> Int64s:
    """Where each number stands first, of numbers from 0."""
    firsts = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=np.int64)
    # Of several rows with one number the last that is written stays: the first of all.
    firsts[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return firsts


def _readings(tokens: Sequences, encoder: Encoder) -> Int64s:
    says_little = np.zeros(len(tokens), dtype=bool)

    def fed() -> Iterator[Sequences]:
        for part, piece in tokens.pieces():
            read = encoder.truncate(encoder.encode(piece))
            is_known = (read.values != encoder.oov_index) & (read.values != encoder.start_index)
            num_known = np.bincount(read.row_numbers[is_known], minlength=len(read))
            says_little[part] = num_known < _FEWEST_KNOWN_WORDS
            yield read

    readings = numbered(fed())
    # Numbers that no other reading has: there are as many free ones as there are texts that give theirs up.
    is_free = np.ones(len(tokens), dtype=bool)
    is_free[readings[~says_little]] = False
    readings[says_little] = np.flatnonzero(is_free)[: int(says_little.sum())]
    return readings


def _elsewhere(rows: _Rows, texts: _Texts, level: str) -> BoolArray:
    """Whether a row's text is in each of the other splits, `(splits, rows)`."""
    found = texts.places[level][:, texts.of_row]
    found[rows.splits, np.arange(len(rows.splits))] = False
    return found


def _repeated(rows: _Rows, texts: _Texts) -> BoolArray:
    """Rows that say what an earlier row of their split says."""
    seen = texts.readings[texts.of_row] * len(SPLITS) + rows.splits
    # Numbers that nothing bears have a first place too, the row 0: it repeats nothing.
    repeated = np.ones(len(seen), dtype=bool)
    repeated[_firsts(seen)] = False
    return repeated


def _both(rows: _Rows, texts: _Texts) -> BoolArray:
    """Rows whose text is there with the other label too, in whatever split."""
    readings = texts.readings[texts.of_row]
    has_label = np.zeros((2, int(readings.max(initial=0)) + 1), dtype=bool)
    has_label[(rows.labels == 1).astype(np.int64), readings] = True
    both: BoolArray = (has_label[0] & has_label[1])[readings]
    return both


def _pair_counts(rows: _Rows, leaks: Mapping[str, BoolArray]) -> Iterator[tuple[str, int]]:
    """Rows of each split that are in each other split, at each level those that no stricter level has."""
    stricter = np.zeros_like(leaks["same"])
    for level in _LEVELS:
        only = leaks[level] & ~stricter
        stricter |= leaks[level]
        for number, split in enumerate(SPLITS):
            for elsewhere, other in enumerate(SPLITS):
                if split != other:
                    yield f"{split}_in_{other}_{level}", int((only[elsewhere] & (rows.splits == number)).sum())


def _pairs_in_words(measured: Mapping[str, float | int | str]) -> Iterator[str]:
    for split, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        counts = [int(measured[f"{split}_in_{other}_{level}"]) for level in _LEVELS]
        if any(counts):
            same, encoded, nearly = counts
            yield (
                f"{sum(counts):,} rows of {split} are in {other} ({same:,} the same, {encoded:,} once encoded, "
                f"{nearly:,} nearly)"
            )


def _rest_in_words(measured: Mapping[str, float | int | str]) -> Iterator[str]:
    for name, words in (("repeated", "repeated within their split"), ("contradicting", "with both labels")):
        counts = [f"{split} {int(measured[f'{split}_{name}']):,}" for split in SPLITS if measured[f"{split}_{name}"]]
        if counts:
            yield f"{words}: {', '.join(counts)}"


def _ids(splits: Mapping[Split, Rows], rows: _Rows, kinds: Mapping[str, _Kind]) -> tuple[str, ...]:
    """Of test before validation before train: there a leak does most harm."""
    ids: dict[str, None] = {}
    for kind in kinds.values():
        for number in reversed(range(len(SPLITS))):
            positions = rows.positions[kind.wrong & (rows.splits == number)][:MAX_OFFENDING_ROWS]
            ids |= {str(splits[SPLITS[number]].ids[int(position)]): None for position in positions}
    return tuple(ids)[:MAX_OFFENDING_ROWS]
