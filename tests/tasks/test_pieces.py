"""What is worked on in pieces gives what it gives at once, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pytest

from storage.matrices import Matrix, read_matrix, write_matrices
from storage.options import CheckOptions, ColumnOptions, DataOptions, FeatureOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, read_rows, row_ids, write_snapshot
from tasks.checks import DATA_CHECKS, run_checks
from tasks.checks.base import CheckedData
from tasks.evaluation.account import describe_split
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Limits
from tasks.sources.files import open_path
from tasks.sources.texts import TextPart, gather
from tests.reviews import reviews

Found = TypeVar("Found")

# Everything whose only purpose is to bound memory, but the rows that scikit-learn's scaler sees at once: in how many
# parts it sums decides the last bits of a mean.
BOUNDS = (
    "storage.sequences.PIECE_TOKENS",
    "storage.sequences._PIECE_ROWS",
    "storage.snapshots._GROUP_TOKENS",
    "storage.snapshots._IDS_AT_A_TIME",
    "storage.matrices._GROUP_TOKENS",
    "storage.matrices._GROUP_ROWS",
    "storage.spool._ROWS_AT_A_TIME",
    "tasks.checks.consistent_scaler._ROWS_AT_A_TIME",
    "tasks.checks.minhash._PAIRS_AT_A_TIME",
    "tasks.checks.minhash._SHINGLES_AT_A_TIME",
    "tasks.checks.places._IDS_AT_A_TIME",
    "tasks.sources.splits._HASHES_AT_A_TIME",
    "tasks.sources.texts._IDS_AT_A_TIME",
)


def in_pieces(size: int, work: Callable[[], Found]) -> Found:
    with pytest.MonkeyPatch.context() as patch:
        for name in BOUNDS:
            patch.setattr(name, size)
        return work()


def lists(tokens: Sequences) -> list[list[int]]:
    return [tokens.row(index).tolist() for index in range(len(tokens))]


def as_lists(rows: Rows) -> list[Sequence[object]]:
    ratings = [] if rows.ratings is None else rows.ratings.to_pylist()
    return [rows.ids.to_pylist(), rows.labels.tolist(), lists(rows.tokens), ratings]


def odd_rows() -> dict[Split, Rows]:
    """Reviews among which are repeated, leaked, nearly leaked and one-word ones."""
    random = np.random.default_rng(4)
    shared = [random.integers(1, 900, 40).tolist() for _ in range(12)]
    result: dict[Split, Rows] = {}
    for split, size in zip(SPLITS, (130, 50, 70), strict=True):
        drawn = [random.integers(1, 900, length).tolist() for length in random.integers(3, 60, size)]
        nearly = [[*one[:-1], size] for one in shared[:5]]
        tokens = Sequences.from_lists([*drawn, *shared[: size // 10], *nearly, [5] * 9, drawn[0]])
        rows = Rows(row_ids("file", tokens), (random.permutation(len(tokens)) % 2).astype(np.uint8), tokens)
        result[split] = replace(rows, ratings=pa.array([None] + [1] * (len(tokens) - 1), pa.int8()))
    return result


def checked(splits: dict[Split, Rows], reference: Rows) -> tuple[CheckResult, ...]:
    data = CheckedData(splits, *fit_and_featurize(splits, FeatureOptions(num_words=700)), reference=reference)
    return run_checks(DATA_CHECKS, data, CheckOptions())


@pytest.mark.parametrize("size", [1, 100])
def test_the_checks_find_the_same(size: int) -> None:
    splits = odd_rows()
    reference = splits["validation"]

    results = checked(splits, reference)

    assert in_pieces(size, lambda: checked(splits, reference)) == results
    assert {result.name for result in results if result.verdict == "pass"} >= {
        "train/test alignment",
        "consistent scaler",
    }
    leakage = next(result for result in results if result.name == "leakage")
    assert leakage.measured["test_in_train_same"]
    assert leakage.measured["test_in_train_nearly_same"]


@pytest.mark.parametrize("size", [1, 100])
def test_a_row_with_another_token_is_found_wherever_a_piece_ends(size: int) -> None:
    splits = odd_rows()
    matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions(num_words=700))
    fed = matrices["test"].sequences
    values = fed.values.copy()
    values[fed.offsets[61] - 1] += 1
    other = replace(matrices["test"], sequences=Sequences(values, fed.offsets))
    data = CheckedData(splits, {**matrices, "test": other}, encoder, scaler)

    results = run_checks(DATA_CHECKS, data, CheckOptions())

    assert in_pieces(size, lambda: run_checks(DATA_CHECKS, data, CheckOptions())) == results
    assert results[3].measured["test_sequences_misaligned"] == 1
    assert results[3].rows == (splits["test"].ids[60].as_py(),)


@pytest.mark.parametrize("size", [1, 100])
def test_a_snapshot_and_its_matrices_are_the_same_when_they_are_read_again(tmp_path: Path, size: int) -> None:
    splits = odd_rows()

    def write() -> tuple[str, str, str]:
        record = write_snapshot(tmp_path / str(size), splits, line="x", origin="", reason="", sha256="", split_seed=1)
        matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions(num_words=700))
        made = write_matrices(
            tmp_path / str(size),
            matrices,
            snapshot_id=record.id,
            encoder=encoder.to_json(),
            scaler=scaler.to_json(),
            tables=[describe_split(name, splits[name], encoder) for name in SPLITS],
        )
        return record.id, record.test_id, made

    def matrix(of: Matrix) -> list[Sequence[object]]:
        ids = (of.sequence_ids, of.feature_ids, of.label_ids)
        return [*(one.to_pylist() for one in ids), lists(of.sequences), of.features.tolist(), of.labels.tolist()]

    snapshot_id, test_id, matrices_id = in_pieces(size, write)

    assert (snapshot_id, test_id) == write()[:2]
    expected = fit_and_featurize(splits, FeatureOptions(num_words=700))[0]
    for split in SPLITS:
        assert as_lists(read_rows(tmp_path / str(size), snapshot_id, split)) == as_lists(splits[split])
        assert matrix(read_matrix(tmp_path / str(size), matrices_id, split)) == matrix(expected[split])


@pytest.mark.parametrize("size", [1, 100])
def test_texts_become_the_same_rows(tmp_path: Path, size: int) -> None:
    path = tmp_path / "reviews.jsonl"
    made = [{"text": one.text, "label": one.label} for one in reviews(120, seed=3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*made, *made[:5]]), encoding="utf-8")
    columns = ColumnOptions()
    part = TextPart("reviews", open_path(path, columns, Limits(2**20, 1000, 1000)), columns)

    def gathered(name: str) -> list[object]:
        found = gather([part], DataOptions(), 0, spool=tmp_path / name, quarantine=tmp_path / "refused.jsonl")
        said = [[text for batch in found.texts.batches[split]() for text in batch.to_pylist()] for split in SPLITS]
        return [said, *(as_lists(found.splits[split]) for split in SPLITS), found.texts.vocabulary]

    assert in_pieces(size, lambda: gathered("pieces")) == gathered("whole")
