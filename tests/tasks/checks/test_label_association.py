from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from storage.options import CheckOptions, DataOptions, FeatureOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks.base import CheckedData
from tasks.checks.label_association import check_label_association
from tasks.features.matrices import fit_and_featurize
from tasks.features.review_features import FEATURE_NAMES
from tasks.features.vocabulary import Vocabulary
from tasks.sources.base import Reviews
from tasks.sources.splits import split_rows

MARK = 995
NUM_ROWS = 400


def check(data: CheckedData, **options: float) -> CheckResult:
    return check_label_association(data, CheckOptions.model_validate(options))


def with_marks(
    data: CheckedData, split: Split, marked: npt.NDArray[np.bool_], labels: npt.NDArray[np.uint8]
) -> CheckedData:
    """A split of random reviews, a mark at the start of some of them."""
    random = np.random.default_rng(5)
    reviews = [([MARK] if mark else []) + random.integers(1, 900, 30).tolist() for mark in marked]
    tokens = Sequences.from_lists(reviews)
    rows = {**data.rows, split: Rows(row_ids(split, tokens), labels, tokens)}
    matrices, encoder, scaler = fit_and_featurize(rows, FeatureOptions(num_words=1000, max_length_percentile=100))
    return CheckedData(rows, matrices, encoder, scaler)


def balanced(num_rows: int = NUM_ROWS) -> npt.NDArray[np.uint8]:
    return (np.random.default_rng(1).permutation(num_rows) % 2).astype(np.uint8)


def with_features(data: CheckedData, split: Split, features: npt.NDArray[np.float32]) -> CheckedData:
    return replace(data, matrices={**data.matrices, split: replace(data.matrices[split], features=features)})


@pytest.fixture(params=SPLITS)
def split(request: pytest.FixtureRequest) -> Split:
    split: Split = request.param
    return split


@pytest.fixture
def larger(checked_data: CheckedData, split: Split) -> CheckedData:
    """One split of 400 unmarked reviews, which are enough to show something."""
    return with_marks(checked_data, split, np.zeros(NUM_ROWS, dtype=bool), balanced())


def test_random_words_and_labels_pass(checked_data: CheckedData) -> None:
    result = check(checked_data)
    assert (result.name, result.verdict, result.rows) == ("label association", "pass", ())
    assert result.evidence.startswith("the best single predictor is ")
    assert {f"{name}_{kind}_auc" for name in SPLITS for kind in ("feature", "word")} <= result.measured.keys()


@pytest.mark.parametrize("label", [0, 1])
def test_a_word_that_marks_one_class_fails_and_is_named(checked_data: CheckedData, split: Split, label: int) -> None:
    labels = balanced()
    result = check(with_marks(checked_data, split, labels == label, labels))
    assert result.verdict == "fail"
    assert f"the word of rank {MARK} (index {MARK + 3}) in {split} (AUC 1.000" in result.evidence
    assert result.measured[f"{split}_word_auc"] == 1


def test_the_auc_of_a_word_is_half_of_one_and_the_difference_of_shares(checked_data: CheckedData) -> None:
    labels = balanced()
    marked = labels == 1
    marked[np.flatnonzero(marked)[:20]] = False  # 180 of 200
    marked[np.flatnonzero(labels == 0)[:30]] = True  # 30 of 200
    result = check(with_marks(checked_data, "train", marked, labels))
    assert result.measured["train_word_auc"] == pytest.approx((1 + 0.9 - 0.15) / 2)


@pytest.mark.parametrize(("num_wrong", "verdict"), [(7, "fail"), (9, "pass")])
def test_the_bound_is_held_against_what_is_sure(checked_data: CheckedData, num_wrong: int, verdict: str) -> None:
    # 391 of 400 right are 97.8 %, of which 95 % is not yet sure at 99.9 %.
    labels = balanced()
    marked = labels == 1
    marked[np.flatnonzero(marked)[:num_wrong]] = False
    data = with_marks(checked_data, "train", marked, labels)
    assert check(data).verdict == verdict
    assert check(data, max_association=0.9).verdict == "fail"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("index", range(len(FEATURE_NAMES)))
def test_a_feature_made_from_the_label_fails_and_is_named(
    larger: CheckedData, split: Split, index: int, sign: int
) -> None:
    matrix = larger.matrices[split]
    features = matrix.features.copy()
    features[:, index] = sign * (matrix.labels + np.random.default_rng(0).normal(0, 0.1, len(features)))
    result = check(with_features(larger, split, features))
    assert result.verdict == "fail"
    assert result.evidence.startswith(f"the feature {FEATURE_NAMES[index]} in {split} (AUC 1.000")


@pytest.mark.parametrize(("noise", "verdict"), [(1.0, "pass"), (0.2, "fail")])
def test_a_feature_may_know_something_of_the_label(
    larger: CheckedData, split: Split, noise: float, verdict: str
) -> None:
    matrix = larger.matrices[split]
    features = matrix.features.copy()
    features[:, 2] = matrix.labels + np.random.default_rng(0).normal(0, noise, len(features))
    assert check(with_features(larger, split, features)).verdict == verdict


def test_a_few_rows_prove_nothing(checked_data: CheckedData) -> None:
    labels = balanced(40)
    result = check(with_marks(checked_data, "validation", labels == 1, labels))
    assert (result.verdict, result.measured["validation_word_auc"]) == ("pass", 1)


# The order of the rows.


def with_order(data: CheckedData, labels: npt.NDArray[np.uint8]) -> CheckedData:
    changed = with_marks(data, "train", np.zeros(len(labels), dtype=bool), labels)
    assert len(changed.rows["train"].ids) == len(labels)
    return changed


def test_a_sorted_file_warns(checked_data: CheckedData) -> None:
    result = check(with_order(checked_data, np.sort(balanced())))
    assert result.verdict == "warn"
    assert result.measured["train_place_auc"] == 1
    assert float(result.measured["train_equal_neighbours"]) == pytest.approx(398 / 399)
    assert "the place in the file train (AUC 1.000" in result.evidence
    assert "the same label as the row before in the file train" in result.evidence


def test_a_file_of_labels_in_turn_warns(checked_data: CheckedData) -> None:
    result = check(with_order(checked_data, (np.arange(NUM_ROWS) % 2).astype(np.uint8)))
    assert result.verdict == "warn"
    assert result.measured["train_equal_neighbours"] == 0
    assert "the other label as the row before in the file train" in result.evidence


def test_a_file_in_random_order_passes(checked_data: CheckedData) -> None:
    result = check(with_order(checked_data, balanced()))
    assert result.verdict == "pass"
    assert float(result.measured["train_equal_neighbours"]) == pytest.approx(0.5, abs=0.1)


# What does not fit together.


@pytest.mark.parametrize("part", ["labels", "features", "sequences"])
def test_parts_of_different_size_do_not_raise(checked_data: CheckedData, part: str) -> None:
    changed = checked_data
    for name in SPLITS:
        matrix = checked_data.matrices[name]
        shorter: Any = matrix.sequences.take(np.arange(5)) if part == "sequences" else getattr(matrix, part)[:5]
        changed = replace(changed, matrices={**changed.matrices, name: replace(matrix, **{part: shorter})})
    result = check(changed)
    assert (result.verdict == "warn") == (part == "labels")


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_not_measured_and_that_is_said(checked_data: CheckedData, label: int) -> None:
    matrices = {
        name: replace(matrix, labels=np.full_like(matrix.labels, label))
        for name, matrix in checked_data.matrices.items()
    }
    result = check(replace(checked_data, matrices=matrices))
    assert result.verdict == "warn"
    assert "nothing could be measured" in result.evidence


@pytest.mark.parametrize("num_rows", [0, 1, 2])
def test_splits_with_hardly_a_row_do_not_raise(checked_data: CheckedData, num_rows: int) -> None:
    rows = {name: part.take(np.arange(num_rows)) for name, part in checked_data.rows.items()}
    matrices = {
        name: replace(
            matrix,
            sequences=matrix.sequences.take(np.arange(num_rows)),
            features=matrix.features[:num_rows],
            labels=np.arange(num_rows).astype(np.uint8),
        )
        for name, matrix in checked_data.matrices.items()
    }
    result = check(replace(checked_data, rows=rows, matrices=matrices))
    assert result.verdict == ("pass" if num_rows == 2 else "warn")
    assert all(np.isfinite(value) for value in result.measured.values() if not isinstance(value, str))


def test_what_is_no_number_is_no_predictor(larger: CheckedData, split: Split) -> None:
    features = larger.matrices[split].features.copy()
    features[0, :] = np.nan
    features[:, 3] = np.where(larger.matrices[split].labels == 1, np.inf, -np.inf)
    result = check(with_features(larger, split, features))
    assert result.measured[f"{split}_feature"] == f"the feature mean_index in {split}"
    features[5, 3] = np.nan
    assert f"{split}_feature" not in check(with_features(larger, split, features)).measured


def test_odd_ids_and_indices_do_not_raise(checked_data: CheckedData) -> None:
    rows = {name: replace(part, ids=pa.nulls(len(part.ids), pa.string())) for name, part in checked_data.rows.items()}
    matrix = checked_data.matrices["train"]
    values = matrix.sequences.values.copy()
    values[:3] = (-7, 1000, 2**31 - 1)
    odd = replace(matrix, sequences=Sequences(values, matrix.sequences.offsets))
    result = check(replace(checked_data, rows=rows, matrices={**checked_data.matrices, "train": odd}))
    assert result.verdict == "pass"
    assert "train_place_auc" not in result.measured


def test_a_word_is_named_where_there_are_words(checked_data: CheckedData) -> None:
    unnamed = str(check(checked_data).measured["train_word"])
    rank = int(unnamed.split("rank ")[1].split()[0])
    words = [f"word{number}" for number in range(1, 999)]
    named = replace(checked_data, vocabulary=Vocabulary(pa.array(words), "words"))
    assert check(named).measured["train_word"] == f"the word 'word{rank}' in train"
    # What is out of the vocabulary has no name, whatever rank it was given.
    few = replace(checked_data, vocabulary=Vocabulary(pa.array(words[: rank - 1]), "words"))
    assert check(few).measured["train_word"] == unnamed


def test_imdb_passes(imdb_reviews: Reviews) -> None:
    rows = split_rows(imdb_reviews, DataOptions(), 0)
    result = check(CheckedData(rows, *fit_and_featurize(rows, FeatureOptions())))
    assert result.verdict == "pass"
    assert result.measured["train_word"] == "the word of rank 75 (index 78) in train"  # "bad"
    assert result.measured["train_word_auc"] == pytest.approx(0.615, abs=0.001)
    assert float(result.measured["train_feature_auc"]) == pytest.approx(0.552, abs=0.001)
    assert float(result.measured["train_equal_neighbours"]) == pytest.approx(0.5, abs=0.01)
