"""Numbers over time, made few enough to be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from tasks.reporting.series import Point, group_size, series_of, thinned, usual_range
from tests.trends import score, week


def points(values: Sequence[float]) -> list[Point]:
    return [Point(week(number), value, value - 0.1, value + 0.1) for number, value in enumerate(values)]


def test_the_series_of_a_metric_are_those_of_each_model_oldest_first() -> None:
    scores = [score(0, "b"), score(0, "a"), score(0, "a", "auc"), score(1, "b", lower=None, upper=None)]

    found = series_of(scores, "accuracy")

    assert list(found) == ["a", "b"]
    assert [point.at for point in found["b"]] == [week(0), week(1)]
    assert found["a"] == [Point(week(0), 0.85, 0.84, 0.86)]
    assert math.isnan(found["b"][1].lower)
    assert series_of(scores, "recall", "class 0") == {}


@pytest.mark.parametrize(
    ("number", "most", "size", "left"), [(10, 10, 1, 10), (11, 10, 2, 6), (20, 10, 2, 10), (0, 10, 1, 0)]
)
def test_no_more_points_are_left_than_can_be_drawn(number: int, most: int, size: int, left: int) -> None:
    many = points([0.5] * number)
    assert group_size(many, most) == size
    assert len(thinned(many, most)) == left


def test_few_points_stay_what_they_are() -> None:
    few = points([0.1, 0.2, 0.3])
    assert thinned(few, 3) == few


def test_a_point_that_stands_for_others_is_their_median_with_the_widest_bounds() -> None:
    (one,) = thinned(points([0.2, 0.9, 0.3]), 1)
    assert (one.at, one.value) == (week(1), 0.3)
    assert [one.lower, one.upper] == pytest.approx([0.1, 1.0])


def test_bounds_that_some_lack_are_those_of_the_others_and_none_where_all_lack_them() -> None:
    bare = [Point(week(0), 0.2), Point(week(1), 0.4)]
    (mixed,) = thinned([bare[0], *points([0.3])], 1)
    assert [mixed.lower, mixed.upper] == pytest.approx([0.2, 0.4])
    (none,) = thinned(bare, 1)
    assert math.isnan(none.lower)
    assert math.isnan(none.upper)


def test_one_broken_week_is_beyond_the_usual_range_and_no_usual_one_is() -> None:
    usual = [0.86 + 0.001 * (number % 9) for number in range(40)]
    low, high = usual_range({"a": points([*usual, 0.5])})
    assert 0.5 < low < min(usual)
    assert max(usual) < high < 1


def test_the_same_number_each_week_has_a_range_of_its_own_and_few_numbers_have_none() -> None:
    low, high = usual_range({"a": points([0.9] * 5)})
    assert low < 0.9 < high
    assert usual_range({"a": points([0.9, 0.1, 0.5])}) == (-math.inf, math.inf)
    assert usual_range({}) == (-math.inf, math.inf)
