"""Small records as a run hands them to its report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from storage.records import (
    Candidate,
    CheckResult,
    Comparison,
    ConfusionMatrix,
    Decision,
    Epoch,
    Evaluation,
    Gate,
    Metric,
    SnapshotRecord,
    Suspect,
)
from tasks.reporting.contents import ReportContents, RunFacts

SNAPSHOT = SnapshotRecord("s" * 64, "t" * 64, "imdb", "a file", "it was there", "", {"train": 1}, 1, 1)
PROBE = CheckResult(
    "probe",
    "pass",
    {"test_accuracy": 0.89, "test_accuracy_lower": 0.85, "test_accuracy_upper": 0.92, "validation_accuracy": 0.9},
    "",
    "a linear model reads test as well as train",
)
BALANCE = CheckResult("label balance", "warn", {"share": math.pi}, "at least 20 %", "lopsided")
PADDING = CheckResult("padding", "fail", {}, "", "a logit moves")
GATES = (
    Gate("above chance", "fail", 0.5, 0.55, "near chance | with a bar"),
    Gate("better than the champion", "not applicable", None, None, "no champion"),
    Gate("better than the probe", "waived", 0.8, math.nan, "a linear model does as well"),
)
SUSPECTS = (
    Suspect("padding mask", "shown", "a logit moves", "use mask_zero"),
    Suspect("alignment", "ruled out", "all ids agree", "join by ids"),
)
# The champion is right on 3 rows more than the challenger.
COMPARED = Comparison("r0/b", 1, 0.01, 100, 2, 5, 0.9, -0.03, -0.08, 0.02, -0.02, -0.05, 0.01, 0.01)
REJECTED = Decision("r1/a", False, "near chance", GATES, COMPARED, SUSPECTS)


def contents(
    checks: Sequence[CheckResult] = (),
    candidates: Sequence[Candidate] = (),
    decisions: Sequence[Decision] = (),
    snapshot: SnapshotRecord = SNAPSHOT,
    **changes: Any,
) -> ReportContents:
    """What a report tells of the run `r1`; nothing is known of its bundles unless it is given."""
    run = RunFacts(
        id="r1",
        flow="retrain",
        line=snapshot.line,
        state="completed",
        trigger="command line",
        dry_run=False,
        slot=None,
        started_at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        seconds=61.0,
        message=changes.pop("message", "nothing promoted on imdb: a: near chance"),
    )
    return ReportContents(run, snapshot, tuple(checks), tuple(candidates), tuple(decisions), **changes)


def candidate(model: str = "a", *, epochs: int = 3, right: int = 80, **changes: Any) -> Candidate:
    """A model that gets so many of 100 test rows right, and of whose epochs the last but one was kept."""
    wrong = 100 - right
    confusion = ConfusionMatrix(right // 2, wrong // 2, wrong - wrong // 2, right - right // 2)
    metrics = (
        Metric("accuracy", "overall", right / 100, 0.7, 0.9, 0.95),
        Metric("auc", "overall", math.nan),
        Metric("support", "class 1", 1250.0),
    )
    usual: dict[str, Any] = {
        **{"id": f"r1/{model}", "run_id": "r1", "model": model, "bundle": "b" * 64, "device": "cpu"},
        **{"num_parameters": 1234, "best_epoch": max(1, epochs - 1), "training_seconds": 3.0},
        "epochs": tuple(
            Epoch(number, 1 / number, 0.5, 1.1 / number, 0.5, 0.001, 1.0) for number in range(1, epochs + 1)
        ),
        "validation": Evaluation("validation", confusion, 0.9, 0.01),
        "test": Evaluation("test", confusion, 0.9, 0.01, metrics),
    }
    return Candidate(**usual | changes)
