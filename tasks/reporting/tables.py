"""Tables for Prefect's artifacts: a row is a cell by column. What is undefined is a dash, never a NaN."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from storage.records import Candidate, CheckResult, Decision, Evaluation
from tasks.reporting.scores import Score, scores_on_test, with_bounds

Row = dict[str, str]

_NAMES = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier score", "f1": "F1"}


def artifact_key(kind: str, line: str) -> str:
    """The key under which an artifact's history is found: lower case, digits and dashes, as Prefect wants it."""
    return f"{kind}-{re.sub(r'[^a-z0-9]+', '-', line.lower()).strip('-') or 'unnamed'}"


def metrics_table(
    candidates: Sequence[Candidate], decisions: Sequence[Decision], checks: Sequence[CheckResult]
) -> list[Row]:
    """A row per number, a column per model, the champion and the probe; nothing where nothing was trained."""
    if not candidates:
        return []
    others = [score for score in scores_on_test(candidates, decisions, checks) if score.role != "model"]
    probe = next((check.measured for check in checks if check.name == "probe"), {})
    of_probe = float(probe.get("validation_accuracy", math.nan))
    rows: dict[str, Row] = {}
    for candidate in candidates:
        for name, cell in _numbers(candidate).items():
            rows.setdefault(name, {"metric": name})[candidate.model] = cell
    columns = ["metric", *(candidate.model for candidate in candidates)]
    return [
        {**{column: row.get(column, "-") for column in columns}, **_of_others(row, others, of_probe)}
        for row in rows.values()
    ]


def checks_table(checks: Sequence[CheckResult], candidates: Sequence[Candidate]) -> list[Row]:
    """A row per check, first of the data, then of each model."""
    subjects = [("data", checks), *((candidate.model, candidate.checks) for candidate in candidates)]
    return [row for subject, results in subjects for row in check_rows(subject, results)]


def check_rows(subject: str, checks: Sequence[CheckResult]) -> list[Row]:
    """A row per check of one subject, with all the rows that offend."""
    return [
        {
            "of": subject,
            "check": check.name,
            "verdict": check.verdict,
            "evidence": check.evidence,
            "bound": check.bound or "-",
            "rows": ", ".join(check.rows) or "-",
        }
        for check in checks
    ]


def gates_table(decisions: Sequence[Decision]) -> list[Row]:
    """A row per gate of each decision."""
    return [
        {
            "model": decision.candidate_id.split("/")[-1],
            "gate": gate.name,
            "verdict": gate.verdict,
            "value": _number(gate.value),
            "bound": _number(gate.bound),
            "what was measured": gate.words,
        }
        for decision in decisions
        for gate in decision.gates
    ]


def metric_cells(evaluation: Evaluation) -> Row:
    """The numbers of one model on one split, with their bounds, by name."""
    cells = {}
    for metric in evaluation.metrics:
        of = "" if metric.scope == "overall" else f", {metric.scope}"
        name = f"{evaluation.split} {_NAMES.get(metric.name, metric.name)}{of}"
        is_count = metric.name == "support"
        cells[name] = f"{metric.value:,.0f}" if is_count else with_bounds(metric.value, metric.lower, metric.upper)
    return cells


def _numbers(candidate: Candidate) -> Row:
    """All that is known of a candidate, in the order in which people ask for it."""
    return {
        **metric_cells(candidate.test),
        **metric_cells(candidate.validation),
        "best epoch": f"{candidate.best_epoch} of {len(candidate.epochs)}",
        "training, seconds": f"{candidate.training_seconds:.0f}",
        "parameters": f"{candidate.num_parameters:,}",
    }


def _of_others(row: Row, others: Sequence[Score], of_probe: float) -> Row:
    """What is known of those that were not trained now, such as the probe's accuracy on the validation rows."""
    return {score.name: _of_other(row["metric"], score, of_probe) for score in others}


def _of_other(metric: str, score: Score, of_probe: float) -> str:
    if metric == "test accuracy":
        return str(score)
    if metric == "validation accuracy" and score.role == "probe":
        return with_bounds(of_probe)
    return with_bounds(score.auc) if metric == "test AUC" else "-"


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"
