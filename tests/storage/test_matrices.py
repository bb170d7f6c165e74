from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.accounts import SplitTable, Spread
from storage.content import MANIFEST
from storage.errors import ContentError
from storage.matrices import Matrix, read_featurized, read_matrix, write_matrices
from storage.records import SPLITS, Split
from storage.sequences import Sequences

Flip = Callable[[Path, int], None]

ENCODER = {"num_words": 100, "max_length": 3}
SCALER = {"mean": [0.1, -2.5], "scale": [1.0, 1e-300]}

SPREAD = Spread(1.5, 0.1, (0.0, 0.25, 0.5, 0.75, 1.0, 1 / 3))
TABLES = [SplitTable("train", 7, 3, 1, SPREAD, {"length": SPREAD})]


def matrix(name: str, num_rows: int) -> Matrix:
    """Ids differ from part to part: what a part was written with is what must come back."""
    chance = np.random.default_rng(num_rows)
    return Matrix(
        sequences=Sequences.from_lists([[row] * (row % 3) for row in range(num_rows)]),
        sequence_ids=pa.array([f"{name}/s{row}" for row in range(num_rows)]),
        features=chance.normal(size=(num_rows, 12)).astype(np.float32),
        feature_ids=pa.array([f"{name}/f{row}" for row in range(num_rows)]),
        labels=(np.arange(num_rows) % 2).astype(np.uint8),
        label_ids=pa.array([f"{name}/l{row}" for row in range(num_rows)]),
        scaler_digest=f"scaler of {name}",
        encoder_digest=f"encoder of {name}",
    )


@pytest.fixture
def matrices() -> dict[Split, Matrix]:
    return {"train": matrix("train", 7), "validation": matrix("validation", 1), "test": matrix("test", 4)}


def write(root: Path, matrices: dict[Split, Matrix]) -> str:
    return write_matrices(root, matrices, snapshot_id="s1", encoder=ENCODER, scaler=SCALER, tables=TABLES)


def test_matrices_come_back_as_they_were_written(tmp_path: Path, matrices: dict[Split, Matrix]) -> None:
    matrices_id = write(tmp_path, matrices)

    for name in SPLITS:
        actual, expected = read_matrix(tmp_path, matrices_id, name), matrices[name]
        assert len(actual) == len(expected)
        assert actual.sequences.padded(3).tolist() == expected.sequences.padded(3).tolist()
        assert actual.sequences.values.dtype == np.int32
        assert actual.features.dtype == np.float32
        assert actual.features.tobytes() == expected.features.tobytes()
        assert actual.labels.dtype == np.uint8
        assert actual.labels.tolist() == expected.labels.tolist()


def test_each_part_keeps_its_own_ids_and_digests(tmp_path: Path, matrices: dict[Split, Matrix]) -> None:
    matrices_id = write(tmp_path, matrices)

    for name in SPLITS:
        actual = read_matrix(tmp_path, matrices_id, name)
        assert actual.sequence_ids.to_pylist() == matrices[name].sequence_ids.to_pylist()
        assert actual.feature_ids.to_pylist() == matrices[name].feature_ids.to_pylist()
        assert actual.label_ids.to_pylist() == matrices[name].label_ids.to_pylist()
        assert actual.scaler_digest == f"scaler of {name}"
        assert actual.encoder_digest == f"encoder of {name}"


def test_features_keep_every_bit_even_of_what_is_no_number(tmp_path: Path, matrices: dict[Split, Matrix]) -> None:
    odd = np.array([[-0.0, np.nan], [np.inf, 1e-45], [-np.inf, 3.4e38], [0.1, -0.1]], dtype=np.float32)
    broken = matrices["test"]
    changed = Matrix(**{**vars(broken), "features": odd})

    matrices_id = write(tmp_path, {**matrices, "test": changed})

    assert read_matrix(tmp_path, matrices_id, "test").features.tobytes() == odd.tobytes()


def test_what_is_known_of_all_splits_is_read_without_loading_them(
    tmp_path: Path, matrices: dict[Split, Matrix]
) -> None:
    matrices_id = write(tmp_path, matrices)

    featurized = read_featurized(tmp_path, matrices_id)

    assert (featurized.id, featurized.snapshot_id) == (matrices_id, "s1")
    assert (featurized.encoder, featurized.scaler, featurized.tables) == (ENCODER, SCALER, tuple(TABLES))


def test_the_same_matrices_make_one_folder(tmp_path: Path, matrices: dict[Split, Matrix]) -> None:
    first = write(tmp_path, matrices)

    assert write(tmp_path, matrices) == first
    assert write(tmp_path, {**matrices, "test": matrix("test", 5)}) != first
    assert len(list(tmp_path.iterdir())) == 2


def test_any_damage_is_refused(tmp_path: Path, matrices: dict[Split, Matrix], flip: Flip) -> None:
    matrices_id = write(tmp_path, matrices)
    files = sorted((tmp_path / matrices_id).iterdir())

    assert len(files) == 3 * len(SPLITS) + 1
    for file in files:
        size = file.stat().st_size
        for position in (0, size // 3, size // 2, size - 1):
            flip(file, position)
            with pytest.raises(ContentError, match=file.name):
                read_featurized(tmp_path, matrices_id)
            flip(file, position)
    assert read_featurized(tmp_path, matrices_id)


@pytest.mark.parametrize("name", ["train-sequences.parquet", "validation-labels.parquet", MANIFEST])
def test_a_missing_file_is_refused(tmp_path: Path, matrices: dict[Split, Matrix], name: str) -> None:
    matrices_id = write(tmp_path, matrices)
    (tmp_path / matrices_id / name).unlink()

    with pytest.raises(ContentError, match=name):
        read_featurized(tmp_path, matrices_id)


def test_matrices_under_another_name_are_refused(tmp_path: Path, matrices: dict[Split, Matrix]) -> None:
    (tmp_path / write(tmp_path, matrices)).rename(tmp_path / "another")

    with pytest.raises(ContentError, match="its hash is not another"):
        read_featurized(tmp_path, "another")
