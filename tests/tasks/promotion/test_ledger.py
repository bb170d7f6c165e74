from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.promotion.ledger import alpha_for


@pytest.mark.parametrize(("index", "alpha"), [(0, 0.025), (1, 0.05 / 6), (2, 0.05 / 12), (51, 0.05 / 2756)])
def test_a_comparison_may_spend_less_than_the_one_before(index: int, alpha: float) -> None:
    assert alpha_for(index, 0.05) == pytest.approx(alpha, rel=1e-12)


@given(st.integers(1, 2000), st.floats(0.001, 0.49))
def test_all_comparisons_together_spend_less_than_the_total(comparisons: int, total: float) -> None:
    spent = math.fsum(alpha_for(index, total) for index in range(comparisons))
    assert spent < total
    assert spent == pytest.approx(total * (1 - 1 / (comparisons + 1)), rel=1e-9)


def test_every_comparison_may_spend_something() -> None:
    assert alpha_for(10_000, 0.05) > 0
