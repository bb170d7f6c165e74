"""Checks, one a file: each measures and returns a result; none of them raises, logs or plots.

Those of the data run before anything is trained, those of a trained model before anything is promoted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.alignment import check_alignment
from tasks.checks.base import Check, Checked, CheckedData, CheckedModel
from tasks.checks.consistent_scaler import check_consistent_scaler
from tasks.checks.contents import check_contents
from tasks.checks.convergence import check_convergence
from tasks.checks.degenerate_predictions import check_degenerate_predictions
from tasks.checks.degenerate_reviews import check_degenerate_reviews
from tasks.checks.drift import check_drift
from tasks.checks.label_association import check_label_association
from tasks.checks.label_balance import check_label_balance
from tasks.checks.leakage import check_leakage
from tasks.checks.padding import check_padding
from tasks.checks.probe import check_probe
from tasks.checks.reload import check_reload
from tasks.checks.row_alignment import check_row_alignment
from tasks.checks.split import check_split

PROBE = "probe"

# In the order in which a person would want to know.
DATA_CHECKS: tuple[Check[CheckedData], ...] = (
    Check("contents", "contents", check_contents),
    Check("label balance", "label_balance", check_label_balance),
    Check("split", "split", check_split),
    Check("train/test alignment", "alignment", check_alignment),
    Check("consistent scaler", "consistent_scaler", check_consistent_scaler),
    Check("leakage", "leakage", check_leakage),
    Check("degenerate reviews", "degenerate_reviews", check_degenerate_reviews),
    Check("label association", "label_association", check_label_association),
    Check(PROBE, "probe", check_probe),
    Check("drift", "drift", check_drift),
)

MODEL_CHECKS: tuple[Check[CheckedModel], ...] = (
    Check("reload", "reload", check_reload),
    Check("row alignment", "row_alignment", check_row_alignment),
    Check("padding", "padding", check_padding),
    Check("degenerate predictions", "degenerate_predictions", check_degenerate_predictions),
    Check("convergence", "convergence", check_convergence),
)

_LEVELS = {"pass": logging.INFO, "off": logging.WARNING, "warn": logging.WARNING, "fail": logging.ERROR}


def run_checks(checks: Sequence[Check[Checked]], checked: Checked, options: CheckOptions) -> tuple[CheckResult, ...]:
    """The result of every check, in their order."""
    return tuple(check.run(checked, options) for check in checks)


def log_results(logger: logging.Logger, subject: str, results: Sequence[CheckResult]) -> None:
    """Say what the checks of a subject, the data or a model, have found: what is wrong as an error."""
    for result in results:
        logger.log(
            _LEVELS[result.verdict], "%s: check %s: %s, %s", subject, result.name, result.verdict, result.evidence
        )
