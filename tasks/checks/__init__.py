"""Checks of the data, one a file: each measures and returns a result; none raises, logs or plots."""

from __future__ import annotations

from collections.abc import Callable

from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.alignment import check_alignment
from tasks.checks.base import CheckedData
from tasks.checks.consistent_scaler import check_consistent_scaler
from tasks.checks.label_balance import check_label_balance

CHECKS: tuple[Callable[[CheckedData, CheckOptions], CheckResult], ...] = (
    check_label_balance,
    check_alignment,
    check_consistent_scaler,
)


def run_checks(data: CheckedData, options: CheckOptions) -> list[CheckResult]:
    """Every check, in the order in which a person would want to know."""
    return [check(data, options) for check in CHECKS]
