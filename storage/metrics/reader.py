"""Reading from the metrics store: history, one run in full, champions, the ledger. Nothing here can write."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ExceptionContext, Row, Select, event, func, inspect, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from storage.errors import MissingStoreError, NotFoundError, StoreError
from storage.metrics.engine import reading_engine, shown, words_of
from storage.metrics.history import RunFilter, last_runs
from storage.metrics.schema import check_revision, revision_of
from storage.metrics.tables import (
    Base,
    CandidateRow,
    ChampionRow,
    CheckRow,
    ComparisonRow,
    ConfusionMatrixRow,
    DecisionRow,
    DiagnosisRow,
    EpochRow,
    GateRow,
    MetricRow,
    ObservationRow,
    RunRow,
    SnapshotRow,
    StageRow,
)
from storage.records import (
    SPLITS,
    Champion,
    ConfusionMatrix,
    Epoch,
    Published,
    RunState,
    RunSummary,
    SnapshotRecord,
    TrainedReference,
)


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
                revision = revision_of(connection)
                is_empty = not inspect(connection).get_table_names()
        except DatabaseError as error:
            raise StoreError(f"the metrics store at {shown(url)} cannot be read: {words_of(error)}") from error
        if revision is None and is_empty and self._engine.dialect.name != "sqlite":
            # A server's database is made before anything is written to it, a file is not.
            raise MissingStoreError(f"there is no metrics store at {shown(url)} yet: `retrain run` makes it.")
        if revision is None:
            raise StoreError(f"{shown(url)!r} is a database, but not a metrics store.")
        check_revision(revision, shown(url))
        event.listen(self._engine, "handle_error", _tell)

    def history(self, limit: int = 20, only: RunFilter | None = None) -> list[RunSummary]:
        """The last runs, newest first; of those that the filter lets through, if there is one."""
        with Session(self._engine) as session:
            return last_runs(session, limit, only or RunFilter())

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
            decisions = session.scalars(
                select(DecisionRow).where(DecisionRow.run_id == run.id).order_by(DecisionRow.decided_at)
            ).all()
            snapshot = session.get(SnapshotRow, run.snapshot_id) if run.snapshot_id else None
            checks = select(CheckRow).where(CheckRow.run_id == run.id).order_by(CheckRow.subject, CheckRow.position)
            observation = session.get(ObservationRow, run.id)
            return {
                **_plain(run),
                "snapshot": _plain(snapshot) if snapshot else None,
                "stages": _list(session, select(StageRow).where(StageRow.run_id == run.id).order_by(StageRow.position)),
                "checks": _list(session, checks),
                "candidates": [self._candidate(session, candidate) for candidate in candidates],
                "decisions": [self._decision(session, decision) for decision in decisions],
                "observation": _plain(observation) if observation else None,
                "ledger": self._ledger(session, run, snapshot) if snapshot and run.flow == "retrain" else None,
            }

    def champion(self, line: str) -> Champion | None:
        """What serves on a line now."""
        champions = self.champions(line)
        return champions[-1] if champions else None

    def champions(self, line: str | None = None) -> list[Champion]:
        """What served when, of one line or of all, oldest first."""
        query = (
            select(ChampionRow, CandidateRow.model, CandidateRow.bundle, RunRow.snapshot_id)
            .join(CandidateRow, CandidateRow.id == ChampionRow.candidate_id)
            .join(RunRow, RunRow.id == CandidateRow.run_id)
            .order_by(ChampionRow.line, ChampionRow.position)
        )
        if line is not None:
            query = query.where(ChampionRow.line == line)
        with Session(self._engine) as session:
            return [_champion(row) for row in session.execute(query)]

    def published(self) -> list[Published]:
        """All candidates, of which each had its bundle published, the newest run first."""
        query = select(CandidateRow, RunRow).join(RunRow, RunRow.id == CandidateRow.run_id)
        with Session(self._engine) as session:
            rows = session.execute(query.order_by(RunRow.started_at.desc(), CandidateRow.id)).all()
            return [
                Published(
                    candidate_id=candidate.id,
                    run_id=run.id,
                    line=run.line,
                    bundle=candidate.bundle,
                    reused_from=candidate.reused_from,
                    is_running=run.state == "running",
                    published_at=candidate.created_at,
                )
                for candidate, run in rows
            ]

    def snapshot(self, snapshot_id: str) -> SnapshotRecord:
        """A snapshot that some run used.

        Raises:
            NotFoundError: The store does not know it.
        """
        with Session(self._engine) as session:
            row = session.get(SnapshotRow, snapshot_id)
            if row is None:
                raise NotFoundError(f"the metrics store knows no snapshot {snapshot_id!r}.")
            return SnapshotRecord(
                id=row.id,
                test_id=row.test_id,
                line=row.line,
                origin=row.origin,
                reason="",
                source_sha256=row.source_sha256,
                num_rows={split: getattr(row, f"num_{split}") for split in SPLITS},
                split_seed=row.split_seed,
                content_version=row.content_version,
                vocabulary=row.vocabulary,
            )

    def finished_run(self, fingerprint: str) -> str | None:
        """The last run of that fingerprint that ran to its decision."""
        query = select(RunRow.id).where(RunRow.fingerprint == fingerprint, RunRow.state == "completed")
        with Session(self._engine) as session:
            return session.scalar(query.order_by(RunRow.started_at.desc()).limit(1))

    def run_ids(self, state: RunState) -> list[str]:
        """All runs in a state, oldest first."""
        with Session(self._engine) as session:
            return list(session.scalars(select(RunRow.id).where(RunRow.state == state).order_by(RunRow.started_at)))

    def last_use(self, snapshot_id: str) -> datetime | None:
        """When the last run began that used a snapshot; None of a snapshot that no run has used."""
        with Session(self._engine) as session:
            return session.scalar(select(func.max(RunRow.started_at)).where(RunRow.snapshot_id == snapshot_id))

    def failed_gate(self, run_id: str, name: str) -> str | None:
        """What a gate said that a candidate of a run failed; None if none did."""
        query = select(GateRow.words).join(DecisionRow, DecisionRow.id == GateRow.decision_id)
        query = query.where(DecisionRow.run_id == run_id, GateRow.name == name, GateRow.verdict == "fail")
        with Session(self._engine) as session:
            return session.scalar(query.limit(1))

    def trained(self, training_key: str) -> list[tuple[TrainedReference, str]]:
        """Candidates that were trained under a key, the last one first, each with its bundle's digest."""
        query = select(CandidateRow).where(CandidateRow.training_key == training_key, CandidateRow.reused_from == "")
        with Session(self._engine) as session:
            found = session.scalars(query.order_by(CandidateRow.created_at.desc())).all()
            return [(_trained(session, row), row.bundle) for row in found]

    def test_confusion(self, candidate_id: str) -> ConfusionMatrix:
        """How a candidate did on its test rows, when it was evaluated.

        Raises:
            NotFoundError: The store does not know it.
        """
        with Session(self._engine) as session:
            row = session.get(ConfusionMatrixRow, (candidate_id, "test"))
            if row is None:
                raise NotFoundError(f"the metrics store knows no test evaluation of {candidate_id!r}.")
            return ConfusionMatrix(row.true_negatives, row.false_positives, row.false_negatives, row.true_positives)

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

    def _candidate(self, session: Session, candidate: CandidateRow) -> dict[str, Any]:
        of = candidate.id
        matrices = select(ConfusionMatrixRow).where(ConfusionMatrixRow.candidate_id == of)
        return {
            **_plain(candidate),
            "epochs": _list(session, select(EpochRow).where(EpochRow.candidate_id == of).order_by(EpochRow.epoch)),
            "metrics": _list(session, select(MetricRow).where(MetricRow.candidate_id == of)),
            "confusion_matrices": _list(session, matrices),
        }

    def _decision(self, session: Session, decision: DecisionRow) -> dict[str, Any]:
        of = decision.id
        comparison = session.scalar(select(ComparisonRow).where(ComparisonRow.decision_id == of))
        diagnosis = select(DiagnosisRow).where(DiagnosisRow.decision_id == of).order_by(DiagnosisRow.position)
        return {
            **_plain(decision),
            "gates": _list(session, select(GateRow).where(GateRow.decision_id == of).order_by(GateRow.position)),
            "diagnosis": _list(session, diagnosis),
            "comparison": _plain(comparison) if comparison else None,
        }

    def _ledger(self, session: Session, run: RunRow, snapshot: SnapshotRow) -> dict[str, Any]:
        """What the run's test set has seen so far: comparisons, the error that they spent, and what is left of it."""
        row = session.execute(
            select(func.count(), func.coalesce(func.sum(ComparisonRow.alpha), 0.0)).where(
                ComparisonRow.test_id == snapshot.test_id
            )
        ).one()
        total = float(run.options.get("gates", {}).get("comparison_alpha", 0.0))
        spent = float(row[1])
        return {
            "test_id": snapshot.test_id,
            "comparisons": int(row[0]),
            "total": total,
            "spent": spent,
            "left": max(0.0, total - spent),
            "next": total / ((row[0] + 1) * (row[0] + 2)),
        }


def _tell(context: ExceptionContext) -> None:
    if isinstance(context.sqlalchemy_exception, OperationalError):
        words = words_of(context.sqlalchemy_exception)
        raise StoreError(f"the metrics store could not be read: {words}") from context.sqlalchemy_exception


def _trained(session: Session, row: CandidateRow) -> TrainedReference:
    epochs = session.scalars(select(EpochRow).where(EpochRow.candidate_id == row.id).order_by(EpochRow.epoch))
    return TrainedReference(
        model=row.model,
        folder="",
        device=row.device,
        num_parameters=row.num_parameters,
        best_epoch=row.best_epoch,
        training_seconds=row.training_seconds,
        epochs=tuple(
            Epoch(
                number=epoch.epoch,
                loss=epoch.loss,
                accuracy=epoch.accuracy,
                validation_loss=epoch.validation_loss,
                validation_accuracy=epoch.validation_accuracy,
                learning_rate=epoch.learning_rate,
                seconds=epoch.seconds,
            )
            for epoch in epochs
        ),
        training_key=row.training_key,
        reused_from=row.id,
    )


def _champion(row: Row[Any]) -> Champion:
    entry = row.ChampionRow
    return Champion(
        line=entry.line,
        position=entry.position,
        candidate_id=entry.candidate_id,
        model=row.model,
        bundle=row.bundle,
        snapshot_id=row.snapshot_id,
        succession=entry.succession,
        mark=entry.mark,
        reason=entry.reason,
        promoted_at=entry.promoted_at,
    )


def _plain(row: Base) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in inspect(type(row)).columns}


def _list(session: Session, query: Select[Any]) -> list[dict[str, Any]]:
    return [_plain(row) for row in session.scalars(query)]
