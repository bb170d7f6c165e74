from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from storage.matrices import Matrix
from storage.options import CheckOptions, FeatureOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows
from tasks.checks.alignment import check_alignment
from tasks.checks.base import CheckedData
from tasks.features.matrices import fit_and_featurize

PARTS = {"sequence ids", "feature ids", "label ids", "labels", "sequences", "length features"}


def check(data: CheckedData) -> CheckResult:
    return check_alignment(data, CheckOptions())


def with_matrix(data: CheckedData, split: Split, **changes: Any) -> CheckedData:
    return replace(data, matrices={**data.matrices, split: replace(data.matrices[split], **changes)})


def misaligned(result: CheckResult, split: Split) -> dict[str, int]:
    """The parts of a split in which rows are out of place, and how many; all other splits are in order."""
    found = {name: int(count) for name, count in result.measured.items() if count}
    assert all(name.startswith(f"{split}_") for name in found)
    assert result.verdict == ("fail" if found else "pass")
    return {name.removeprefix(f"{split}_").removesuffix("_misaligned"): count for name, count in found.items()}


def swapped(num_rows: int, first: int, second: int) -> npt.NDArray[np.int64]:
    order = np.arange(num_rows)
    order[[first, second]] = order[[second, first]]
    return order


def shuffled(num_rows: int) -> npt.NDArray[np.int64]:
    return np.roll(np.arange(num_rows), 1)


@pytest.fixture(params=SPLITS)
def split(request: pytest.FixtureRequest) -> Split:
    split: Split = request.param
    return split


@pytest.fixture
def matrix(checked_data: CheckedData, split: Split) -> Matrix:
    return checked_data.matrices[split]


def test_aligned_data_passes(checked_data: CheckedData) -> None:
    result = check(checked_data)
    assert (result.name, result.verdict, result.rows) == ("train/test alignment", "pass", ())
    assert result.measured == {f"{split}_{part}_misaligned": 0 for split in SPLITS for part in PARTS}
    assert "all 220 rows" in result.evidence


def test_cut_reviews_are_allowed_for(splits: dict[Split, Rows]) -> None:
    matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions(num_words=1000, max_length_percentile=30))
    assert (splits["test"].tokens.lengths > encoder.max_length).mean() > 0.5
    assert check(CheckedData(splits, matrices, encoder, scaler)).verdict == "pass"


# Labels.


def test_shuffled_labels_are_named(checked_data: CheckedData, split: Split, matrix: Matrix) -> None:
    labels = np.roll(matrix.labels, 1)
    num_wrong = int((labels != matrix.labels).sum())
    result = check(with_matrix(checked_data, split, labels=labels))
    assert misaligned(result, split) == {"labels": num_wrong}
    assert f"{num_wrong} of {len(matrix)} labels of {split}" in result.evidence


def test_labels_shuffled_with_their_ids_are_named(checked_data: CheckedData, split: Split, matrix: Matrix) -> None:
    positive = np.flatnonzero(matrix.labels)[:2]
    order = swapped(len(matrix), *positive)  # two reviews of one class: the labels alone look right
    result = check(
        with_matrix(checked_data, split, labels=matrix.labels[order], label_ids=matrix.label_ids.take(pa.array(order)))
    )
    assert misaligned(result, split) == {"label ids": 2}
    assert result.rows == tuple(checked_data.rows[split].ids.take(pa.array(positive)).to_pylist())


def test_one_wrong_label_is_found(checked_data: CheckedData, split: Split, matrix: Matrix) -> None:
    labels = matrix.labels.copy()
    labels[11] = 1 - labels[11]
    result = check(with_matrix(checked_data, split, labels=labels))
    assert misaligned(result, split) == {"labels": 1}
    assert result.rows == (checked_data.rows[split].ids[11].as_py(),)


# Features.


def test_a_shuffled_feature_matrix_is_named_though_its_ids_are_right(
    checked_data: CheckedData, split: Split, matrix: Matrix
) -> None:
    order = shuffled(len(matrix))
    lengths = checked_data.rows[split].tokens.lengths + 1
    fed = np.minimum(lengths, checked_data.encoder.max_length)
    is_cut = lengths >= checked_data.encoder.max_length
    visible = np.where(is_cut, lengths[order] < fed, lengths[order] != fed)
    result = check(with_matrix(checked_data, split, features=matrix.features[order]))
    assert misaligned(result, split) == {"length features": int(visible.sum())}
    assert visible.sum() > len(matrix) / 2


def test_a_feature_matrix_shuffled_with_its_ids_is_named(
    checked_data: CheckedData, split: Split, matrix: Matrix
) -> None:
    order = shuffled(len(matrix))
    ids = matrix.feature_ids.take(pa.array(order))
    result = check(with_matrix(checked_data, split, features=matrix.features[order], feature_ids=ids))
    assert misaligned(result, split)["feature ids"] == len(matrix)


@pytest.mark.parametrize(("tokens", "verdict"), [(0.05, "pass"), (1, "fail"), (-1, "fail")])
def test_a_length_feature_is_right_to_the_token(
    checked_data: CheckedData, split: Split, matrix: Matrix, tokens: float, verdict: str
) -> None:
    row = int(matrix.sequences.lengths.argmin())
    features = matrix.features.copy()
    features[row, 0] += tokens / checked_data.scaler.scale[0]
    assert check(with_matrix(checked_data, split, features=features)).verdict == verdict


@pytest.mark.parametrize(("tokens", "verdict"), [(0, "pass"), (500, "pass"), (-1, "fail")])
def test_a_cut_review_was_at_least_as_long_as_what_is_left_of_it(
    checked_data: CheckedData, split: Split, matrix: Matrix, tokens: float, verdict: str
) -> None:
    row = int(matrix.sequences.lengths.argmax())
    max_length = checked_data.encoder.max_length
    assert matrix.sequences.lengths[row] == max_length
    features = matrix.features.copy()
    features[row, 0] = (max_length + tokens - checked_data.scaler.mean[0]) / checked_data.scaler.scale[0]
    assert check(with_matrix(checked_data, split, features=features)).verdict == verdict


# Sequences.


def test_sequences_of_other_documents_of_the_same_class_are_found_though_all_ids_are_right(
    checked_data: CheckedData, split: Split, matrix: Matrix
) -> None:
    # Bingyu & Arefyev (2022): such pairs raise the score, so no score would show it.
    order = np.arange(len(matrix))
    for label in (0, 1):
        of_class = np.flatnonzero(matrix.labels == label)
        order[of_class] = np.roll(of_class, 1)
    assert (matrix.labels[order] == matrix.labels).all()
    result = check(with_matrix(checked_data, split, sequences=matrix.sequences.take(order)))
    assert misaligned(result, split)["sequences"] > len(matrix) / 2


def test_sequences_of_other_documents_of_equal_length_are_found(
    checked_data: CheckedData, split: Split, matrix: Matrix
) -> None:
    longest = np.flatnonzero(matrix.sequences.lengths == checked_data.encoder.max_length)[:2]
    order = swapped(len(matrix), *longest)
    result = check(with_matrix(checked_data, split, sequences=matrix.sequences.take(order)))
    assert misaligned(result, split) == {"sequences": 2}


def test_sequences_shuffled_with_their_ids_are_named(checked_data: CheckedData, split: Split, matrix: Matrix) -> None:
    order = shuffled(len(matrix))
    ids = matrix.sequence_ids.take(pa.array(order))
    result = check(with_matrix(checked_data, split, sequences=matrix.sequences.take(order), sequence_ids=ids))
    assert misaligned(result, split)["sequence ids"] == len(matrix)


def test_one_other_token_is_found(checked_data: CheckedData, split: Split, matrix: Matrix) -> None:
    values = matrix.sequences.values.copy()
    values[matrix.sequences.offsets[7] + 2] += 1
    result = check(with_matrix(checked_data, split, sequences=Sequences(values, matrix.sequences.offsets)))
    assert misaligned(result, split) == {"sequences": 1}
    assert result.rows == (checked_data.rows[split].ids[7].as_py(),)


def test_reviews_cut_at_the_other_end_are_found(checked_data: CheckedData, split: Split) -> None:
    whole = checked_data.encoder.encode(checked_data.rows[split].tokens)
    lengths = np.minimum(whole.lengths, checked_data.encoder.max_length)
    first = Sequences.from_lists([whole.row(index)[:length].tolist() for index, length in enumerate(lengths)])
    num_cut = int((whole.lengths > lengths).sum())
    assert num_cut > 0
    assert misaligned(check(with_matrix(checked_data, split, sequences=first)), split) == {"sequences": num_cut}


# Everything together, and counts.


def test_a_whole_matrix_in_another_order_than_the_snapshot_is_named(
    checked_data: CheckedData, split: Split, matrix: Matrix
) -> None:
    order = shuffled(len(matrix))
    ids = matrix.label_ids.take(pa.array(order))
    changed = with_matrix(
        checked_data,
        split,
        sequences=matrix.sequences.take(order),
        features=matrix.features[order],
        labels=matrix.labels[order],
        sequence_ids=ids,
        feature_ids=ids,
        label_ids=ids,
    )
    found = misaligned(check(changed), split)
    assert {"sequence ids", "feature ids", "label ids", "labels", "sequences"} <= found.keys()


@pytest.mark.parametrize("part", ["sequences", "features", "labels"])
def test_a_part_with_fewer_rows_is_named(checked_data: CheckedData, split: Split, matrix: Matrix, part: str) -> None:
    kept = np.arange(len(matrix) - 3)
    shorter = {
        "sequences": matrix.sequences.take(kept),
        "features": matrix.features[kept],
        "labels": matrix.labels[kept],
    }[part]
    result = check(with_matrix(checked_data, split, **{part: shorter}))
    assert misaligned(result, split) == {"row counts": len(matrix)}
    assert f"row counts of {split}" in result.evidence


@pytest.mark.parametrize("part", ["sequence", "feature", "label"])
def test_a_part_with_more_rows_and_ids_is_named(
    checked_data: CheckedData, split: Split, matrix: Matrix, part: str
) -> None:
    order = np.append(np.arange(len(matrix)), 0)
    values: dict[str, Any] = {
        "sequence": {"sequences": matrix.sequences.take(order)},
        "feature": {"features": matrix.features[order]},
        "label": {"labels": matrix.labels[order]},
    }[part]
    ids = {f"{part}_ids": matrix.label_ids.take(pa.array(order))}
    found = misaligned(check(with_matrix(checked_data, split, **values, **ids)), split)
    assert found == {f"{part} ids": 1, "row counts": len(matrix) + 1}


def test_a_missing_id_is_not_the_right_one(checked_data: CheckedData, split: Split, matrix: Matrix) -> None:
    ids = matrix.feature_ids.to_pylist()
    ids[5] = None
    result = check(with_matrix(checked_data, split, feature_ids=pa.array(ids, pa.string())))
    assert misaligned(result, split) == {"feature ids": 1}


def test_at_most_20_offending_rows_are_listed_and_they_are_the_first(checked_data: CheckedData) -> None:
    changed = checked_data
    for split in SPLITS:
        changed = with_matrix(changed, split, labels=1 - changed.matrices[split].labels)
    result = check(changed)
    assert result.rows == tuple(checked_data.rows["train"].ids.to_pylist()[:20])
