"""Label balance: each split, validation included, has enough of both classes."""

from __future__ import annotations

from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.base import CheckedData


def check_label_balance(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Measure the share of positive labels in each split; a class below the bound in any split fails.

    A model trained on one class learns to say its name, and on a test set of one class no number means anything.
    """
    shares = {name: float((rows.labels == 1).mean()) if len(rows.labels) else 0.0 for name, rows in data.rows.items()}
    # Each class by itself: 1 - 0.8 is a little less than 0.2.
    minorities = {
        name: min(float((rows.labels == label).mean()) for label in (0, 1)) if len(rows.labels) else 0.0
        for name, rows in data.rows.items()
    }
    worst = min(minorities, key=lambda name: minorities[name])
    # One class only is refused at any bound, 0 included.
    failed = not (minorities[worst] > 0 and minorities[worst] >= options.min_class_share)
    listed = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    evidence = f"positive labels: {listed}"
    if minorities[worst] == 0:
        evidence = f"{worst} has only one class; {evidence}"
    elif failed:
        evidence = f"the smaller class of {worst} has only {minorities[worst]:.1%} of its rows; {evidence}"
    return CheckResult(
        name="label balance",
        verdict="fail" if failed else "pass",
        measured={f"positive_share_{name}": share for name, share in shares.items()},
        bound=f"each class at least {options.min_class_share:.0%} of each split",
        evidence=evidence,
    )
