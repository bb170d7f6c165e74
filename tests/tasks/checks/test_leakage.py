from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from storage.options import CheckOptions, DataOptions, FeatureOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks.base import CheckedData
from tasks.checks.leakage import check_leakage
from tasks.evaluation.bounds import exact_lower_bound
from tasks.features.encoding import Encoder
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Reviews
from tasks.sources.splits import split_rows

Review = list[int]
PAIRS = [(split, other) for split in SPLITS for other in SPLITS if split != other]


def check(data: CheckedData, **options: float) -> CheckResult:
    return check_leakage(data, CheckOptions.model_validate(options))


def fresh(num_rows: int, seed: int, length: int = 40) -> list[Review]:
    return [[int(rank) for rank in row] for row in np.random.default_rng(seed).integers(1, 900, (num_rows, length))]


def rows_of(split: Split, reviews: Sequence[Review], labels: Sequence[int] | None = None) -> Rows:
    tokens = Sequences.from_lists(reviews)
    given = np.zeros(len(reviews)) if labels is None else np.array(labels)
    return Rows(row_ids(split, tokens), given.astype(np.uint8), tokens)


@pytest.fixture
def clean(checked_data: CheckedData) -> CheckedData:
    """300 different reviews in each split, all with label 0."""
    return replace(checked_data, rows={split: rows_of(split, fresh(300, seed)) for seed, split in enumerate(SPLITS)})


def with_reviews(
    data: CheckedData, split: Split, reviews: Sequence[Review], labels: Sequence[int] | None = None
) -> CheckedData:
    return replace(data, rows={**data.rows, split: rows_of(split, reviews, labels)})


def review(data: CheckedData, split: Split, index: int) -> Review:
    return [int(rank) for rank in data.rows[split].tokens.row(index)]


def nonzero(result: CheckResult) -> dict[str, float | int | str]:
    return {name: value for name, value in result.measured.items() if value}


def test_different_reviews_pass(clean: CheckedData) -> None:
    result = check(clean)
    assert (result.name, result.verdict, result.rows) == ("leakage", "pass", ())
    assert nonzero(result) == {}
    assert result.evidence == "all 900 texts are different"


@pytest.mark.parametrize(("split", "other"), PAIRS)
def test_one_review_of_another_split_warns_and_is_counted_on_both_sides(
    clean: CheckedData, split: Split, other: Split
) -> None:
    data = with_reviews(clean, split, [*fresh(299, 9), review(clean, other, 4)])
    result = check(data)
    assert result.verdict == "warn"
    assert nonzero(result) == {
        f"{split}_in_{other}_same": 1,
        f"{other}_in_{split}_same": 1,
        f"{split}_leaked": 1,
        f"{other}_leaked": 1,
    }
    assert set(result.rows) == {data.rows[split].ids[299].as_py(), data.rows[other].ids[4].as_py()}
    assert " (1 the same, 0 once encoded, 0 nearly)" in result.evidence


def test_a_review_that_differs_in_rare_words_alone_is_the_same_once_encoded(clean: CheckedData) -> None:
    # Indices from 1,000 on are out of the vocabulary. Each rare word changes five word sequences.
    first, second = fresh(1, 7)[0], fresh(1, 7)[0]
    first[3::6] = [1500] * len(first[3::6])
    second[3::6] = [2500] * len(second[3::6])
    data = with_reviews(clean, "train", [*fresh(299, 8), first])
    result = check(with_reviews(data, "test", [*fresh(299, 9), second]))
    assert (result.verdict, result.measured["test_in_train_same_once_encoded"]) == ("warn", 1)
    assert result.measured["test_in_train_same"] == result.measured["test_in_train_nearly_same"] == 0


def test_a_review_that_differs_in_what_is_cut_is_the_same_once_encoded(clean: CheckedData) -> None:
    kept = fresh(1, 7, clean.encoder.max_length)[0]
    data = with_reviews(clean, "train", [*fresh(299, 8), [1, 2, 3] * 40 + kept])
    result = check(with_reviews(data, "test", [*fresh(299, 9), [4, 5, 6] * 40 + kept]))
    assert nonzero(result)["test_in_train_same_once_encoded"] == 1


def test_reviews_of_unknown_words_are_not_the_same(clean: CheckedData) -> None:
    data = with_reviews(clean, "train", [*fresh(299, 8), list(range(2000, 2010)), [1, 3000]])
    result = check(with_reviews(data, "test", [*fresh(299, 9), list(range(4000, 4010)), [1, 5000]]))
    assert result.verdict == "pass"


@pytest.mark.parametrize(("num_changes", "verdict"), [(1, "warn"), (3, "pass")])
def test_a_nearly_equal_review_is_found(clean: CheckedData, num_changes: int, verdict: str) -> None:
    # 64 words are 60 shingles: one change leaves 55 of 65, 0.846; three leave 45 of 75, 0.6.
    first = fresh(1, 7, 64)[0]
    second = [950 if index in (10, 30, 50)[:num_changes] else rank for index, rank in enumerate(first)]
    data = with_reviews(clean, "train", [*fresh(299, 8), first])
    data = with_reviews(data, "validation", [*fresh(299, 9), second])
    result = check(data)
    assert result.verdict == verdict
    assert result.measured["validation_in_train_nearly_same"] == (verdict == "warn")
    assert check(data, near_duplicate_similarity=0.6).verdict == "warn"


@pytest.mark.parametrize("split", SPLITS)
def test_too_large_a_share_of_leaked_rows_fails(clean: CheckedData, split: Split) -> None:
    other: Split = "test" if split == "train" else "train"
    counts = range(1, 100)
    first = next(count for count in counts if exact_lower_bound(count, 300, 0.001) > 0.02)
    assert 6 < first < 30  # more than 2 % of 300, which chance alone may give
    for count, verdict in ((first - 1, "warn"), (first, "fail")):
        # The other split is larger, so that the same rows are no large share of it.
        data = with_reviews(clean, other, [*fresh(300, 0), *fresh(1200, 20)])
        data = with_reviews(data, split, [*fresh(300 - count, 9), *fresh(300, 0)[:count]])
        result = check(data)
        assert result.verdict == verdict
        assert result.measured[f"{split}_leaked"] == count
        said = f"of the rows of {split} are in another split too"
        assert (said in result.evidence) == (verdict == "fail")
    assert check(data, max_leaked_share=0.2).verdict == "warn"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("num_repeats", "verdict"), [(1, "warn"), (20, "warn"), (40, "fail")])
def test_repeated_rows_are_counted_beyond_the_first(
    clean: CheckedData, split: Split, num_repeats: int, verdict: str
) -> None:
    result = check(with_reviews(clean, split, [*fresh(300 - num_repeats, 9), *fresh(1, 9) * num_repeats]))
    assert (result.verdict, nonzero(result)) == (verdict, {f"{split}_repeated": num_repeats})
    assert f"repeated within their split: {split} {num_repeats}" in result.evidence


@pytest.mark.parametrize(("num_pairs", "verdict"), [(1, "warn"), (10, "fail")])
def test_a_text_with_both_labels_is_counted_with_all_its_rows(clean: CheckedData, num_pairs: int, verdict: str) -> None:
    reviews = [*fresh(300 - num_pairs, 9), *fresh(num_pairs, 9)]
    labels = [0] * (300 - num_pairs) + [1] * num_pairs
    result = check(with_reviews(clean, "train", reviews, labels))
    assert (result.verdict, result.measured["train_contradicting"]) == (verdict, 2 * num_pairs)
    assert f"with both labels: train {2 * num_pairs}" in result.evidence


def test_a_text_with_another_label_in_another_split_contradicts(clean: CheckedData) -> None:
    data = with_reviews(clean, "test", [*fresh(299, 9), review(clean, "train", 0)], [0] * 299 + [1])
    result = check(data)
    assert (result.measured["train_contradicting"], result.measured["test_contradicting"]) == (1, 1)


def test_one_leaked_row_does_not_fail_a_small_split(clean: CheckedData) -> None:
    result = check(with_reviews(clean, "validation", [*fresh(29, 9), review(clean, "train", 0)]))
    assert (result.verdict, result.measured["validation_leaked"]) == ("warn", 1)  # 3.3 %


def test_a_crowd_of_equal_rows_is_compared_once(clean: CheckedData) -> None:
    crowd = fresh(1, 7) * 20_000
    result = check(with_reviews(with_reviews(clean, "train", crowd), "test", crowd))
    assert result.verdict == "fail"
    assert (result.measured["train_in_test_same"], result.measured["train_repeated"]) == (20_000, 19_999)


def test_empty_reviews_are_no_leak(clean: CheckedData) -> None:
    data = clean
    for seed, split in enumerate(SPLITS):
        data = with_reviews(data, split, [[], [], *fresh(50, 10 + seed), []])
    assert check(data).verdict == "pass"


def test_short_reviews_are_like_none_but_their_equals(clean: CheckedData) -> None:
    data = with_reviews(clean, "train", [[rank] for rank in range(1, 200)])
    data = with_reviews(data, "test", [[rank, rank] for rank in range(1, 200)] + [[7]])
    assert nonzero(check(data)) == {
        "train_in_test_same": 1,
        "test_in_train_same": 1,
        "train_leaked": 1,
        "test_leaked": 1,
    }


@pytest.mark.parametrize("num_rows", [0, 1, 2])
def test_splits_with_hardly_a_row_do_not_raise(clean: CheckedData, num_rows: int) -> None:
    rows = {name: part.take(np.arange(num_rows)) for name, part in clean.rows.items()}
    assert check(replace(clean, rows=rows)).verdict == "pass"


def test_parts_of_different_size_and_missing_ids_do_not_raise(clean: CheckedData) -> None:
    test, train = clean.rows["test"], clean.rows["train"]
    rows = {
        **clean.rows,
        "train": replace(train, labels=train.labels[:7]),
        "test": Rows(pa.nulls(300, pa.string()), test.labels, train.tokens),
    }
    result = check(replace(clean, rows=rows))
    assert (result.verdict, result.measured["test_leaked"]) == ("warn", 7)


def test_at_most_20_rows_are_listed_those_of_test_first(clean: CheckedData) -> None:
    data = with_reviews(clean, "test", fresh(300, 0))
    assert check(data).rows == tuple(data.rows["test"].ids.to_pylist()[:20])


@pytest.mark.parametrize("seed", range(10))
def test_a_small_random_split_of_imdb_does_not_fail(
    checked_data: CheckedData, imdb_reviews: Reviews, seed: int
) -> None:
    rows = split_rows(imdb_reviews, DataOptions(split_seed=seed), 300)
    assert check(replace(checked_data, rows=rows, encoder=_encoder(rows))).verdict != "fail"


def test_imdb_warns_with_its_numbers(checked_data: CheckedData, imdb_reviews: Reviews) -> None:
    rows = split_rows(imdb_reviews, DataOptions(), 0)
    result = check(replace(checked_data, rows=rows, encoder=_encoder(rows)))
    assert result.verdict == "warn"
    assert result.measured["test_in_train_same"] == 114
    assert result.measured["test_in_validation_same"] == 9
    assert result.evidence.endswith("repeated within their split: train 86, test 200")
    assert all(result.measured[f"{split}_contradicting"] == 0 for split in SPLITS)


def _encoder(rows: dict[Split, Rows]) -> Encoder:
    lengths = np.concatenate([rows[split].tokens.lengths for split in ("train", "validation")])
    return Encoder.fit(lengths, FeatureOptions())


def test_the_small_splits_of_the_other_tests_pass(splits: dict[Split, Rows]) -> None:
    data = CheckedData(splits, *fit_and_featurize(splits, FeatureOptions(num_words=1000)))
    assert check(data).verdict == "pass"
