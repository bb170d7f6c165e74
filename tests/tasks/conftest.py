"""What the tests of the libraries below `tasks/` share: small reviews, small files, and the real data where it is.

Nothing here imports Keras: the tests that need it import it within a helper of theirs, so that collecting is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest

from storage.options import FeatureOptions
from storage.records import SPLITS, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks.base import CheckedData
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Reviews
from tasks.sources.keras_imdb import read_imdb

# On a busy machine an example may take long without anything being wrong.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

GOOD_ARRAYS: Mapping[str, list[Any]] = {
    "x_train": [[1, 2], [3], [4, 5, 6], [7, 7]],
    "y_train": [0, 1, 0, 1],
    "x_test": [[8], [9, 10]],
    "y_test": [1, 0],
}


@pytest.fixture(scope="session")
def keras_prepared() -> None:
    """Keras, imported the way the project does it."""
    from tasks.training.runtime import prepare_keras

    prepare_keras()


@pytest.fixture(scope="session")
def imdb_reviews(imdb_file: Path) -> Reviews:
    """The real reviews, read once."""
    return read_imdb(imdb_file, line="imdb", reason="a test asked for it", max_bytes=2**30)


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., Path]:
    """Write a small good .npz file in Keras' layout; arrays given by name stand in for the good ones, None leaves out.

    A list of reviews becomes an object array, as in Keras' file; an array is written as it is.
    """

    def write(name: str = "reviews.npz", *, compressed: bool = False, **arrays: Any) -> Path:
        given = {**GOOD_ARRAYS, **arrays}
        stored = {key: _array(key, value) for key, value in given.items() if value is not None}
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save: Callable[..., None] = np.savez_compressed if compressed else np.savez
        save(path, **stored)
        return path

    return write


def _array(key: str, value: Any) -> npt.NDArray[Any]:
    if isinstance(value, np.ndarray) or key.startswith("y"):
        return np.asarray(value)
    array = np.empty(len(value), dtype=object)
    for index, row in enumerate(value):
        array[index] = row
    return array


@pytest.fixture(scope="session")
def make_sequences() -> Callable[..., Sequences]:
    """Random sequences of given lengths, of tokens from 1 to below `end`."""

    def make(lengths: Sequence[int], *, end: int = 900, seed: int = 0) -> Sequences:
        values = np.random.default_rng(seed).integers(1, end, sum(lengths)).astype(np.int32)
        return Sequences.from_lengths(values, np.array(lengths, dtype=np.int64))

    return make


@pytest.fixture(scope="session")
def splits(make_sequences: Callable[..., Sequences]) -> dict[Split, Rows]:
    """Three small splits of random reviews of 5 to 60 words, as many of each label, in random order."""
    result: dict[Split, Rows] = {}
    for seed, (split, rows) in enumerate(zip(SPLITS, (120, 40, 60), strict=True)):
        random = np.random.default_rng(seed)
        tokens = make_sequences(random.integers(5, 61, rows).tolist(), seed=seed)
        result[split] = Rows(row_ids(split, tokens), (random.permutation(rows) % 2).astype(np.uint8), tokens)
    return result


@pytest.fixture(scope="session")
def checked_data(splits: dict[Split, Rows]) -> CheckedData:
    """The three small splits and what featurization makes of them: nothing is wrong with it; a tenth is cut."""
    matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions(num_words=1000))
    return CheckedData(splits, matrices, encoder, scaler)
