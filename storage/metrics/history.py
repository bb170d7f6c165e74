"""The last runs in a line each, and which of them to look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from storage.metrics.tables import CandidateRow, DecisionRow, MetricRow, RunRow
from storage.records import FlowName, RunState, RunSummary

Scores = dict[tuple[str, str], dict[str, float]]


@dataclass(frozen=True)
class RunFilter:
    """Which runs to look at; None lets all through.

    Attributes:
        line: Runs of this line.
        model: Runs that have a candidate of this model.
        state: Runs in this state.
        flow: Runs of this flow.
        since: Runs that began then, or later.
    """

    line: str | None = None
    model: str | None = None
    state: RunState | None = None
    flow: FlowName | None = None
    since: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What must hold of a row of the runs."""
        columns = ((RunRow.line, self.line), (RunRow.state, self.state), (RunRow.flow, self.flow))
        found: list[ColumnElement[bool]] = [column == value for column, value in columns if value is not None]
        if self.model is not None:
            trained = select(CandidateRow.id).where(CandidateRow.run_id == RunRow.id)
            found.append(trained.where(CandidateRow.model == self.model).exists())
        if self.since is not None:
            found.append(RunRow.started_at >= self.since)
        return found


def last_runs(session: Session, limit: int, only: RunFilter) -> list[RunSummary]:
    """The last runs that the filter lets through, newest first."""
    query = select(RunRow).where(*only.conditions()).order_by(RunRow.started_at.desc(), RunRow.id).limit(limit)
    runs = session.scalars(query).all()
    ids = query.with_only_columns(RunRow.id)
    scores, winners = _test_scores(session, ids), _winners(session, ids)
    return [
        RunSummary(
            id=run.id,
            flow=run.flow,  # type: ignore[arg-type]  # the table's constraint holds the words
            line=run.line,
            state=run.state,  # type: ignore[arg-type]  # the table's constraint holds the words
            trigger=run.trigger,  # type: ignore[arg-type]
            dry_run=run.dry_run,
            started_at=run.started_at,
            seconds=run.seconds,
            message=run.message,
            test_accuracy=scores[run.id, "accuracy"],
            test_auc=scores[run.id, "auc"],
            promoted=winners.get(run.id),
            slot=run.slot,
        )
        for run in runs
    ]


def _winners(session: Session, runs: Select[tuple[str]]) -> dict[str, str]:
    """The model that each run has promoted, or would have."""
    promoted = session.execute(
        select(DecisionRow.run_id, CandidateRow.model)
        .join(CandidateRow, CandidateRow.id == DecisionRow.candidate_id)
        .where(DecisionRow.run_id.in_(runs), DecisionRow.verdict.in_(("promoted", "would promote")))
    )
    return {row.run_id: row.model for row in promoted}


def _test_scores(session: Session, runs: Select[tuple[str]]) -> Scores:
    """Test accuracy and AUC of each run, by model."""
    rows = session.execute(
        select(CandidateRow.run_id, CandidateRow.model, MetricRow.name, MetricRow.value)
        .join(MetricRow, MetricRow.candidate_id == CandidateRow.id)
        .where(
            CandidateRow.run_id.in_(runs),
            MetricRow.split == "test",
            MetricRow.scope == "overall",
            MetricRow.name.in_(("accuracy", "auc")),
        )
        .order_by(CandidateRow.created_at)
    )
    scores: Scores = defaultdict(dict)
    for row in rows:
        scores[row.run_id, row.name][row.model] = row.value
    return scores
