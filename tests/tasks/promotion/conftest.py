"""What the tests of the rule share: the notebook's two models, sound checks, and comparisons."""

from __future__ import annotations

import math
from typing import Any

from storage.records import CheckResult, CheckVerdict, Comparison, ConfusionMatrix, Decision, Evaluation, Gate, Split
from tasks.promotion.rule import Assessment

# The notebook's two models: its test tables, and its validation accuracies on 2,500 rows.
BASELINE_TEST = ConfusionMatrix(11_843, 657, 3854, 8646)
BASELINE_AUC = 0.9389948767999999
ADVANCED_TEST = ConfusionMatrix(4180, 8320, 4419, 8081)
ADVANCED_AUC = 0.481549


def check(name: str, verdict: CheckVerdict = "pass", evidence: str = "", **measured: float | int | str) -> CheckResult:
    return CheckResult(name, verdict, measured, "", evidence or f"{name} was measured")


RELOADED = check("reload", rows=256, rows_changed=0, largest_difference=1e-7)
CHECKS = (check("split"), RELOADED)


def evaluation(
    confusion: ConfusionMatrix, auc: float = 0.9, auc_standard_error: float = 0.002, split: Split = "test"
) -> Evaluation:
    return Evaluation(split, confusion, auc, auc_standard_error)


def balanced(correct: int, rows: int) -> ConfusionMatrix:
    """As many rows of one class as of the other; an odd error falls to class 1."""
    half = rows // 2
    true_negatives = min(half, (correct + 1) // 2)
    true_positives = correct - true_negatives
    return ConfusionMatrix(true_negatives, half - true_negatives, rows - half - true_positives, true_positives)


def validation(accuracy: float, rows: int = 2500) -> Evaluation:
    return evaluation(balanced(round(accuracy * rows), rows), 0.9, 0.006, "validation")


def hanley_mcneil(auc: float, num_positive: int, num_negative: int) -> float:
    """Standard error of an AUC where the scores are not at hand (Hanley & McNeil, Radiology 143, 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (num_positive - 1) * (q1 - auc**2) + (num_negative - 1) * (q2 - auc**2)
    return math.sqrt(variance / (num_positive * num_negative))


def on_test(confusion: ConfusionMatrix, auc: float) -> Evaluation:
    return evaluation(confusion, auc, hanley_mcneil(auc, 12_500, 12_500))


BASELINE = Assessment("run/baseline", validation(0.8324), on_test(BASELINE_TEST, BASELINE_AUC), CHECKS, None)
ADVANCED = Assessment("run/advanced", validation(0.8756), on_test(ADVANCED_TEST, ADVANCED_AUC), CHECKS, None)


def comparison(**changes: Any) -> Comparison:
    """A challenger that is better by 1.2 points on 25,000 rows, in the first comparison on them."""
    usual: dict[str, Any] = {
        "champion_id": "run/old", "index": 0, "alpha": 0.025, "num_rows": 25_000, "only_challenger": 1600,
        "only_champion": 1300, "p_value": 1e-8, "difference": 0.012, "lower": 0.008, "upper": 0.016,
        "auc_difference": 0.01, "auc_lower": 0.007, "auc_upper": 0.013, "auc_standard_error": 0.0015,
    }  # fmt: skip
    return Comparison(**{**usual, **changes})


BETTER = comparison()
WORSE = comparison(only_challenger=1300, only_champion=1600, p_value=1.0, difference=-0.012, lower=-0.016, upper=-0.008)
# A loss of a fifth of a point, well within the margin of half a point; the two models seldom differ.
SLIGHTLY_WORSE = comparison(
    only_challenger=50, only_champion=100, p_value=1.0, difference=-0.002, lower=-0.003, upper=-0.001
)


def gate_of(decision: Decision, name: str) -> Gate:
    (found,) = (gate for gate in decision.gates if gate.name == name)
    return found


def failed(decision: Decision) -> list[str]:
    return [gate.name for gate in decision.gates if gate.verdict == "fail"]
