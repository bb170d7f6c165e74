"""What checks say, how losses fall and what takes how long, in an example: set down in advance: nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.records import CheckAction, CheckResult, CheckVerdict, Epoch
from tasks.checks.base import Check
from tasks.promotion.gates import RELOAD

SHUFFLED = ("train/test alignment", "probe")
"""The checks that see that test labels belong to other rows."""
SAID = {
    "train/test alignment": "test: labels fit the reviews that they stand beside no better than by chance",
    "probe": "a linear model reads validation at 0.847, test at 0.501: more than 0.05 apart",
    "leakage": "0.49% of test rows are in train too; allowed: 2%",
    "drift": "lengths differ by an effect size of 0.318, at least 0.301; allowed: 0.3",
    "label balance": "test: class 1 has 4.1% of 24,986 rows; needed: at least 20%",
    "convergence": "best in epoch 1 of 6, and worse from then on: the learning rate may be too large",
}
SECONDS = {
    "ingest": 4.6,
    "featurize": 1.1,
    "validate": 2.4,
    "probe": 4.8,
    "train baseline_avgpool": 29.4,
    "train advanced_bilstm_features": 212.0,
    "predict baseline_avgpool": 1.4,
    "predict advanced_bilstm_features": 19.2,
    "predict again baseline_avgpool": 4.6,
    "predict again advanced_bilstm_features": 5.7,
    "promote": 0.02,
}
"""Of the stages that take long, as docs/performance.md has them of 50,000 reviews."""
SECONDS_OF_A_RUN = 288.0


def findings(
    checks: Sequence[Check[Any]], warns: Sequence[str] = (), fails: Sequence[str] = (), probe: float = 0.0
) -> tuple[CheckResult, ...]:
    """What all of them say, of which some warn and some fail."""
    results = []
    for check in checks:
        measured: dict[str, float | int | str] = {"rows_changed": 0} if check.name == RELOAD else {}
        if check.name == "probe":
            measured = {"test_accuracy": probe}
        verdict: CheckVerdict = "fail" if check.name in fails else "warn" if check.name in warns else "pass"
        words = SAID[check.name] if verdict != "pass" else "nothing was found"
        action: CheckAction = (
            "warn" if check.name == "drift" or (verdict == "warn" and check.name != "leakage") else "fail"
        )
        results.append(CheckResult(check.name, verdict, measured, "as configured", words, action=action))
    return tuple(results)


def epochs(quality: float, seconds: float) -> tuple[Epoch, ...]:
    """Six epochs, of which the fourth is the best."""
    losses = [(0.58, 0.44), (0.36, 0.34), (0.27, 0.31), (0.21, 0.30), (0.16, 0.31), (0.12, 0.33)]
    return tuple(
        Epoch(number, loss, 1 - 0.45 * loss, validation, quality - (validation - 0.3), 1e-3, round(seconds, 1))
        for number, (loss, validation) in enumerate(losses, 1)
    )
