from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from tasks.evaluation.bounds import (
    Placements,
    auc_standard_error,
    exact_interval,
    exact_intervals,
    exact_lower_bound,
    normal_quantile,
    placements,
)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

# Few different scores, so that most of them are ties.
scored_rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=40)
counts = st.integers(1, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def naive_delong(labels: Labels, scores: Floats) -> tuple[float, float]:
    """AUC and its variance by comparing every positive row with every negative one (DeLong et al. 1988, eq. 5)."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    kernel = np.array([[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive])
    of_positive, of_negative = kernel.mean(axis=1), kernel.mean(axis=0)
    auc = float(kernel.mean())
    variance = sum(
        float(((part - auc) ** 2).sum()) / (len(part) - 1) / len(part) for part in (of_positive, of_negative)
    )
    return auc, variance


def split_rows(rows: list[tuple[int, int]]) -> tuple[Labels, Floats]:
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores, dtype=np.float64)


# Shares.


@given(counts, st.sampled_from([0.001, 0.025, 0.05, 0.2]))
def test_the_lower_bound_is_that_of_statsmodels(count: tuple[int, int], alpha: float) -> None:
    successes, trials = count
    expected, _ = proportion_confint(successes, trials, alpha=2 * alpha, method="beta")
    assert exact_lower_bound(successes, trials, alpha) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(1, 1), (3, 10), (500, 1000), (12_500, 25_000)])
def test_at_the_lower_bound_so_many_successes_have_the_probability_alpha(successes: int, trials: int) -> None:
    lower = exact_lower_bound(successes, trials, 0.001)
    assert stats.binom.sf(successes - 1, trials, lower) == pytest.approx(0.001, rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "level", "accuracy"),
    [(25_000, 0.50, 0.5098), (25_000, 0.55, 0.5598), (1000, 0.50, 0.550), (1000, 0.55, 0.599)],
)
def test_the_smallest_accuracy_above_a_level_is_the_documented_one(rows: int, level: float, accuracy: float) -> None:
    smallest = next(k for k in range(int(rows * level), rows) if exact_lower_bound(k, rows, 0.001) > level)
    digits = 4 if rows == 25_000 else 3
    assert round(smallest / rows, digits) == accuracy
    assert exact_lower_bound(smallest - 1, rows, 0.001) <= level


def test_without_a_success_the_bound_is_0_and_without_a_trial_it_is_undefined() -> None:
    assert exact_lower_bound(0, 10, 0.05) == 0.0
    assert math.isnan(exact_lower_bound(0, 0, 0.05))


@given(counts, st.sampled_from([0.9, 0.95, 0.999]))
def test_the_interval_is_that_of_statsmodels(count: tuple[int, int], confidence: float) -> None:
    successes, trials = count
    expected = proportion_confint(successes, trials, alpha=1 - confidence, method="beta")
    assert exact_interval(successes, trials, confidence) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("successes", "end", "value"), [(0, 0, 0.0), (10, 1, 1.0)])
def test_the_interval_reaches_the_end_where_all_or_none_succeed(successes: int, end: int, value: float) -> None:
    assert exact_interval(successes, 10)[end] == value


def test_without_a_trial_the_interval_is_undefined() -> None:
    assert all(math.isnan(end) for end in exact_interval(0, 0))


@pytest.mark.parametrize(("probability", "expected"), [(0.5, 0.0), (0.975, 1.959964), (0.999, 3.090232)])
def test_a_normal_quantile_is_the_one_of_the_tables(probability: float, expected: float) -> None:
    assert normal_quantile(probability) == pytest.approx(expected, abs=1e-6)


# Newcombe, Statistics in Medicine 17 (1998) 857, table I: the intervals of Clopper and Pearson.
@pytest.mark.parametrize(
    ("successes", "trials", "lower", "upper"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_the_interval_is_the_published_one(successes: int, trials: int, lower: float, upper: float) -> None:
    assert exact_interval(successes, trials) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize("trials", [1, 2, 10, 25_000])
def test_the_bound_of_all_or_none_is_a_power(trials: int) -> None:
    assert exact_lower_bound(trials, trials, 0.001) == pytest.approx(0.001 ** (1 / trials), abs=1e-12)
    assert exact_interval(0, trials)[1] == pytest.approx(1 - 0.025 ** (1 / trials), abs=1e-12)
    assert exact_interval(trials, trials)[0] == pytest.approx(0.025 ** (1 / trials), abs=1e-12)


@given(counts)
def test_the_one_sided_bound_is_the_end_of_the_two_sided_interval_at_twice_the_error(count: tuple[int, int]) -> None:
    assert exact_lower_bound(*count, 0.025) == pytest.approx(exact_interval(*count, 0.95)[0], abs=1e-9)


# The AUC.


def jackknife(labels: Labels, scores: Floats) -> float:
    """Variance of scikit-learn's AUC by leaving out one row after the other, within each class.

    Pseudo-values of a two-sample U statistic are its structural components: this is DeLong's variance (Arvesen 1969).
    """
    variance = 0.0
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        left_out = [roc_auc_score(np.delete(labels, row), np.delete(scores, row)) for row in rows]
        variance += (len(rows) - 1) / len(rows) * float(((left_out - np.mean(left_out)) ** 2).sum())
    return variance


@pytest.mark.parametrize("levels", [2, 5, 1000], ids=["two scores", "many ties", "few ties"])
@pytest.mark.parametrize(("negatives", "positives"), [(2, 2), (2, 30), (30, 2), (40, 25)])
def test_the_error_is_that_of_a_jackknife_over_scikit_learns_auc(negatives: int, positives: int, levels: int) -> None:
    random = np.random.default_rng(levels)
    labels = np.repeat([0, 1], [negatives, positives])
    scores = np.floor(levels * stats.norm.cdf(random.normal(size=len(labels)) + labels))
    assert auc_standard_error(placements(labels, scores)) ** 2 == pytest.approx(jackknife(labels, scores), abs=1e-12)


@given(scored_rows)
def test_the_auc_is_mann_whitneys_statistic(rows: list[tuple[int, int]]) -> None:
    labels, scores = split_rows(rows)
    positive, negative = scores[labels == 1], scores[labels == 0]
    if len(positive) and len(negative):
        expected = stats.mannwhitneyu(positive, negative, method="asymptotic").statistic
        assert placements(labels, scores).auc == pytest.approx(expected / len(positive) / len(negative), abs=1e-12)


@pytest.mark.parametrize("scores", [[0.5] * 6, [0.0] * 6], ids=["one half", "zero"])
def test_one_score_for_all_rows_is_an_auc_of_one_half_without_error(scores: list[float]) -> None:
    of = placements(np.array([0, 1, 0, 1, 0, 1]), np.array(scores))
    assert (of.auc, auc_standard_error(of)) == (0.5, 0.0)


@given(scored_rows)
def test_the_auc_and_its_variance_are_delongs_with_ties_too(rows: list[tuple[int, int]]) -> None:
    labels, scores = split_rows(rows)
    of = placements(labels, scores)
    if len(set(labels.tolist())) < 2:
        assert math.isnan(of.auc)
        assert math.isnan(auc_standard_error(of))
        return
    assert of.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    if min(labels.sum(), (1 - labels).sum()) < 2:
        assert math.isnan(auc_standard_error(of))
        return
    auc, variance = naive_delong(labels, scores)
    assert of.auc == pytest.approx(auc, abs=1e-12)
    assert auc_standard_error(of) ** 2 == pytest.approx(variance, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_auc_of_a_larger_sample_is_that_of_scikit_learn(dtype: type[np.floating]) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 3000)
    scores = (random.normal(size=3000) + labels).round(2).astype(dtype)
    of = placements(labels, scores)
    auc, variance = naive_delong(labels[:400], scores[:400].astype(np.float64))
    assert of.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    first = placements(labels[:400], scores[:400])
    assert (first.auc, auc_standard_error(first) ** 2) == pytest.approx((auc, variance), abs=1e-12)


def test_the_placements_are_shares_of_the_other_class() -> None:
    of = placements(np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.1, 0.4, 0.4, 0.95]))
    assert of.positive == pytest.approx([2 / 3, 1.5 / 3])
    assert of.negative == pytest.approx([1.0, 1.5 / 2, 0.0])


def test_the_order_of_the_rows_does_not_matter() -> None:
    random = np.random.default_rng(1)
    labels, scores = random.integers(0, 2, 200), random.normal(size=200)
    order = random.permutation(200)
    first, second = placements(labels, scores), placements(labels[order], scores[order])
    assert first.auc == pytest.approx(second.auc, abs=1e-14)
    assert auc_standard_error(first) == pytest.approx(auc_standard_error(second), abs=1e-14)


def test_turned_scores_have_the_auc_turned_about_one_half_and_the_same_error() -> None:
    random = np.random.default_rng(2)
    labels, scores = random.integers(0, 2, 200), random.integers(0, 9, 200).astype(np.float64)
    first, second = placements(labels, scores), placements(labels, -scores)
    assert first.auc + second.auc == pytest.approx(1, abs=1e-14)
    assert auc_standard_error(first) == pytest.approx(auc_standard_error(second), abs=1e-14)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label: int) -> None:
    of = placements(np.full(5, label), np.arange(5.0))
    assert math.isnan(of.auc)
    assert math.isnan(auc_standard_error(of))


def test_a_score_that_is_not_a_number_leaves_no_auc() -> None:
    of = placements(np.array([0, 0, 1, 1]), np.array([0.1, np.nan, 0.8, 0.9]))
    assert math.isnan(of.auc)
    assert math.isnan(auc_standard_error(of))


@pytest.mark.parametrize(("num_positive", "is_defined"), [(1, False), (2, True)])
def test_the_error_needs_two_rows_in_each_class(num_positive: int, is_defined: bool) -> None:
    labels = np.array([0, 0, 0] + [1] * num_positive)
    of = placements(labels, np.arange(len(labels), dtype=np.float64))
    assert of.auc == 1.0
    assert math.isfinite(auc_standard_error(of)) == is_defined


def test_the_error_is_0_where_all_rows_are_ranked_right() -> None:
    assert auc_standard_error(Placements(1.0, np.ones(3), np.ones(4))) == 0.0


def test_many_intervals_at_once_are_those_of_each_share() -> None:
    counts = [(0, 0), (0, 5), (5, 5), (3, 7), (1249, 1250)]

    lower, upper = exact_intervals(np.array([one for one, _ in counts]), np.array([of for _, of in counts]))

    for place, (successes, trials) in enumerate(counts):
        assert (lower[place], upper[place]) == pytest.approx(exact_interval(successes, trials), nan_ok=True)
