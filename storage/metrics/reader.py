"""Reading from the metrics store: history, one run in full, champions, the ledger. Nothing here can write."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Row, Select, func, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from storage.errors import NotFoundError, StoreError
from storage.metrics.engine import reading_engine
from storage.metrics.store import check_version
from storage.metrics.tables import (
    Base,
    CandidateRow,
    ChampionRow,
    CheckRow,
    ComparisonRow,
    ConfusionMatrixRow,
    DecisionRow,
    EpochRow,
    GateRow,
    MetricRow,
    RunRow,
    SchemaVersion,
    SnapshotRow,
    StageRow,
)
from storage.records import Champion, RunSummary


class MetricsReader:
    """The store, opened for reading only."""

    def __init__(self, url: str) -> None:
        """Open the store at a SQLAlchemy URL.

        Raises:
            OptionError: The URL cannot be used.
            StoreError: There is no store there, or it was made by another version.
        """
        self._engine = reading_engine(url)
        try:
            with self._engine.connect() as connection:
                if not inspect(connection).has_table(SchemaVersion.__tablename__):
                    raise StoreError(f"{self._engine.url!r} is a database, but not a metrics store.")
                version = connection.scalar(select(SchemaVersion.version))
        except DatabaseError as error:
            raise StoreError(f"the metrics store at {self._engine.url!r} cannot be read: {error.orig}") from error
        check_version(version, self._engine.url.render_as_string())

    def history(self, limit: int = 20) -> list[RunSummary]:
        """The last runs, newest first."""
        with Session(self._engine) as session:
            runs = session.scalars(select(RunRow).order_by(RunRow.started_at.desc(), RunRow.id).limit(limit)).all()
            ids = [run.id for run in runs]
            scores = self._test_scores(session, ids)
            promoted = session.execute(
                select(CandidateRow.run_id, CandidateRow.model)
                .join(DecisionRow, DecisionRow.candidate_id == CandidateRow.id)
                .where(CandidateRow.run_id.in_(ids), DecisionRow.verdict.in_(("promoted", "would promote")))
            )
            winners = {row.run_id: row.model for row in promoted}
        return [
            RunSummary(
                id=run.id,
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
            )
            for run in runs
        ]

    def run(self, name: str) -> dict[str, Any]:
        """Everything about one run, as plain values.

        Args:
            name: The run's id, the start of it, or `latest`.

        Raises:
            NotFoundError: No run, or more than one, is meant by that name.
        """
        with Session(self._engine) as session:
            run = self._find_run(session, name)
            candidates = session.scalars(
                select(CandidateRow).where(CandidateRow.run_id == run.id).order_by(CandidateRow.created_at)
            ).all()
            snapshot = session.get(SnapshotRow, run.snapshot_id) if run.snapshot_id else None
            return {
                **_plain(run),
                "snapshot": _plain(snapshot) if snapshot else None,
                "stages": _list(session, select(StageRow).where(StageRow.run_id == run.id).order_by(StageRow.position)),
                "checks": _list(session, select(CheckRow).where(CheckRow.run_id == run.id).order_by(CheckRow.position)),
                "candidates": [self._candidate(session, candidate) for candidate in candidates],
            }

    def champion(self, line: str) -> Champion | None:
        """What serves on a line now."""
        champions = self.champions(line)
        return champions[-1] if champions else None

    def champions(self, line: str | None = None) -> list[Champion]:
        """What served when, of one line or of all, oldest first."""
        query = (
            select(ChampionRow, CandidateRow.model, CandidateRow.bundle, DecisionRow.test_id)
            .join(CandidateRow, CandidateRow.id == ChampionRow.candidate_id)
            .join(DecisionRow, DecisionRow.candidate_id == ChampionRow.candidate_id)
            .order_by(ChampionRow.line, ChampionRow.position)
        )
        if line is not None:
            query = query.where(ChampionRow.line == line)
        with Session(self._engine) as session:
            return [_champion(row) for row in session.execute(query)]

    def num_comparisons(self, test_id: str) -> int:
        """How often a test set has been used to compare a challenger with a champion."""
        with Session(self._engine) as session:
            query = select(func.count()).select_from(ComparisonRow).where(ComparisonRow.test_id == test_id)
            return session.scalar(query) or 0

    def _find_run(self, session: Session, name: str) -> RunRow:
        query = select(RunRow).order_by(RunRow.started_at.desc()).limit(2)
        if name != "latest":
            query = query.where(RunRow.id.startswith(name, autoescape=True))
        runs = session.scalars(query).all()
        exact = [run for run in runs if run.id == name]
        if exact or (name == "latest" and runs):
            return (exact or runs)[0]
        if len(runs) == 1:
            return runs[0]
        found = "several runs begin" if runs else "no run begins"
        raise NotFoundError(f"{found} with {name!r}: `retrain history` lists them.")

    def _test_scores(self, session: Session, run_ids: list[str]) -> dict[tuple[str, str], dict[str, float]]:
        rows = session.execute(
            select(CandidateRow.run_id, CandidateRow.model, MetricRow.name, MetricRow.value)
            .join(MetricRow, MetricRow.candidate_id == CandidateRow.id)
            .where(
                CandidateRow.run_id.in_(run_ids),
                MetricRow.split == "test",
                MetricRow.scope == "overall",
                MetricRow.name.in_(("accuracy", "auc")),
            )
            .order_by(CandidateRow.created_at)
        )
        scores: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for row in rows:
            scores[row.run_id, row.name][row.model] = row.value
        return scores

    def _candidate(self, session: Session, candidate: CandidateRow) -> dict[str, Any]:
        decision = session.get(DecisionRow, candidate.id)
        of = candidate.id
        comparison = session.scalar(select(ComparisonRow).where(ComparisonRow.candidate_id == of))
        matrices = select(ConfusionMatrixRow).where(ConfusionMatrixRow.candidate_id == of)
        return {
            **_plain(candidate),
            "epochs": _list(session, select(EpochRow).where(EpochRow.candidate_id == of).order_by(EpochRow.epoch)),
            "metrics": _list(session, select(MetricRow).where(MetricRow.candidate_id == of)),
            "confusion_matrices": _list(session, matrices),
            "decision": _plain(decision) if decision else None,
            "gates": _list(session, select(GateRow).where(GateRow.candidate_id == of).order_by(GateRow.position)),
            "comparison": _plain(comparison) if comparison else None,
        }


def _champion(row: Row[Any]) -> Champion:
    entry = row.ChampionRow
    return Champion(
        line=entry.line,
        position=entry.position,
        candidate_id=entry.candidate_id,
        model=row.model,
        bundle=row.bundle,
        test_id=row.test_id,
        reason=entry.reason,
        promoted_at=entry.promoted_at,
    )


def _plain(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in inspect(type(row)).columns}


def _list(session: Session, query: Select[Any]) -> list[dict[str, Any]]:
    return [_plain(row) for row in session.scalars(query)]
