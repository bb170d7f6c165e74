from __future__ import annotations

import math
from dataclasses import replace

import pytest

from storage.options import CheckOptions
from storage.records import CheckResult, Epoch
from tasks.checks.base import CheckedModel
from tasks.checks.convergence import check_convergence


def check(model: CheckedModel, losses: list[float], max_epochs: int = 12) -> CheckResult:
    epochs = tuple(Epoch(number, 0.5, 0.7, loss, 0.7, 1e-3, 1.0) for number, loss in enumerate(losses, 1))
    return check_convergence(replace(model, epochs=epochs, max_epochs=max_epochs), CheckOptions())


def test_a_loss_that_fell_and_rose_again_passes(checked_model: CheckedModel) -> None:
    result = check(checked_model, [0.6, 0.5, 0.55, 0.6])
    assert (result.name, result.verdict) == ("convergence", "pass")
    assert result.evidence == "validation loss was best in epoch 2 of 4, 0.5000"
    assert result.measured == {
        "epochs": 4,
        "max_epochs": 12,
        "best_epoch": 2,
        "best_validation_loss": 0.5,
        "last_change": pytest.approx(0.2),
        "smallest_rise": pytest.approx(-1 / 6),
    }


# Too few epochs.


@pytest.mark.parametrize(
    ("last", "verdict"), [(0.25, "fail"), (0.4949, "fail"), (0.4951, "warn"), (0.4999, "warn"), (0.5, "pass")]
)
def test_a_loss_that_still_falls_in_the_last_allowed_epoch_fails_from_one_percent_on(
    checked_model: CheckedModel, last: float, verdict: str
) -> None:
    result = check(checked_model, [0.7, 0.5, last], max_epochs=3)
    assert result.verdict == verdict
    assert result.evidence.startswith("too few epochs") == (verdict == "fail")


def test_the_last_epoch_is_held_against_the_best_before_it_and_not_against_its_neighbour(
    checked_model: CheckedModel,
) -> None:
    assert check(checked_model, [0.7, 0.5, 0.6, 0.498], max_epochs=4).verdict == "warn"


@pytest.mark.parametrize(("max_epochs", "verdict"), [(3, "fail"), (4, "pass"), (12, "pass")])
def test_training_that_stopped_before_the_last_allowed_epoch_is_never_too_short(
    checked_model: CheckedModel, max_epochs: int, verdict: str
) -> None:
    assert check(checked_model, [0.7, 0.6, 0.5], max_epochs).verdict == verdict


@pytest.mark.parametrize(("max_epochs", "verdict"), [(1, "fail"), (2, "pass")])
def test_a_single_allowed_epoch_is_always_too_few(checked_model: CheckedModel, max_epochs: int, verdict: str) -> None:
    result = check(checked_model, [0.6], max_epochs)
    assert result.verdict == verdict
    assert result.measured.keys() == {"epochs", "max_epochs", "best_epoch", "best_validation_loss"}
    if verdict == "fail":
        assert result.evidence.startswith("too few epochs: only one was allowed")


# The learning rate.


@pytest.mark.parametrize(
    ("later", "verdict"),
    [
        ([0.9, 1.2], "fail"),
        ([0.5051, 0.6], "fail"),
        ([0.6, 0.5051], "fail"),
        ([0.5049, 0.6], "warn"),
        ([0.6, 0.5], "warn"),
        ([0.6, 0.4999], "pass"),
    ],
)
def test_a_loss_that_rises_from_the_first_epoch_on_names_the_learning_rate(
    checked_model: CheckedModel, later: list[float], verdict: str
) -> None:
    result = check(checked_model, [0.5, *later])
    assert result.verdict == verdict
    assert result.evidence.startswith("learning rate too high") == (verdict == "fail")


def test_two_epochs_are_enough_to_rise_even_if_no_more_were_allowed(checked_model: CheckedModel) -> None:
    assert "learning rate" in check(checked_model, [0.5, 0.7], max_epochs=2).evidence


# What cannot be judged.


def test_no_epochs_fail_without_an_error(checked_model: CheckedModel) -> None:
    result = check(checked_model, [])
    assert (result.verdict, result.evidence) == ("fail", "no epoch was recorded")


@pytest.mark.parametrize("losses", [[math.nan], [0.5, math.nan], [math.nan, 0.5, 0.4], [0.5, math.inf, 0.6]])
def test_a_loss_that_is_not_finite_fails_and_is_not_stored(checked_model: CheckedModel, losses: list[float]) -> None:
    result = check(checked_model, losses)
    assert result.verdict == "fail"
    assert f"1 of {len(losses)} epochs is not finite" in result.evidence
    assert all(math.isfinite(value) for value in result.measured.values() if not isinstance(value, str))


def test_a_loss_of_zero_is_no_division_by_it(checked_model: CheckedModel) -> None:
    assert check(checked_model, [0.0, 0.0, 0.0], max_epochs=3).verdict in ("pass", "warn")
