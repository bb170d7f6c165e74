"""Records as rows of the tables; each function works within the transaction of the session that it is given."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.metrics.tables import (
    Base,
    ChampionRow,
    CheckRow,
    ComparisonRow,
    ConfusionMatrixRow,
    DecisionRow,
    DiagnosisRow,
    GateRow,
    MetricRow,
)
from storage.records import CheckResult, Comparison, Decision, Evaluation, Gate


def evaluation_rows(candidate_id: str, evaluation: Evaluation) -> list[Base]:
    """A confusion matrix, and the metrics that are defined."""
    # An undefined metric has no row: a NaN would become NULL in silence.
    metrics = [metric for metric in evaluation.metrics if math.isfinite(metric.value)]
    return [
        ConfusionMatrixRow(
            candidate_id=candidate_id, split=evaluation.split, **dataclasses.asdict(evaluation.confusion)
        ),
        *(
            MetricRow(candidate_id=candidate_id, split=evaluation.split, **dataclasses.asdict(metric))
            for metric in metrics
        ),
    ]


def check_rows(run_id: str, subject: str, results: Sequence[CheckResult]) -> list[CheckRow]:
    """What checks said of the data, or of a model."""
    return [
        CheckRow(
            run_id=run_id,
            subject=subject,
            name=result.name,
            position=position,
            verdict=result.verdict,
            action=result.action,
            measured=dict(result.measured),
            bound=result.bound,
            evidence=result.evidence,
            offending_rows=list(result.rows),
        )
        for position, result in enumerate(results)
    ]


def decision_id(run_id: str, decision: Decision) -> str:
    """A run decides at most once about a candidate: its id, a slash and the model's name."""
    return f"{run_id}/{decision.candidate_id.split('/')[-1]}"


def add_decision(session: Session, run_id: str, decision: Decision, test_id: str, dry_run: bool) -> None:
    """Add a decision with its gates and its diagnosis."""
    verdicts = ("would promote", "would reject") if dry_run else ("promoted", "rejected")
    of = decision_id(run_id, decision)
    session.add(
        DecisionRow(
            id=of,
            run_id=run_id,
            candidate_id=decision.candidate_id,
            kind=decision.succession,
            verdict=verdicts[0 if decision.promote else 1],
            reason=decision.reason,
            test_id=test_id,
            decided_at=datetime.now(UTC),
        )
    )
    session.flush()
    session.add_all(
        GateRow(decision_id=of, position=position, **_finite(gate)) for position, gate in enumerate(decision.gates)
    )
    session.add_all(
        DiagnosisRow(decision_id=of, position=position, **dataclasses.asdict(suspect))
        for position, suspect in enumerate(decision.diagnosis)
    )


def add_champion(session: Session, decision_id: str, decision: Decision, line: str, previous: int) -> None:
    """Add the candidate of a decision to its line's history, after the entry `previous`."""
    former = select(ChampionRow.mark).where(ChampionRow.line == line, ChampionRow.position == previous)
    mark = None if decision.moves_mark else session.scalar(former)
    session.add(
        ChampionRow(
            line=line,
            position=previous + 1,
            previous=previous,
            decision_id=decision_id,
            candidate_id=decision.candidate_id,
            succession=decision.succession,
            mark=mark or previous + 1,
            reason=decision.reason,
            promoted_at=datetime.now(UTC),
        )
    )


def _finite(record: Gate | Comparison) -> dict[str, Any]:
    """A record's values, with None for what is not finite: what must be measured is NOT NULL in its table."""
    values = dataclasses.asdict(record)
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }


def add_comparison(session: Session, decision_id: str, comparison: Comparison, test_id: str) -> None:
    """Add a use of a test set to the ledger."""
    values = _finite(comparison)
    session.add(ComparisonRow(test_id=test_id, decision_id=decision_id, comparison=values.pop("index"), **values))
