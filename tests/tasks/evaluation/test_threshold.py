from __future__ import annotations

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tasks.evaluation.threshold import best_threshold, other_threshold

ROWS = 2000
LABELS = np.arange(ROWS) % 2


@hypothesis.given(st.lists(st.tuples(st.sampled_from([0, 0.1, 0.3, 0.5, 0.9, 1]), st.integers(0, 1)), min_size=1))
def test_no_other_threshold_is_more_accurate(rows: list[tuple[float, int]]) -> None:
    probabilities, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])

    def accuracy(threshold: float) -> float:
        return float(((probabilities > threshold) == labels).mean())

    found = best_threshold(labels, probabilities)
    assert 0 <= found <= 1
    assert accuracy(found) == max(accuracy(threshold) for threshold in (0, 0.05, 0.2, 0.4, 0.7, 0.95, 1))


def test_the_threshold_lies_halfway_between_two_probabilities() -> None:
    assert best_threshold(np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.2, 0.9])) == pytest.approx(0.5)


def test_a_shifted_model_gains_what_the_shift_cost() -> None:
    noise = np.random.default_rng(1).uniform(0, 0.2, ROWS)
    found = other_threshold(LABELS, 0.5 + noise / 2 + 0.2 * LABELS, alpha=0.001)
    assert found.threshold == pytest.approx(0.65, abs=0.06)
    assert found.gain == pytest.approx(0.5, abs=0.05)
    assert 0.4 < found.lower < found.gain


def test_a_model_that_is_cut_at_the_right_place_gains_nothing() -> None:
    noise = np.random.default_rng(1).normal(size=ROWS)
    found = other_threshold(LABELS, 1 / (1 + np.exp(-(LABELS - 0.5 + noise))), alpha=0.001)
    assert abs(found.gain) < 0.03
    assert found.lower == -math.inf


def test_a_gain_for_one_class_alone_is_none() -> None:
    labels = (np.random.default_rng(1).random(ROWS) < 0.9).astype(int)
    scores = 0.5 * (labels - 0.5) + np.random.default_rng(2).normal(size=ROWS)
    found = other_threshold(labels, 1 / (1 + np.exp(-scores)), alpha=0.001)
    assert found.gain > 0.2
    assert found.lower == -math.inf


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_a_handful_of_rows_is_no_error_and_no_evidence(rows: int) -> None:
    assert other_threshold(LABELS[:rows], 0.6 + 0.1 * LABELS[:rows], alpha=0.001).lower == -math.inf
