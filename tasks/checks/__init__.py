"""Checks, one a file: each measures and returns a result; none raises, logs or plots.

Those of the data run before anything is trained, those of a trained model before anything is promoted.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.alignment import check_alignment
from tasks.checks.base import Check, Checked, CheckedData
from tasks.checks.consistent_scaler import check_consistent_scaler
from tasks.checks.label_balance import check_label_balance

# In the order in which a person would want to know.
DATA_CHECKS: tuple[Check[CheckedData], ...] = (
    Check("label balance", "label_balance", check_label_balance),
    Check("train/test alignment", "alignment", check_alignment),
    Check("consistent scaler", "consistent_scaler", check_consistent_scaler),
)


def run_checks(checks: Sequence[Check[Checked]], checked: Checked, options: CheckOptions) -> tuple[CheckResult, ...]:
    """The result of every check, in their order."""
    return tuple(check.run(checked, options) for check in checks)
