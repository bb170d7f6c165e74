from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from storage.options import CheckOptions, DataOptions, SyntheticOptions
from storage.records import CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks.base import CheckedData
from tasks.checks.split import check_split
from tasks.sources.base import LabelledReviews, Reviews
from tasks.sources.splits import split_rows
from tasks.sources.synthetic import generate

NUM_TRAIN = 1000


@pytest.fixture(scope="module")
def corpus() -> Reviews:
    return generate(SyntheticOptions(num_train=NUM_TRAIN, num_test=500, seed=3))


def check(data: CheckedData, rows: Mapping[Split, Rows], **options: float) -> CheckResult:
    return check_split(replace(data, rows=dict(rows)), CheckOptions.model_validate(options))


def cut(
    corpus: Reviews, validation: npt.NDArray[np.int64], order: npt.NDArray[np.int64] | None = None
) -> dict[Split, Rows]:
    """The corpus in another order, its validation rows at given places of the train file."""
    order = np.arange(NUM_TRAIN) if order is None else order
    tokens = corpus.train.tokens.take(order)
    train = Rows(row_ids("train", tokens), corpus.train.labels[order], tokens)
    test = Rows(row_ids("test", corpus.test.tokens), corpus.test.labels, corpus.test.tokens)
    rest = np.setdiff1d(np.arange(NUM_TRAIN), validation)
    return {"train": train.take(rest), "validation": train.take(validation), "test": test}


def random_places(size: int = 100) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(1).permutation(NUM_TRAIN)[:size])


def test_a_random_split_passes_with_its_numbers(checked_data: CheckedData, corpus: Reviews) -> None:
    result = check(checked_data, split_rows(corpus, DataOptions(), 0))
    assert (result.name, result.verdict, result.rows) == ("split", "pass", ())
    kinds = [kind for kind in result.measured if kind.startswith(("validation", "test")) and "least" not in kind]
    largest = max(kinds, key=lambda kind: abs(float(result.measured[kind])))
    split, part = largest.replace("pieces", "clustering").split("_")
    assert result.evidence == (
        "validation and test are like train in place, labels, lengths and words: the largest effect is "
        f"{float(result.measured[largest]):+.3f}, {part} of {split}"
    )
    assert all(np.isfinite(float(value)) for value in result.measured.values())


def test_a_split_that_is_too_small_to_judge_is_not_called_sound(checked_data: CheckedData, corpus: Reviews) -> None:
    """One review has other labels than half of all others, whatever it is: that proves nothing, either way."""
    result = check(checked_data, cut(corpus, random_places(1)))
    assert result.verdict == "pass"
    assert abs(float(result.measured["validation_label"])) > CheckOptions().max_split_effect
    assert result.evidence.startswith("too few rows to tell whether validation and test are like train")


@pytest.mark.parametrize("seed", range(25))
def test_a_small_random_split_does_not_fail(checked_data: CheckedData, seed: int) -> None:
    corpus = generate(SyntheticOptions(num_train=300, num_test=60, seed=seed))
    assert check(checked_data, split_rows(corpus, DataOptions(split_seed=seed), 0)).verdict == "pass"


@pytest.mark.parametrize(("first", "end"), [(900, "end"), (0, "start")])
def test_a_validation_set_cut_from_one_end_fails_though_the_file_has_no_order(
    checked_data: CheckedData, corpus: Reviews, first: int, end: str
) -> None:
    rows = cut(corpus, np.arange(first, first + 100))
    result = check(checked_data, rows)
    assert result.verdict == "fail"
    assert f"validation was cut from the {end} of the file and is no random part of it" in result.evidence
    assert abs(float(result.measured["validation_place"])) == 1
    assert result.rows == tuple(rows["validation"].ids.to_pylist()[:20])


def test_a_validation_set_cut_from_the_middle_fails(checked_data: CheckedData, corpus: Reviews) -> None:
    result = check(checked_data, cut(corpus, np.arange(450, 550)))
    assert (result.verdict, float(result.measured["validation_place_at_least"])) == ("fail", 0)
    assert "validation was cut in pieces out of the file" in result.evidence


@pytest.mark.parametrize("key", ["label", "length"])
def test_a_tail_of_a_sorted_file_is_told_as_such(checked_data: CheckedData, corpus: Reviews, key: str) -> None:
    keys = corpus.train.labels if key == "label" else corpus.train.tokens.lengths
    result = check(checked_data, cut(corpus, np.arange(900, 1000), np.argsort(keys, kind="stable")))
    assert result.verdict == "fail"
    assert f"validation was cut from the end of the file, a file sorted by {key}," in result.evidence
    assert f"validation has other {key}s than train" in result.evidence


@pytest.mark.parametrize("key", ["label", "length"])
def test_a_random_part_of_a_sorted_file_only_warns(checked_data: CheckedData, corpus: Reviews, key: str) -> None:
    keys = corpus.train.labels if key == "label" else corpus.train.tokens.lengths
    result = check(checked_data, cut(corpus, random_places(), np.argsort(keys, kind="stable")))
    assert (result.verdict, result.rows) == ("warn", ())
    assert result.evidence.startswith(f"the file train is sorted by {key}")


def test_every_tenth_row_is_as_good_as_random(checked_data: CheckedData, corpus: Reviews) -> None:
    assert check(checked_data, cut(corpus, np.arange(5, NUM_TRAIN, 10))).verdict == "pass"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_of_one_class_fails(checked_data: CheckedData, corpus: Reviews, split: Split) -> None:
    rows = split_rows(corpus, DataOptions(), 0)
    result = check(checked_data, {**rows, split: rows[split].take(np.flatnonzero(rows[split].labels))})
    assert result.verdict == "fail"
    assert result.evidence.startswith(f"{split} has other labels than train (effect +0.5")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_of_long_reviews_fails(checked_data: CheckedData, corpus: Reviews, split: Split) -> None:
    rows = split_rows(corpus, DataOptions(), 0)
    lengths = rows[split].tokens.lengths
    result = check(checked_data, {**rows, split: rows[split].take(np.flatnonzero(lengths > np.median(lengths)))})
    assert result.verdict == "fail"
    assert f"{split} has other lengths than train" in result.evidence


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_in_another_vocabulary_fails(checked_data: CheckedData, corpus: Reviews, split: Split) -> None:
    rows = split_rows(corpus, DataOptions(), 0)
    ranks = np.random.default_rng(0).permutation(50_000).astype(np.int32) + 1
    tokens = Sequences(ranks[rows[split].tokens.values], rows[split].tokens.offsets)
    result = check(checked_data, {**rows, split: replace(rows[split], tokens=tokens)})
    assert result.verdict == "fail"
    assert f"{split} has other words than train" in result.evidence
    assert float(result.measured[f"{split}_words"]) > 0.5


def test_a_split_encoded_once_more_than_train_fails(checked_data: CheckedData, corpus: Reviews) -> None:
    rows = split_rows(corpus, DataOptions(), 0)
    tokens = Sequences(rows["test"].tokens.values + 3, rows["test"].tokens.offsets)
    assert check(checked_data, {**rows, "test": replace(rows["test"], tokens=tokens)}).verdict == "fail"


def test_the_bound_is_the_one_of_the_options(checked_data: CheckedData, corpus: Reviews) -> None:
    rows = split_rows(corpus, DataOptions(), 0)
    positive, negative = (np.flatnonzero(rows["test"].labels == label) for label in (1, 0))
    changed = {**rows, "test": rows["test"].take(np.sort(np.concatenate([positive, negative[::4]])))}
    least = float(check(checked_data, changed).measured["test_label_at_least"])
    assert check(checked_data, changed, max_split_effect=least - 0.001).verdict == "fail"
    assert check(checked_data, changed, max_split_effect=least + 0.001).verdict == "pass"


@pytest.mark.parametrize("ids", [[None] * 100, ["odd"] * 100])
def test_rows_without_a_place_are_compared_by_what_they_say(
    checked_data: CheckedData, corpus: Reviews, ids: list[str | None]
) -> None:
    rows = cut(corpus, np.arange(900, 1000))
    changed = {**rows, "validation": replace(rows["validation"], ids=pa.array(ids, pa.string()))}
    result = check(checked_data, changed)
    assert result.verdict == "pass"
    assert "validation_place" not in result.measured
    assert "validation_length" in result.measured


@pytest.mark.parametrize("num_rows", [0, 1, 2])
def test_splits_with_hardly_a_row_do_not_raise(checked_data: CheckedData, corpus: Reviews, num_rows: int) -> None:
    rows = {name: part.take(np.arange(num_rows)) for name, part in split_rows(corpus, DataOptions(), 0).items()}
    assert check(checked_data, rows).verdict == "pass"


def test_imdb_passes(checked_data: CheckedData, imdb_reviews: Reviews) -> None:
    result = check(checked_data, split_rows(imdb_reviews, DataOptions(), 0))
    assert result.verdict == "pass"
    assert result.measured["test_length"] == pytest.approx(-0.027, abs=0.0005)  # its test reviews are 3 % shorter


def test_the_tail_of_imdb_fails(checked_data: CheckedData, imdb_reviews: Reviews) -> None:
    # This is how Keras' `validation_split` sets validation rows aside.
    train = imdb_reviews.train
    part = LabelledReviews(train.tokens.take(np.arange(5000)), train.labels[:5000])
    everything = Rows(row_ids("train", part.tokens), part.labels, part.tokens)
    rows: dict[Split, Rows] = {
        "train": everything.take(np.arange(4500)),
        "validation": everything.take(np.arange(4500, 5000)),
        "test": everything.take(np.arange(0)),
    }
    assert "validation was cut from the end" in check(checked_data, rows).evidence
