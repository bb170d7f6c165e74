"""From a source's reviews to the three splits of a snapshot: stratified by label, or by what each review says."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from storage.errors import SourceError
from storage.options import DataOptions
from storage.records import SPLITS, Split
from storage.snapshots import Rows, row_ids
from tasks.sources.base import LabelledReviews, Reviews

_HASHES_AT_A_TIME = 2**16


def split_rows(reviews: Reviews, options: DataOptions, sample_size: int) -> dict[Split, Rows]:
    """Set validation rows aside: a seeded share of train, stratified by label, never the tail of the file.

    Args:
        reviews: The source's official train and test rows.
        options: The share and the seed.
        sample_size: Rows to keep of train and of test first, stratified; 0 keeps all.

    Raises:
        SourceError: There are too few rows to split.
    """
    train, test = (
        _sample(name, _rows(name, part), sample_size, options.split_seed)
        for name, part in (("train", reviews.train), ("test", reviews.test))
    )
    kept, validation = _stratified(train, options.validation_share, options.split_seed)
    return {"train": train.take(kept), "validation": train.take(validation), "test": test}


def split_by_content(
    hashes: npt.NDArray[np.uint64], declared: npt.NDArray[np.int8], options: DataOptions, sample_size: int
) -> npt.NDArray[np.int8]:
    """The split of each review, as its position in `SPLITS`, or -1 for one that is left out of a sample.

    A review without a split of its own gets one by a seeded hash of its words. It keeps its side when other reviews
    come, and a duplicate stands on the same side. An exact stratification cannot do that, since the share of a class
    changes with every review; but each class is split in the same shares, but for chance, and the check of the label
    balance measures what came of it.

    Args:
        hashes: Of the words of each review, `(rows,)`.
        declared: The split that the source gives each review, as its position in `SPLITS`, or -1, `(rows,)`.
        options: The shares and the seed.
        sample_size: Reviews to keep of train, validation included, and of test: those of the smallest hashes.
    """
    seed = options.split_seed
    is_test = (declared == SPLITS.index("test")) | (
        (declared < 0) & (_uniform(hashes, "test", seed) < options.test_share)
    )
    is_validation = declared == SPLITS.index("validation")
    if not is_validation.any():
        is_validation = ~is_test & (_uniform(hashes, "validation", seed) < options.validation_share)
    result = np.where(is_test, 2, np.where(is_validation, 1, 0)).astype(np.int8)
    if sample_size:
        drawn = _uniform(hashes, "sample", seed)
        for part in (is_test, ~is_test):
            rows = np.flatnonzero(part)
            result[rows[np.argsort(drawn[rows], kind="stable")[sample_size:]]] = -1
    return result


def _uniform(hashes: npt.NDArray[np.uint64], purpose: str, seed: int) -> npt.NDArray[np.float64]:
    """A number from 0 to below 1 for each hash, independent for each purpose and seed: float64 `(rows,)`."""
    key = f"{purpose} {seed}".encode()
    uniform = np.empty(len(hashes))
    for start in range(0, len(hashes), _HASHES_AT_A_TIME):
        part = slice(start, start + _HASHES_AT_A_TIME)
        # As they are written in ids, 16 hexadecimal digits.
        written = (f"{one:016x}".encode() for one in hashes[part].tolist())
        drawn = b"".join(hashlib.blake2b(one, digest_size=8, key=key).digest() for one in written)
        uniform[part] = np.frombuffer(drawn, dtype=">u8").astype(np.float64) / 2.0**64
    return uniform


def _rows(name: str, part: LabelledReviews) -> Rows:
    return Rows(ids=row_ids(name, part.tokens), labels=part.labels, tokens=part.tokens)


def _sample(name: str, rows: Rows, size: int, seed: int) -> Rows:
    if size == 0 or size == len(rows.ids):
        return rows
    # scikit-learn asks that a row of each class is left over.
    most = len(rows.ids) - 2
    if size > most:
        raise SourceError(
            f"a sample of {size:,} reviews was asked for, but {name} has {len(rows.ids):,}: ask for at most {most:,}, "
            "or for 0, which takes all."
        )
    return rows.take(_stratified(rows, size, seed)[1])


def _stratified(rows: Rows, size: float | int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of the rest and of `size` rows (a number, or a share), each in the order of the source."""
    from sklearn.model_selection import train_test_split

    try:
        rest, chosen = train_test_split(
            np.arange(len(rows.ids)), test_size=size, stratify=rows.labels, random_state=seed
        )
    except ValueError as error:
        raise SourceError(
            f"{len(rows.ids):,} reviews are too few to set {size} of them aside in each class ({error})."
        ) from error
    return np.sort(rest), np.sort(chosen)
