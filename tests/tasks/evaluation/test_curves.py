from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as sk

from tasks.evaluation.bounds import exact_interval
from tasks.evaluation.curves import (
    MAX_POINTS,
    NUM_BINS,
    calibration_error,
    can_be_drawn,
    precision_recall_curve,
    reliability,
    roc_curve,
)

LABELS = np.array([0, 0, 1, 1, 1], np.uint8)
SAID = np.array([0.1, 0.8, 0.4, 0.8, 0.9], np.float32)


def many(rows: int = 5000) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    random = np.random.default_rng(3)
    labels = (random.random(rows) < 0.4).astype(np.uint8)
    return labels, np.clip(random.normal(0.3 + 0.4 * labels, 0.2), 0, 1).astype(np.float32)


def test_each_point_of_the_roc_curve_has_the_exact_bounds_of_its_recall() -> None:
    curve = roc_curve(LABELS, SAID)

    assert curve.x.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.y.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    for found, lower, upper in zip((0, 1, 2, 3, 3), curve.lower, curve.upper, strict=True):
        assert (lower, upper) == pytest.approx(exact_interval(found, 3))


def test_each_point_of_precision_has_the_bounds_of_the_reviews_called_positive_there() -> None:
    curve = precision_recall_curve(LABELS, SAID)

    assert curve.x.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert curve.y.tolist() == pytest.approx([1, 2 / 3, 3 / 4, 3 / 5])
    for counts, lower, upper in zip(((1, 1), (2, 3), (3, 4), (3, 5)), curve.lower, curve.upper, strict=True):
        assert (lower, upper) == pytest.approx(exact_interval(*counts))


def test_long_curves_are_thinned_and_keep_their_area_and_their_ends() -> None:
    labels, said = many()
    for curve in (roc_curve(labels, said), precision_recall_curve(labels, said)):
        assert len(curve.x) <= MAX_POINTS
        assert (np.diff(curve.x) >= 0).all()
        assert curve.x[-1] == 1
        assert ((curve.lower <= curve.y) & (curve.y <= curve.upper)).all()
    curve = roc_curve(labels, said)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(sk.roc_auc_score(labels, said), abs=1e-3)


def test_bins_count_every_row_once_and_the_error_is_their_weighted_distance() -> None:
    labels, said = np.array([0, 1, 1, 1], np.uint8), np.array([0.0, 0.05, 0.95, 1.0], np.float32)

    bins = reliability(labels, said)

    assert [one.num_rows for one in bins] == [2, *[0] * (NUM_BINS - 2), 2]
    assert (bins[0].said, bins[0].seen) == pytest.approx((0.025, 0.5))
    assert (bins[0].lower, bins[0].upper) == pytest.approx(exact_interval(1, 2))
    assert np.isnan(bins[4].seen)
    assert calibration_error(bins) == pytest.approx((2 * 0.475 + 2 * 0.025) / 4)


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 0], [0.1, 0.2]), ([1, 1], [0.1, 0.2]), ([], []), ([0, 1], [0.1, np.nan]), ([0, 1], [0, 2])],
)
def test_one_class_and_what_is_no_probability_cannot_be_drawn(labels: list[int], said: list[float]) -> None:
    assert not can_be_drawn(np.array(labels, np.uint8), np.array(said, np.float32))
    assert can_be_drawn(LABELS, SAID)
