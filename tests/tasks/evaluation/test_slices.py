from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storage.bundles import Predictions
from tasks.evaluation.bounds import exact_interval
from tasks.evaluation.slices import by_length, by_rating


def predictions(words: list[int] | None, ratings: Any = None, wrong: tuple[int, ...] = ()) -> Predictions:
    """Rows of label 1 that are right but for those at some positions."""
    rows = len(words or ratings)
    said = np.array([0.1 if row in wrong else 0.9 for row in range(rows)], np.float32)
    ids = pa.array([str(row) for row in range(rows)])
    counted = None if words is None else np.array(words, np.int32)
    rated = None if ratings is None else pa.array(ratings, pa.int8())
    return Predictions(ids, np.ones(rows, np.uint8), said, counted, rated)


def test_quartiles_of_the_length_hold_every_row_once() -> None:
    slices = by_length(predictions(list(range(1, 1201)), wrong=(0, 1199)))

    assert [one.name for one in slices] == ["1 to 300", "301 to 600", "601 to 900", "901 to 1,200"]
    assert [one.num_rows for one in slices] == [300] * 4
    assert [one.accuracy for one in slices] == [299 / 300, 1, 1, 299 / 300]
    assert (slices[0].lower, slices[0].upper) == exact_interval(299, 300)


@pytest.mark.parametrize("words", [[5] * 8, [1, 5, 5, 5, 5, 5, 5, 9], [3]])
def test_equal_lengths_stand_in_one_slice(words: list[int]) -> None:
    slices = by_length(predictions(words))

    assert sum(one.num_rows for one in slices) == len(words)
    assert all(one.num_rows for one in slices)


def test_ratings_are_in_order_and_rows_without_one_are_left_out() -> None:
    slices = by_rating(predictions(None, [10, None, 2, 10], wrong=(3,)))

    assert [(one.name, one.num_rows, one.accuracy) for one in slices] == [("2", 1, 1.0), ("10", 2, 0.5)]


def test_what_is_not_known_gives_no_slices() -> None:
    assert by_rating(predictions([1, 2])) == []
    assert by_rating(predictions(None, [None, None])) == []
    assert by_length(predictions(None, [1])) == []
