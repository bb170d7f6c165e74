from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar

from tasks.evaluation.paired import PairedAccuracy, compare_accuracy, compare_auc

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

small = st.integers(0, 30)


def compared(both: int, only_first: int, only_second: int, neither: int) -> PairedAccuracy:
    sizes = (both, only_first, only_second, neither)
    first = np.repeat([True, True, False, False], sizes)
    second = np.repeat([True, False, True, False], sizes)
    order = np.random.default_rng(0).permutation(sum(sizes))
    return compare_accuracy(first[order], second[order])


# Accuracy.


@given(small, small, small, small.filter(bool))
def test_mcnemar_is_that_of_statsmodels(both: int, b: int, c: int, neither: int) -> None:
    result = compared(both, b, c, neither)
    assert (result.only_first, result.only_second) == (b, c)
    two_sided = mcnemar([[both, b], [c, neither]], exact=True).pvalue
    assert result.p_value == pytest.approx(stats.binomtest(b, b + c, alternative="greater").pvalue if b + c else 1)
    if b > c:
        assert result.p_value == pytest.approx(two_sided / 2)
    else:
        assert result.p_value >= 0.5


@given(small, small, small, small.filter(bool))
def test_the_difference_is_that_of_the_accuracies_and_lies_within_its_interval(
    both: int, b: int, c: int, neither: int
) -> None:
    result = compared(both, b, c, neither)
    rows = both + b + c + neither
    assert result.difference == pytest.approx((both + b) / rows - (both + c) / rows)
    assert -1 <= result.lower <= result.difference <= result.upper <= 1


@given(small, small, small, small.filter(bool))
def test_the_interval_is_that_of_the_mean_of_the_rows_differences(both: int, b: int, c: int, neither: int) -> None:
    result = compared(both, b, c, neither)
    differences = np.repeat([1.0, -1.0, 0.0], [b, c, both + neither])
    half = 1.959963984540054 * differences.std() / math.sqrt(len(differences))
    assert result.upper == pytest.approx(min(1, result.difference + half), abs=1e-12)
    assert result.lower == pytest.approx(max(-1, result.difference - half), abs=1e-12)


@pytest.mark.parametrize(
    ("b", "c", "p_value"), [(5, 0, 1 / 32), (4, 1, 6 / 32), (0, 5, 1.0), (1, 0, 0.5), (0, 1, 1.0), (0, 0, 1.0)]
)
def test_the_p_value_of_a_few_rows_is_a_sum_of_coin_tosses(b: int, c: int, p_value: float) -> None:
    assert compared(10, b, c, 10).p_value == pytest.approx(p_value)


def test_half_a_point_on_25_000_rows_is_seen() -> None:
    # A tenth of the rows discordant: STATISTICS.md's smallest difference at a power of 80 %.
    assert compared(20_000, 1312, 1188, 2500).p_value < 0.05
    assert compared(20_000, 1275, 1225, 2500).p_value > 0.05


def test_two_models_that_say_the_same_do_not_differ() -> None:
    result = compared(70, 0, 0, 30)
    assert (result.p_value, result.difference, result.lower, result.upper) == (1.0, 0.0, 0.0, 0.0)


def test_changing_places_turns_the_difference_about() -> None:
    first, second = compared(50, 20, 9, 21), compared(50, 9, 20, 21)
    assert first.difference == -second.difference
    assert (first.lower, first.upper) == pytest.approx((-second.upper, -second.lower))


def test_a_higher_confidence_has_a_wider_interval() -> None:
    first, second = np.arange(100) < 80, np.arange(100) >= 30
    narrow, wide = (compare_accuracy(first, second, confidence) for confidence in (0.9, 0.99))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


# The AUC.


def kernel(labels: Labels, scores: Floats) -> tuple[Floats, Floats]:
    """DeLong's structural components, by comparing every positive row with every negative one."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    matrix = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return matrix.mean(axis=1), matrix.mean(axis=0)


def naive_paired(labels: Labels, first: Floats, second: Floats) -> tuple[float, float]:
    """Difference of the AUCs and its standard error, by the covariance matrix of DeLong et al. (1988)."""
    (p1, n1), (p2, n2) = kernel(labels, first), kernel(labels, second)
    covariance = np.cov(p1, p2) / len(p1) + np.cov(n1, n2) / len(n1)
    contrast = np.array([1.0, -1.0])
    return float(p1.mean() - p2.mean()), math.sqrt(max(0.0, float(contrast @ covariance @ contrast)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [4, 1000], ids=["many ties", "few ties"])
@pytest.mark.parametrize("rows", [12, 300])
def test_the_paired_interval_is_that_of_delongs_covariances(rows: int, levels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    shared = random.normal(size=rows) + labels
    first, second = (np.floor(levels * stats.norm.cdf(shared + random.normal(0, 0.7, rows))) for _ in range(2))
    difference, error = naive_paired(labels, first, second)
    assert error > 0
    result = compare_auc(labels, first, second)
    assert result.difference == pytest.approx(difference, abs=1e-12)
    assert result.difference == pytest.approx(roc_auc_score(labels, first) - roc_auc_score(labels, second), abs=1e-12)
    half = 1.959963984540054 * error
    assert (result.lower, result.upper) == pytest.approx((difference - half, difference + half), abs=1e-12)
    assert result.p_value == pytest.approx(stats.norm.sf(difference / error), abs=1e-12)


def test_pairing_is_sharper_than_two_models_apart() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(400) % 2
    shared = random.normal(size=400) + labels
    first, second = (shared + random.normal(0, 0.1, 400) for _ in range(2))
    paired = compare_auc(labels, first, second)
    apart = compare_auc(labels, first, -random.permutation(second))
    assert paired.upper - paired.lower < (apart.upper - apart.lower) / 3


@pytest.mark.parametrize("second", [[1.0, 2.0, 3.0, 4.0], [-8.0, 0.0, 5.0, 99.0]], ids=["equal", "ranked alike"])
def test_scores_that_rank_all_rows_alike_do_not_differ(second: list[float]) -> None:
    result = compare_auc(np.array([0, 1, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0]), np.array(second))
    assert (result.difference, result.lower, result.upper, result.p_value) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(("sign", "p_value"), [(1, 0.0), (-1, 1.0)])
def test_a_perfect_model_is_better_than_its_contrary(sign: int, p_value: float) -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]) * sign
    result = compare_auc(labels, scores, -scores)
    assert (result.difference, result.p_value) == (sign, p_value)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], ids=["class 0", "class 1", "one row"])
def test_one_class_or_one_row_of_a_class_cannot_be_compared(labels: list[int]) -> None:
    result = compare_auc(np.array(labels), np.arange(4.0), np.arange(4.0)[::-1])
    assert math.isnan(result.lower)
    assert math.isnan(result.upper)
    assert math.isnan(result.p_value)


def test_a_score_that_is_not_a_number_cannot_be_compared() -> None:
    result = compare_auc(np.array([0, 1, 0, 1]), np.arange(4.0), np.array([0.0, np.nan, 1.0, 2.0]))
    assert math.isnan(result.difference)
    assert math.isnan(result.p_value)
