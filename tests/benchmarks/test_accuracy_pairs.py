from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.accuracy_pairs import Difference, Trained, figures_of, table, ways_of

OURS = Trained(
    device="cpu: a processor, 2 cores (tensorflow)",
    model="baseline_avgpool",
    way="ours",
    seed=1,
    products="float32",
    epochs=5,
    best_epoch=3,
    seconds=20.0,
    accuracy=0.88,
    auc=0.95,
    code="0123456789ab",
)
PLAIN = replace(OURS, way="plain", accuracy=0.87, seconds=60.0)


def test_the_interval_is_students() -> None:
    found = Difference.of_seeds([0.01, 0.02, 0.03])

    # t(0.975, 2) = 4.302653, and the standard error of the mean is 0.01 / sqrt(3).
    assert found.mean == pytest.approx(0.02)
    assert found.lower == pytest.approx(0.02 - 4.302653 * 0.01 / math.sqrt(3))
    assert found.upper == pytest.approx(0.02 + 4.302653 * 0.01 / math.sqrt(3))
    assert found.points == "+2.00 (-0.48 to +4.48)"


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([0.01, 0.02, 0.03], "no difference shown"),
        ([0.019, 0.02, 0.021], "ours is better"),
        ([-0.019, -0.02, -0.021], "ours is worse"),
        ([0.0, 0.0, 0.0], "no difference shown"),
        ([0.02], "one seed shows nothing"),
    ],
)
def test_a_difference_is_shown_where_the_interval_leaves_zero_out(differences: list[float], words: str) -> None:
    assert Difference.of_seeds(differences).words == words


def test_a_training_is_compared_with_ours_of_its_own_seed_and_device() -> None:
    elsewhere = replace(PLAIN, device="gpu:0 (jax)")
    trainings = [OURS, PLAIN, elsewhere, replace(PLAIN, seed=2), replace(OURS, seed=3)]

    pairs = {(way.trainings[0].device, way.trainings[0].way): way.pairs for way in ways_of(trainings)}
    assert pairs == {
        (OURS.device, "ours"): [],
        (OURS.device, "plain"): [(OURS, PLAIN)],
        (elsewhere.device, "plain"): [],
    }


def test_of_two_trainings_of_one_key_the_later_counts() -> None:
    again = replace(OURS, accuracy=0.9)

    assert [way.trainings for way in ways_of([OURS, again])] == [(again,)]


def test_a_figure_says_what_the_seeds_show() -> None:
    of_two = [OURS, PLAIN, replace(OURS, seed=2, accuracy=0.89), replace(PLAIN, seed=2, accuracy=0.88)]

    (figure,) = figures_of(of_two)
    assert figure.name == "baseline_avgpool, test accuracy, plain instead"
    assert figure.ours == pytest.approx(88.5)
    assert figure.reference == pytest.approx(87.5)
    assert figure.ratio == pytest.approx((88 / 87 + 89 / 88) / 2)
    assert figure.against is not None
    assert "on cpu: a processor" in figure.against
    assert figure.against.endswith("+1.00 (+1.00 to +1.00) points, ours is better")
    assert figure.reached is None


def test_the_table_has_a_row_for_each_way() -> None:
    shown = table([OURS, PLAIN, replace(OURS, seed=2, accuracy=0.9, epochs=6, seconds=24)]).splitlines()

    assert len(shown) == 4
    ours = "| ours | float32 | 2 | 89.00 ± 1.41 | 95.00 ± 0.00 | 22 ± 3 | 5.5 ± 0.7 |  |  |"
    assert shown[2] == f"| {OURS.device} | baseline_avgpool {ours}"
    assert shown[3].endswith("| plain | float32 | 1 | 87.00 | 95.00 | 60 | 5.0 | +1.00 | +0.00 |")
