"""Writing to the metrics store: each method is one transaction that holds the write lock from its start.

Reading is in `storage.metrics.reader`.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import func, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from storage.errors import SlotTakenError, StaleDecisionError, StoreError
from storage.metrics.claims import mark_if_dead, refusal_of
from storage.metrics.engine import shown, words_of, writing_engine
from storage.metrics.lease import Lease
from storage.metrics.rows import (
    add_champion,
    add_comparison,
    add_decision,
    check_rows,
    decision_id,
    evaluation_rows,
)
from storage.metrics.schema import make_or_upgrade
from storage.metrics.tables import (
    CandidateRow,
    ChampionRow,
    EpochRow,
    ObservationRow,
    RunRow,
    SnapshotRow,
    StageRow,
)
from storage.records import (
    Candidate,
    CheckResult,
    Decision,
    Observation,
    RunStart,
    RunState,
    SnapshotRecord,
    Stage,
)


class MetricsStore:
    """The store, opened for writing. Makes the tables where there are none, and upgrades older ones after a backup."""

    def __init__(self, url: str) -> None:
        """Open the store at a SQLAlchemy URL.

        Raises:
            OptionError: The URL cannot be used.
            StoreError: The database cannot be opened or upgraded, or was made by a later version.
        """
        self.url = url
        self._engine = writing_engine(url)
        try:
            make_or_upgrade(self._engine)
        except DatabaseError as error:
            raise StoreError(f"the metrics store at {shown(url)} cannot be opened: {words_of(error)}") from error

    def start_run(self, start: RunStart) -> str:
        """Write a run down as running, owned by this process, and return its id.

        A run that is for a slot of a schedule holds it from here on, unless it ends badly.

        Raises:
            SlotTakenError: The slot has its one run, or a later one has its result already. The run is written down as
                skipped, without the slot; the error knows its id.
        """
        try:
            run_id, refusal = self._start(start)
        except IntegrityError as error:
            raise StoreError(f"the run could not be written down: {words_of(error)}") from error
        if refusal:
            taken = SlotTakenError(refusal)
            taken.run_id = run_id
            raise taken
        return run_id

    def _start(self, start: RunStart) -> tuple[str, str]:
        """The new run's id, and why it was skipped: empty if it runs."""
        now = datetime.now(UTC)
        values = {field.name: getattr(start, field.name) for field in dataclasses.fields(start)}
        with self._write() as session:
            run_id = _unused_id(session, now)
            refusal = refusal_of(session, start.slot) if start.slot else ""
            skipped = {"state": "skipped", "message": refusal, "slot": None, "finished_at": now, "seconds": 0.0}
            session.add(
                RunRow(
                    id=run_id,
                    fingerprint="",
                    started_at=now,
                    **dataclasses.asdict(Lease.of_this_process()),
                    **values | (skipped if refusal else {"state": "running", "message": "running"}),
                )
            )
        return run_id, refusal

    def finish_run(self, run_id: str, state: RunState, message: str, seconds: float) -> None:
        """Write down how a run ended. `seconds` comes from a monotonic clock."""
        with self._write() as session:
            run = session.get_one(RunRow, run_id)
            run.state, run.message, run.seconds, run.finished_at = state, message, seconds, datetime.now(UTC)

    def reap_dead_runs(self) -> list[str]:
        """Mark the runs whose process is gone as crashed, and return their ids."""
        with self._write() as session:
            running = session.scalars(select(RunRow).where(RunRow.state == "running")).all()
            return [run.id for run in running if mark_if_dead(run)]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all other writers out: no run begins, decides or ends meanwhile, and what a reader sees stays so."""
        with self._write() as session:
            session.connection()
            yield

    def recorded_bundles(self) -> set[str]:
        """Digests of all bundles that some candidate has."""
        with self._write() as session:
            return set(session.scalars(select(CandidateRow.bundle)))

    def record_snapshot(self, run_id: str, snapshot: SnapshotRecord) -> None:
        """Note the snapshot, once, and that this run uses it; the run's line becomes the snapshot's."""
        with self._write() as session:
            if session.get(SnapshotRow, snapshot.id) is None:
                session.add(
                    SnapshotRow(
                        id=snapshot.id,
                        test_id=snapshot.test_id,
                        line=snapshot.line,
                        origin=snapshot.origin,
                        source_sha256=snapshot.source_sha256,
                        num_train=snapshot.num_rows["train"],
                        num_validation=snapshot.num_rows["validation"],
                        num_test=snapshot.num_rows["test"],
                        split_seed=snapshot.split_seed,
                        content_version=snapshot.content_version,
                        vocabulary=snapshot.vocabulary,
                        created_at=datetime.now(UTC),
                    )
                )
                session.flush()
            run = session.get_one(RunRow, run_id)
            run.snapshot_id, run.source_reason, run.line = snapshot.id, snapshot.reason, snapshot.line

    def record_fingerprint(self, run_id: str, fingerprint: str) -> None:
        """Note the hash of all that decides what a run gives."""
        with self._write() as session:
            session.get_one(RunRow, run_id).fingerprint = fingerprint

    def record_stage(self, run_id: str, stage: Stage) -> None:
        """Note what a finished step cost."""
        with self._write() as session:
            position = select(func.count()).select_from(StageRow).where(StageRow.run_id == run_id).scalar_subquery()
            session.add(StageRow(run_id=run_id, position=position, **dataclasses.asdict(stage)))

    def record_checks(self, run_id: str, results: Sequence[CheckResult], subject: str = "data") -> None:
        """Note what the checks of a subject measured: of the data, or of the champion that is watched."""
        with self._write() as session:
            session.add_all(check_rows(run_id, subject, results))

    def record_observation(self, run_id: str, observation: Observation, results: Sequence[CheckResult]) -> None:
        """Note how a champion does, with the measurements that say so; the run's line becomes the champion's."""
        with self._write() as session:
            session.get_one(RunRow, run_id).line = observation.line
            values = dataclasses.asdict(observation)
            session.add(ObservationRow(run_id=run_id, observed_at=datetime.now(UTC), **values))
            session.add_all(check_rows(run_id, "champion", results))

    def record_candidate(self, candidate: Candidate) -> None:
        """Note a candidate with its epochs, metrics, confusion matrices and checks. Its bundle must be published."""
        with self._write() as session:
            session.add(
                CandidateRow(
                    id=candidate.id,
                    run_id=candidate.run_id,
                    model=candidate.model,
                    bundle=candidate.bundle,
                    device=candidate.device,
                    num_parameters=candidate.num_parameters,
                    best_epoch=candidate.best_epoch,
                    training_seconds=candidate.training_seconds,
                    training_key=candidate.training_key,
                    reused_from=candidate.reused_from,
                    created_at=datetime.now(UTC),
                )
            )
            session.flush()
            for epoch in candidate.epochs:
                values = dataclasses.asdict(epoch)
                session.add(EpochRow(candidate_id=candidate.id, epoch=values.pop("number"), **values))
            for evaluation in (candidate.validation, candidate.test):
                session.add_all(evaluation_rows(candidate.id, evaluation))
            session.add_all(check_rows(candidate.run_id, candidate.model, candidate.checks))
            session.execute(update(RunRow).where(RunRow.id == candidate.run_id).values(device=candidate.device))

    def record_decisions(
        self,
        run_id: str,
        decisions: Sequence[Decision],
        *,
        line: str,
        test_id: str,
        dry_run: bool,
        champion_position: int,
    ) -> None:
        """Write the decisions of one run, their share of the ledger, and the new champion, in one transaction.

        A dry run leaves the ledger and the champions alone.

        Args:
            run_id: The run that decides; a rollback decides about a candidate of an earlier one.
            decisions: At most one of them promotes.
            line: The line whose champion is decided on.
            test_id: The test set that was used.
            dry_run: Whether the verdicts are only hypothetical.
            champion_position: Position of the champion that the decisions were computed against, 0 for none.

        Raises:
            StaleDecisionError: The champion or the ledger has changed since; compute the decisions anew.
        """
        try:
            with self._write() as session:
                last = session.scalar(select(func.max(ChampionRow.position)).where(ChampionRow.line == line)) or 0
                if last != champion_position:
                    raise StaleDecisionError(
                        f"the champion of {line} changed while this run was deciding "
                        f"(expected entry {champion_position}, found {last})."
                    )
                for decision in decisions:
                    add_decision(session, run_id, decision, test_id, dry_run)
                if dry_run:
                    return
                for decision in decisions:
                    of = decision_id(run_id, decision)
                    if decision.comparison is not None:
                        add_comparison(session, of, decision.comparison, test_id)
                    if decision.promote:
                        add_champion(session, of, decision, line, champion_position)
        except IntegrityError as error:
            if _is_taken(error):
                raise StaleDecisionError(f"somebody else decided at the same time: {words_of(error)}") from error
            raise StoreError(f"the decision could not be recorded: {words_of(error)}") from error

    def _write(self) -> _Transaction:
        return _Transaction(self._engine)


class _Transaction(Session):
    """A session whose `with` block is one transaction; the database's own errors become ours."""

    def __init__(self, engine: object) -> None:
        super().__init__(engine, expire_on_commit=False)  # type: ignore[arg-type]

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        try:
            if kind is None:
                self.commit()
        except OperationalError as error:
            value = error
        finally:
            self.close()
        if isinstance(value, OperationalError):
            raise StoreError(f"the metrics store could not be written to: {words_of(value)}") from value


def _unused_id(session: Session, now: datetime) -> str:
    """An id for a run that begins now: its time, and four digits that tell runs of one second apart.

    The digits are few, so that people can type them: 200 runs in a second would share some in one case of four. They
    are drawn until nobody has them; the transaction's write lock keeps them ours.
    """
    while True:
        drawn = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        if session.get(RunRow, drawn) is None:
            return drawn


def _is_taken(error: IntegrityError) -> bool:
    """Whether a place in a chain was taken already, in the words of SQLite, PostgreSQL and our own triggers."""
    # PostgreSQL quotes the row on the lines that follow, and a row may hold any words.
    said = str(error.orig).lower().partition("\n")[0]
    return any(words in said for words in ("unique", "must follow", "append-only"))
