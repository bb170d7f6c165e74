"""Convergence: a model was trained long enough, and not too fast."""

from __future__ import annotations

import math

from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict
from tasks.checks.base import CheckedModel, finite

_NAME = "convergence"
# A change of the validation loss by a smaller share is not worth an epoch, and within its noise.
_MATERIAL = 0.01
_BOUND = (
    f"validation loss not still falling by {_MATERIAL:.0%} in the last allowed epoch, and not {_MATERIAL:.0%} above "
    "the first epoch's in all others"
)


def check_convergence(model: CheckedModel, options: CheckOptions) -> CheckResult:
    """Read from the recorded epochs whether training was cut off, or went wrong from the first epoch on.

    Too few epochs: the best epoch is the last that was allowed, and it took at least 1 % off the best validation loss
    before it; a single allowed epoch is always too few, since nobody knows what a second one would have given. Less
    than 1 % is a warning. Early stopping before the last allowed epoch is never too few.

    Learning rate: the best epoch is the first of two or more, and every later one is at least 1 % above it: the steps
    lead away from the minimum, or the training rows are learned by heart at once. If a later epoch came closer than
    that, it is a warning.
    """
    losses = [epoch.validation_loss for epoch in model.epochs]
    if not losses:
        return CheckResult(_NAME, "fail", {"epochs": 0}, _BOUND, "no epoch was recorded")
    verdict, evidence = _judge(losses, model.max_epochs)
    # NaN never is the smallest.
    best = min(range(len(losses)), key=lambda number: (math.isnan(losses[number]), losses[number]))
    measured = finite(
        epochs=len(losses),
        max_epochs=model.max_epochs,
        best_epoch=best + 1,
        best_validation_loss=losses[best],
        last_change=_change(losses[-1], min(losses[:-1], default=math.nan)),
        smallest_rise=_change(min(losses[1:], default=math.nan), losses[0]),
    )
    return CheckResult(_NAME, verdict, measured, _BOUND, evidence)


def _judge(losses: list[float], max_epochs: int) -> tuple[CheckVerdict, str]:
    broken = sum(not math.isfinite(loss) for loss in losses)
    if broken:
        return "fail", f"the validation loss of {broken} of {len(losses)} epochs is not finite"
    count, best = len(losses), losses.index(min(losses))
    if best == count - 1 and count >= max_epochs:
        return _judge_cut_off(losses)
    if best == 0 and count > 1:
        return _judge_rising(losses)
    return "pass", f"validation loss was best in epoch {best + 1} of {count}, {losses[best]:.4f}"


def _judge_cut_off(losses: list[float]) -> tuple[CheckVerdict, str]:
    count, last = len(losses), losses[-1]
    if count == 1:
        return (
            "fail",
            f"too few epochs: only one was allowed, and whether its validation loss {last:.4f} is the best is unknown",
        )
    fall = -_change(last, min(losses[:-1]))
    words = f"validation loss was still falling in the last of {count} allowed epochs, by {fall:.2%} to {last:.4f}"
    return ("fail", f"too few epochs: {words}") if fall >= _MATERIAL else ("warn", words)


def _judge_rising(losses: list[float]) -> tuple[CheckVerdict, str]:
    rise = _change(min(losses[1:]), losses[0])
    words = (
        f"validation loss was best in epoch 1 of {len(losses)}, {losses[0]:.4f}, and at least {rise:.2%} higher in all "
        "others"
    )
    return ("fail", f"learning rate too high: {words}") if rise >= _MATERIAL else ("warn", words)


def _change(value: float, base: float) -> float:
    """Relative change of a loss; NaN from 0, which no loss of a held-out split reaches."""
    return (value - base) / base if base else math.nan
