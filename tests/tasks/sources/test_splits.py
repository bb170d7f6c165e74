from __future__ import annotations

import numpy as np
import pytest

from storage.errors import SourceError
from storage.options import DataOptions
from storage.records import Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.sources.base import LabelledReviews, Reviews
from tasks.sources.splits import split_by_content, split_rows


def labelled(rows: int, positive: int, first: int = 1) -> LabelledReviews:
    """Reviews of one word, which is their number; the positive ones stand last, as in some files."""
    tokens = Sequences.from_lists([[first + index] for index in range(rows)])
    return LabelledReviews(tokens, (np.arange(rows) >= rows - positive).astype(np.uint8))


def reviews(train: int = 1000, positive: int = 300, test: int = 400) -> Reviews:
    return Reviews("imdb", "here", "a test", "", labelled(train, positive), labelled(test, test // 2, first=100_001))


def positions(rows: Rows) -> list[int]:
    """Where the rows stood in the source, as their ids say."""
    return [int(identity.split("/")[1]) for identity in rows.ids.to_pylist()]


def split(of: Reviews, sample_size: int = 0, **options: float) -> dict[Split, Rows]:
    return split_rows(of, DataOptions.model_validate(options), sample_size)


def test_validation_is_a_tenth_with_the_same_share_of_each_class() -> None:
    splits = split(reviews())
    assert {name: len(rows.ids) for name, rows in splits.items()} == {"train": 900, "validation": 100, "test": 400}
    assert splits["validation"].labels.sum() == 30
    assert splits["train"].labels.sum() == 270


@pytest.mark.parametrize(("share", "expected"), [(0.1, 100), (0.2, 200), (0.49, 490)])
def test_the_share_is_the_one_that_the_options_say(share: float, expected: int) -> None:
    assert len(split(reviews(), validation_share=share)["validation"].ids) == expected


@pytest.mark.parametrize("sample_size", [0, 100])
def test_no_row_is_lost_or_doubled(sample_size: int) -> None:
    splits = split(reviews(), sample_size)
    together = splits["train"].ids.to_pylist() + splits["validation"].ids.to_pylist()
    assert len(set(together)) == len(together) == (sample_size or 1000)
    assert len(set(splits["test"].ids.to_pylist())) == len(splits["test"].ids) == (sample_size or 400)


@pytest.mark.parametrize("sample_size", [0, 100])
def test_ids_labels_and_tokens_stay_together(sample_size: int) -> None:
    source = reviews()
    everything = row_ids("train", source.train.tokens).to_pylist()
    splits = split(source, sample_size)
    for name in ("train", "validation"):
        rows = splits[name]
        at = positions(rows)
        assert rows.ids.to_pylist() == [everything[position] for position in at]
        assert rows.labels.tolist() == source.train.labels[at].tolist()
        assert [rows.tokens.row(index).tolist() for index in range(len(rows.ids))] == [[1 + place] for place in at]


@pytest.mark.parametrize("sample_size", [0, 100])
def test_every_split_keeps_the_order_of_the_source(sample_size: int) -> None:
    for rows in split(reviews(), sample_size).values():
        assert positions(rows) == sorted(positions(rows))


def test_all_test_rows_are_kept_as_they_are() -> None:
    source = reviews()
    test = split(source)["test"]
    assert test.ids.to_pylist() == row_ids("test", source.test.tokens).to_pylist()
    assert test.labels.tolist() == source.test.labels.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_validation_rows_come_from_everywhere_and_not_from_the_tail(seed: int) -> None:
    at = positions(split(reviews(), split_seed=seed)["validation"])
    tenths = {position // 100 for position in at}
    assert tenths == set(range(10))


def test_the_same_seed_draws_the_same_rows_and_another_seed_others() -> None:
    first, again = (split(reviews(), split_seed=1)["validation"].ids.to_pylist() for _ in range(2))
    other = split(reviews(), split_seed=2)["validation"].ids.to_pylist()
    assert first == again
    assert first != other


def test_a_sample_has_its_size_in_train_and_in_test_and_keeps_the_share_of_each_class() -> None:
    splits = split(reviews(), 200)
    assert {name: len(rows.ids) for name, rows in splits.items()} == {"train": 180, "validation": 20, "test": 200}
    assert splits["train"].labels.sum() + splits["validation"].labels.sum() == 60
    assert splits["test"].labels.sum() == 100


def test_a_sample_has_the_same_rows_for_the_same_seed_and_others_for_another() -> None:
    first, again = (split(reviews(), 200, split_seed=1) for _ in range(2))
    other = split(reviews(), 200, split_seed=2)
    for name, rows in first.items():
        assert rows.ids.equals(again[name].ids)
        assert not rows.ids.equals(other[name].ids)


def test_a_sample_of_all_rows_is_all_rows() -> None:
    whole = split(reviews(test=1000))
    sample = split(reviews(test=1000), 1000)
    assert all(rows.ids.equals(sample[name].ids) for name, rows in whole.items())


@pytest.mark.parametrize(("size", "name"), [(401, "test"), (1001, "train")])
def test_a_sample_larger_than_a_split_is_refused(size: int, name: str) -> None:
    with pytest.raises(SourceError, match=rf"a sample of {size:,} reviews was asked for, but {name} has"):
        split(reviews(), size)


def test_a_sample_may_leave_out_one_row_of_each_class_and_no_less() -> None:
    assert len(split(reviews(), 398)["test"].ids) == 398
    with pytest.raises(SourceError, match="at most 398"):
        split(reviews(), 399)


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_too_few_rows_to_set_a_tenth_of_each_class_aside_are_refused(rows: int) -> None:
    with pytest.raises(SourceError, match="too few"):
        split(reviews(train=rows, positive=rows // 2))


def test_twenty_rows_are_enough() -> None:
    validation = split(reviews(train=20, positive=10))["validation"]
    assert sorted(validation.labels.tolist()) == [0, 1]


def test_a_class_of_one_row_cannot_be_split() -> None:
    with pytest.raises(SourceError, match="too few"):
        split(reviews(train=100, positive=1))


def test_the_real_reviews_split_into_22_500_and_2_500(imdb_reviews: Reviews) -> None:
    splits = split(imdb_reviews)
    assert {name: len(rows.ids) for name, rows in splits.items()} == {
        "train": 22_500,
        "validation": 2_500,
        "test": 25_000,
    }
    assert {name: int(rows.labels.sum()) for name, rows in splits.items()} == {
        "train": 11_250,
        "validation": 1_250,
        "test": 12_500,
    }
    at = np.array(positions(splits["validation"]))
    assert (np.bincount(at // 2500, minlength=10) > 150).all()


HASHES = [f"{number:016x}" for number in range(20_000)]


def by_content(hashes: list[str], sample_size: int = 0, **options: float) -> list[int]:
    numbers = np.array([int(one, 16) for one in hashes], dtype=np.uint64)
    nowhere = np.full(len(hashes), -1, dtype=np.int8)
    found = split_by_content(numbers, nowhere, DataOptions.model_validate(options), sample_size)
    return [int(split) for split in found]


def test_splits_by_content_have_the_shares_that_were_asked_for() -> None:
    counts = np.bincount(by_content(HASHES), minlength=3) / len(HASHES)
    # Four standard errors of a share.
    assert abs(counts[2] - 0.2) < 0.012
    assert abs(counts[1] - 0.08) < 0.008
    assert abs(np.mean(np.array(by_content(HASHES, test_share=0.5)) == 2) - 0.5) < 0.015


def test_a_split_by_content_does_not_depend_on_other_rows_or_on_their_order() -> None:
    whole = dict(zip(HASHES, by_content(HASHES), strict=True))
    some = HASHES[5000:100:-3]
    assert by_content(some) == [whole[one] for one in some]


def test_another_seed_gives_another_split_by_content() -> None:
    first, second = (np.array(by_content(HASHES, split_seed=seed)) for seed in (1, 2))
    # Independent: a fifth of a fifth is test in both.
    assert abs(np.mean((first == 2) & (second == 2)) - 0.04) < 0.006


def test_validation_is_drawn_independently_of_test() -> None:
    rows = np.array(by_content(HASHES, test_share=0.5, validation_share=0.4))
    assert abs(np.mean(rows == 1) - 0.2) < 0.012
