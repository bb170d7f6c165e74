from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.options import CheckOptions, DataOptions, FeatureOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks.base import CheckedData
from tasks.checks.degenerate_reviews import check_degenerate_reviews
from tasks.evaluation.bounds import exact_lower_bound
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Reviews
from tasks.sources.splits import split_rows

GOOD = [5, 6, 7, 8, 9, 10]


def check(data: CheckedData, **options: float) -> CheckResult:
    return check_degenerate_reviews(data, CheckOptions.model_validate(options))


def with_reviews(data: CheckedData, split: Split, reviews: list[list[int]]) -> CheckedData:
    tokens = Sequences.from_lists(reviews)
    rows = Rows(row_ids(split, tokens), np.zeros(len(reviews), dtype=np.uint8), tokens)
    return replace(data, rows={**data.rows, split: rows})


@pytest.fixture(params=SPLITS)
def split(request: pytest.FixtureRequest) -> Split:
    split: Split = request.param
    return split


def test_reviews_of_different_known_words_pass(checked_data: CheckedData) -> None:
    result = check(checked_data)
    assert (result.name, result.verdict, result.rows) == ("degenerate reviews", "pass", ())
    assert set(result.measured.values()) == {0}
    assert result.evidence.startswith("no review is empty or of one word; words out of the vocabulary: train 0.00%")


@pytest.mark.parametrize(
    ("review", "kind"), [([], "empty"), ([7] * 5, "one_word"), ([7] * 7 + [1, 2, 3, 4], "one_word")]
)
def test_one_degenerate_review_warns_and_is_named(
    checked_data: CheckedData, split: Split, review: list[int], kind: str
) -> None:
    data = with_reviews(checked_data, split, [GOOD] * 299 + [review])
    result = check(data)
    assert (result.verdict, result.measured[f"{split}_{kind}"]) == ("warn", 1)
    assert result.rows == (data.rows[split].ids[299].as_py(),)
    assert f"of 300 reviews of {split}, {int(kind == 'empty')} are empty and" in result.evidence


@pytest.mark.parametrize("review", [[7], [7] * 4, [7] * 6 + [1, 2, 3, 4], [7, 8] * 50])
def test_short_reviews_and_frequent_words_are_no_fault(
    checked_data: CheckedData, split: Split, review: list[int]
) -> None:
    assert check(with_reviews(checked_data, split, [GOOD] * 99 + [review])).verdict == "pass"


@given(st.lists(st.lists(st.integers(7, 9), max_size=20), min_size=1, max_size=8), st.randoms())
def test_a_review_is_one_word_repeated_in_whatever_order_its_words_stand(
    checked_data: CheckedData, reviews: list[list[int]], random: Random
) -> None:
    # Fifteen of twenty-five are exactly the share that is still allowed.
    reviews += [[7] * 15 + [8] * 10, [7] * 16 + [8] * 9]
    for review in reviews:
        random.shuffle(review)
    expected = sum(len(review) >= 5 and max(Counter(review).values()) / len(review) > 0.6 for review in reviews)
    result = check(with_reviews(checked_data, "test", reviews))
    assert result.measured["test_one_word"] == expected


@pytest.mark.parametrize("review", [[], [7] * 9])
def test_too_many_degenerate_reviews_fail(checked_data: CheckedData, split: Split, review: list[int]) -> None:
    num_rows = 200
    counts = np.arange(1, num_rows)
    first = int(counts[[exact_lower_bound(int(count), num_rows, 0.001) > 0.01 for count in counts]][0])
    assert 2 < first < 20
    for count, verdict in ((first - 1, "warn"), (first, "fail")):
        data = with_reviews(checked_data, split, [GOOD] * (num_rows - count) + [review] * count)
        assert check(data).verdict == verdict
        assert check(data, max_degenerate_share=0.2).verdict == "warn"


@pytest.mark.parametrize("rank", [0, -1, -(2**31)])
def test_a_rank_below_1_fails(checked_data: CheckedData, split: Split, rank: int) -> None:
    data = with_reviews(checked_data, split, [GOOD, [*GOOD, rank], [], GOOD])
    result = check(data)
    assert (result.verdict, result.measured[f"{split}_ranks_below_1"]) == ("fail", 1)
    assert f"{split} has ranks below 1 in 1 reviews" in result.evidence
    assert data.rows[split].ids[1].as_py() in result.rows


@pytest.mark.parametrize(("index", "verdict"), [(0, "fail"), (-4, "fail"), (1, "pass"), (999, "pass"), (1000, "fail")])
def test_an_index_that_the_embedding_lacks_fails(
    checked_data: CheckedData, split: Split, index: int, verdict: str
) -> None:
    matrix = checked_data.matrices[split]
    values = matrix.sequences.values.copy()
    values[matrix.sequences.offsets[4] - 1] = index
    changed = replace(matrix, sequences=Sequences(values, matrix.sequences.offsets))
    result = check(replace(checked_data, matrices={**checked_data.matrices, split: changed}))
    assert result.verdict == verdict
    assert result.rows == ((matrix.sequence_ids[3].as_py(),) if verdict == "fail" else ())


@pytest.mark.parametrize(("num_unknown", "verdict"), [(3, "pass"), (4, "fail")])
def test_too_many_words_out_of_the_vocabulary_fail(checked_data: CheckedData, num_unknown: int, verdict: str) -> None:
    # The vocabulary has 1,000 indices, of which the first 3 are no words: rank 997 is the first without an index.
    review = [997] * num_unknown + [996, 995, 994, 993, 992, 991, 990][: 10 - num_unknown]
    data = checked_data
    for name in SPLITS:
        data = with_reviews(data, name, [review] * 50)
    result = check(data)
    assert result.verdict == verdict
    assert result.measured["test_oov_share"] == num_unknown / 10


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize(("num_unknown", "verdict"), [(2, "pass"), (3, "fail")])
def test_a_split_with_more_unknown_words_than_train_was_numbered_by_another_vocabulary(
    checked_data: CheckedData, split: Split, num_unknown: int, verdict: str
) -> None:
    review = [2000, 3000, 4000][:num_unknown] + list(range(1, 21 - num_unknown))
    result = check(with_reviews(checked_data, split, [review] * 50))
    assert result.verdict == verdict
    assert (f"{split} was numbered by another vocabulary" in result.evidence) == (verdict == "fail")


def test_one_review_of_unknown_words_does_not_fail_a_small_split(checked_data: CheckedData) -> None:
    data = with_reviews(checked_data, "validation", [GOOD] * 29 + [list(range(2000, 2300))])
    result = check(data)
    assert float(result.measured["validation_oov_share"]) > 0.5
    assert result.verdict == "pass"


@pytest.mark.parametrize("reviews", [[], [[]], [[2]], [[-5, 2**31 - 1]]])
def test_splits_with_hardly_a_word_do_not_raise(checked_data: CheckedData, reviews: list[list[int]]) -> None:
    data = checked_data
    for name in SPLITS:
        data = with_reviews(data, name, reviews)
    assert all(np.isfinite(float(value)) for value in check(data).measured.values())


def test_a_matrix_with_fewer_ids_than_sequences_does_not_raise(checked_data: CheckedData) -> None:
    matrix = checked_data.matrices["test"]
    sequences = Sequences(np.zeros_like(matrix.sequences.values), matrix.sequences.offsets)
    changed = replace(matrix, sequences=sequences, sequence_ids=matrix.sequence_ids.slice(0, 3))
    result = check(replace(checked_data, matrices={**checked_data.matrices, "test": changed}))
    assert result.rows == tuple(matrix.sequence_ids.to_pylist()[:3])


def test_imdb_passes(imdb_reviews: Reviews) -> None:
    rows = split_rows(imdb_reviews, DataOptions(), 0)
    result = check(CheckedData(rows, *fit_and_featurize(rows, FeatureOptions())))
    assert result.verdict == "pass"
    assert result.measured["train_oov_share"] == pytest.approx(0.0068, abs=0.0001)
    assert result.measured["test_oov_share"] == pytest.approx(0.0047, abs=0.0001)
