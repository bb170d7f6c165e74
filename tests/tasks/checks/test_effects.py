from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.checks.effects import cliffs_delta, rank_correlation

VALUES = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@given(VALUES, VALUES)
def test_delta_is_the_share_of_pairs_above_minus_that_below(group: list[int], others: list[int]) -> None:
    effect = cliffs_delta(np.array(group), np.array(others))
    assert effect.size == pytest.approx(np.mean([np.sign(one - other) for one in group for other in others]))
    assert 0 <= effect.least <= abs(effect.size) + 1e-12


def test_of_two_values_delta_is_the_difference_of_shares() -> None:
    assert cliffs_delta(np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1])).size == pytest.approx(0.5)


def test_a_few_rows_that_are_wholly_apart_show_little() -> None:
    few, many = (cliffs_delta(np.arange(n) + n, np.arange(n)) for n in (4, 400))
    assert (few.size, many.size) == (1, 1)
    assert few.least == 0
    assert many.least > 0.85


@pytest.mark.parametrize("num_rows", [30, 300, 3000])
def test_equal_distributions_are_rarely_claimed_to_differ(num_rows: int) -> None:
    random = np.random.default_rng(num_rows)
    claims = [cliffs_delta(random.normal(size=num_rows), random.normal(size=num_rows * 2)).least for _ in range(200)]
    assert np.count_nonzero(claims) <= 2


def test_without_rows_there_is_no_effect() -> None:
    assert cliffs_delta(np.zeros(0), np.ones(3)).least == 0


def test_a_correlation_is_that_of_the_ranks() -> None:
    places = np.arange(100)
    assert rank_correlation(places, np.exp(places / 10)).size == pytest.approx(1)
    assert rank_correlation(places, -(places**3)).size == pytest.approx(-1)
    assert rank_correlation(places, np.ones(100)).size == 0
