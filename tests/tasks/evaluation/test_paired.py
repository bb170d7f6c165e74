from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar

from tasks.evaluation.paired import PairedAccuracy, compare_accuracy, compare_auc, non_inferiority_p_value

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


# Agresti, Categorical Data Analysis (2002), table 10.1: approval of the Prime Minister in two surveys.
AGRESTI = {"both": 794, "only_first": 150, "only_second": 86, "neither": 570}


def test_the_interval_is_that_of_agrestis_textbook() -> None:
    result = compared(**AGRESTI)
    assert result.difference == pytest.approx(0.04, abs=1e-12)
    assert result.upper - result.difference == pytest.approx(1.96 * 0.0095, abs=2e-4)
    assert (round(result.lower, 2), round(result.upper, 2)) == (0.02, 0.06)


def test_the_exact_p_value_is_near_that_of_agrestis_z_of_4_17() -> None:
    assert compared(**AGRESTI).p_value == pytest.approx(stats.norm.sf(4.17), rel=0.3)
    assert compared(**AGRESTI).p_value == pytest.approx(stats.binom.sf(149, 236, 0.5), rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 7, 40, 1000])
def test_where_all_discordant_rows_are_on_one_side_the_p_value_is_a_power_of_one_half(count: int) -> None:
    assert compared(5, count, 0, 0).p_value == pytest.approx(0.5**count, rel=1e-9)
    assert compared(5, 0, count, 0).p_value == 1.0


@pytest.mark.parametrize(("b", "c", "difference"), [(1, 0, 1.0), (0, 1, -1.0), (0, 0, 0.0)])
def test_one_row_has_a_difference_and_no_width(b: int, c: int, difference: float) -> None:
    result = compared(1 - b - c, b, c, 0)
    assert (result.difference, result.lower, result.upper) == (difference, difference, difference)


# Non-inferiority.


def constrained_p_value(b: int, c: int, rows: int, margin: float) -> float:
    """Tango's score test from its definition: the likelihood under a loss of the margin is maximised numerically."""

    def slope(share: float) -> float:
        # Derivative of b log(share - margin) + c log(share) + (rows - b - c) log(1 - 2 share + margin).
        return b / (share - margin) + c / share - 2 * (rows - b - c) / (1 - 2 * share + margin)

    low, high = margin + 1e-15, (1 + margin) / 2 - 1e-15
    if slope(low) <= 0:
        share = margin
    elif slope(high) >= 0:
        share = (1 + margin) / 2
    else:
        share = optimize.brentq(slope, low, high, xtol=1e-16)
    variance = rows * (2 * share - margin - margin**2)
    return float(stats.norm.sf((b - c + rows * margin) / math.sqrt(variance)))


tables = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300)).filter(any)


@given(tables, st.sampled_from([0.001, 0.005, 0.05, 0.1, 0.3, 0.5]))
def test_the_score_test_is_that_of_a_likelihood_maximised_numerically(
    table: tuple[int, int, int], margin: float
) -> None:
    b, c, concordant = table
    rows = b + c + concordant
    assert non_inferiority_p_value(b, c, rows, margin) == pytest.approx(
        constrained_p_value(b, c, rows, margin), abs=1e-6
    )


@pytest.mark.parametrize(("b", "c"), [(0, 0), (100, 200), (1300, 1350), (0, 125), (125, 0), (12_500, 12_500)])
def test_the_score_test_holds_at_the_size_of_the_real_test_set_too(b: int, c: int) -> None:
    expected = constrained_p_value(b, c, 25_000, 0.005)
    assert non_inferiority_p_value(b, c, 25_000, 0.005) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("rows", "margin"), [(1, 0.1), (100, 0.05), (25_000, 0.005)])
def test_without_a_discordant_row_the_score_test_is_that_of_the_margin_alone(rows: int, margin: float) -> None:
    expected = stats.norm.sf(math.sqrt(rows * margin / (1 - margin)))
    assert non_inferiority_p_value(0, 0, rows, margin) == pytest.approx(expected, abs=1e-12)


@given(small, small, small)
def test_without_a_margin_the_score_test_is_mcnemars_asymptotic_one(b: int, c: int, concordant: int) -> None:
    p_value = non_inferiority_p_value(b, c, b + c + concordant + 1, 0.0)
    if b + c == 0:
        assert p_value == 1.0
        return
    squared = mcnemar([[concordant, b], [c, 1]], exact=False, correction=False)
    z = math.copysign(math.sqrt(squared.statistic), b - c)
    assert p_value == pytest.approx(stats.norm.sf(z), abs=1e-9)


def test_without_a_margin_the_score_test_is_agrestis_z_of_4_17() -> None:
    p_value = non_inferiority_p_value(150, 86, 1600, 0.0)
    assert stats.norm.isf(p_value) == pytest.approx(4.17, abs=0.005)


@pytest.mark.parametrize("margin", [0.005, 0.1])
def test_a_loss_of_the_margin_itself_has_a_p_value_of_one_half(margin: float) -> None:
    rows = 2000
    lost = round(rows * margin)
    assert non_inferiority_p_value(30, 30 + lost, rows, margin) == pytest.approx(0.5, abs=1e-12)
    assert non_inferiority_p_value(30, 29 + lost, rows, margin) < 0.5
    assert non_inferiority_p_value(30, 31 + lost, rows, margin) > 0.5


@given(tables, st.sampled_from([0.005, 0.05]))
def test_a_better_challenger_and_a_wider_margin_have_a_smaller_p_value(
    table: tuple[int, int, int], margin: float
) -> None:
    b, c, concordant = table
    rows = b + c + concordant + 1
    p_value = non_inferiority_p_value(b, c, rows, margin)
    assert 0 <= p_value <= 1
    assert non_inferiority_p_value(b + 1, c, rows, margin) <= p_value + 1e-12
    assert non_inferiority_p_value(b, c + 1, rows, margin) >= p_value - 1e-12
    assert non_inferiority_p_value(b, c, rows, margin + 0.01) <= p_value + 1e-12


def test_a_margin_that_is_not_a_number_shows_nothing() -> None:
    assert non_inferiority_p_value(100, 0, 1000, math.nan) == 1.0


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


triples = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=30)


@given(triples)
def test_the_paired_error_is_delongs_on_tiny_samples_of_ties(rows: list[tuple[int, int, int]]) -> None:
    labels, first, second = (np.array(column) for column in zip(*rows, strict=True))
    result = compare_auc(labels, first.astype(float), second.astype(float))
    if not 2 <= labels.sum() <= len(labels) - 2:
        assert math.isnan(result.p_value)
        return
    difference, error = naive_paired(labels, first.astype(float), second.astype(float))
    assert result.difference == pytest.approx(difference, abs=1e-12)
    assert result.standard_error == pytest.approx(error, abs=1e-7)
    if error > 1e-6:
        assert result.p_value == pytest.approx(stats.norm.sf(difference / error), abs=1e-6)


def test_the_paired_error_is_that_of_a_jackknife_over_scikit_learns_aucs() -> None:
    random = np.random.default_rng(5)
    labels = np.repeat([0, 1], [30, 20])
    first, second = (np.floor(3 * (random.normal(size=50) + labels)) for _ in range(2))

    def difference(kept: npt.NDArray[np.bool_]) -> float:
        return float(roc_auc_score(labels[kept], first[kept]) - roc_auc_score(labels[kept], second[kept]))

    variance = 0.0
    for label in (0, 1):
        left_out = np.array([difference(np.arange(50) != row) for row in np.flatnonzero(labels == label)])
        variance += (len(left_out) - 1) * float(left_out.var())
    assert compare_auc(labels, first, second).standard_error == pytest.approx(math.sqrt(variance), abs=1e-12)


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
