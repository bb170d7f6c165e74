"""From a source's train and test reviews to the three splits of a snapshot."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from storage.errors import SourceError
from storage.options import DataOptions
from storage.records import Split
from storage.snapshots import Rows, row_ids
from tasks.sources.base import LabelledReviews, Reviews


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
    try:
        rest, chosen = train_test_split(
            np.arange(len(rows.ids)), test_size=size, stratify=rows.labels, random_state=seed
        )
    except ValueError as error:
        raise SourceError(
            f"{len(rows.ids):,} reviews are too few to set {size} of them aside in each class ({error})."
        ) from error
    return np.sort(rest), np.sort(chosen)
