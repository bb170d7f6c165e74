from __future__ import annotations

import math
from dataclasses import replace

import pytest

from storage.records import CheckResult, ConfusionMatrix
from tasks.evaluation.bounds import exact_interval
from tasks.reporting.scores import majority_share, scores_on_test, with_bounds
from tests.verdicts import PROBE, REJECTED, candidate


def test_models_come_first_then_the_champion_and_the_probe() -> None:
    scores = scores_on_test([candidate("a"), candidate("c")], [REJECTED], [PROBE])

    assert [(score.name, score.role) for score in scores] == [
        ("a", "model"),
        ("c", "model"),
        ("champion: b of r0", "champion"),
        ("linear probe", "probe"),
    ]


def test_a_model_has_the_exact_bounds_of_its_counts() -> None:
    (score,) = scores_on_test([candidate()], [], [])

    assert (score.value, (score.lower, score.upper)) == (0.8, exact_interval(80, 100))
    assert str(score) == "0.8000 [0.7082, 0.8733]"


def test_the_champion_is_counted_back_from_the_comparison() -> None:
    # Of 100 rows the challenger gets 80 right, 2 of them alone; the champion gets 5 right alone.
    champion = scores_on_test([candidate()], [REJECTED], [])[1]

    assert (champion.value, (champion.lower, champion.upper)) == (0.83, exact_interval(83, 100))
    assert champion.auc == pytest.approx(0.92)


def test_who_was_compared_with_none_has_no_champion_beside_it() -> None:
    assert len(scores_on_test([candidate()], [replace(REJECTED, comparison=None)], [])) == 1


@pytest.mark.parametrize("measured", [{}, {"cross_validation_accuracy": 0.7}])
def test_a_probe_that_did_not_measure_is_left_out(measured: dict[str, float | int | str]) -> None:
    probe = CheckResult("probe", "off", measured, "", "turned off", action="off")
    assert len(scores_on_test([candidate()], [], [probe])) == 1


@pytest.mark.parametrize(
    ("confusion", "share"),
    [(ConfusionMatrix(1, 2, 0, 1), 0.75), (ConfusionMatrix(0, 1, 2, 2), 0.8), (ConfusionMatrix(0, 0, 0, 0), math.nan)],
)
def test_the_majority_is_the_more_frequent_label(confusion: ConfusionMatrix, share: float) -> None:
    assert majority_share(confusion) == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.5, 0.4, 0.6), "0.5000 [0.4000, 0.6000]"),
        ((0.5, math.nan, math.nan), "0.5000"),
        ((0.5, None, None), "0.5000"),
        ((math.nan, 0.4, 0.6), "-"),
        ((math.inf,), "-"),
        ((None,), "-"),
    ],
)
def test_what_is_undefined_is_a_dash_and_what_has_no_bounds_stands_alone(
    numbers: tuple[float | None, ...], words: str
) -> None:
    assert with_bounds(*numbers) == words
