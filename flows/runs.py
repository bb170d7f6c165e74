"""What every flow does around its stages: the record of the run, its end, and its state in Prefect."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from prefect import Flow, get_client, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings
from prefect.states import Completed, Failed

from flows.labels import label_flow_run
from flows.notify import notify
from flows.stops import insistent_stops, let_go, stop_behind, stops_held
from flows.temporary.server import is_temporary, wait_for_temporary
from storage.bundles import sweep_unrecorded
from storage.content import sweep
from storage.errors import DataRejectedError, NothingChangedError, OptionError, RetrainError, SlotTakenError
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import FlowName, RunStart, RunState, Trigger
from storage.settings import Settings
from storage.slots import due_time, slot_name
from storage.versions import git_commit, library_versions
from tasks.reporting.page import write_report
from tasks.reporting.trend import write_trend_of
from tasks.sources.resolve import check_is_named
from tasks.training.progress import duration_words

logger = logging.getLogger(__name__)

# A worker takes some seconds to begin; from here on a run is late.
_LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        error: What stopped it; None if it ran to its decision.
    """

    run_id: str
    state: RunState
    message: str
    error: RetrainError | None = None


def run_here(flow: Flow[..., State[Any]], *arguments: Any, **parameters: Any) -> Outcome:
    """Run a flow in this process, on the server that Prefect's settings name or a temporary one.

    Raises:
        OptionError: The server does not answer.
        RetrainError: What stopped the run.
        KeyboardInterrupt: It was stopped from outside.
    """
    check_server()
    # Nobody there listens for heartbeats, for whose next one the end of a run would wait.
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if is_temporary(get_current_settings().api.url) else {}
    try:
        with temporary_settings(quiet):
            state = flow(*arguments, **parameters, return_state=True)
        return cast(Outcome, state.result())
    except (Exception, TerminationSignal) as error:
        if stop_behind(error) is not None:
            raise KeyboardInterrupt from None
        raise


def check_server() -> None:
    """Say at once that the server is down; Prefect would try again for a while and end in a traceback.

    Raises:
        OptionError: A server is set up, but does not answer; or a temporary one did not come up.
    """
    settings = get_current_settings()
    url = settings.api.url
    if url is None:
        return
    if is_temporary(url):
        wait_for_temporary(url, settings.server.ephemeral.startup_timeout_seconds)
        return
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise OptionError(
            f"no Prefect server answers at {url} ({type(problem).__name__}): start it, or unset PREFECT_API_URL "
            "(`prefect config unset PREFECT_API_URL`) to run without one."
        )


def check_may_read(options: RunOptions) -> None:
    """Let a deployment read named sources only: whoever fills in its form names no file of this machine.

    Raises:
        SourceError: The flow run is one of a deployment, and a source of it has no name.
    """
    if trigger() != "command line":
        check_is_named(options, Settings.from_environment())


def run_start(
    flow: FlowName, options: dict[str, Any], *, line: str = "-", seed: int | None = None, dry_run: bool = False
) -> RunStart:
    """What is known of a run when it starts: what it was asked for, what started it, and what it works with.

    Args:
        flow: Which flow it is a run of.
        options: What it was asked for, as JSON holds it.
        line: `-` where the source will tell.
        seed: None where nothing is drawn.
        dry_run: Whether it changes nothing of what serves.
    """
    return RunStart(
        flow=flow,
        line=line,
        trigger=trigger(),
        options=options,
        seed=seed,
        dry_run=dry_run,
        versions=library_versions(),
        git_commit=git_commit(),
        slot=slot(),
    )


def record_run(start: RunStart, stages: Callable[[str], str]) -> Outcome:
    """Run a flow's stages and write down how they end, however they end.

    A run whose slot has its one run already is skipped, with the reason: its stages are not called.

    Args:
        start: What is known of the run.
        stages: Takes the run's id and returns the verdict in one sentence.
    """
    settings = Settings.from_environment()
    settings.prepare()
    store = MetricsStore(settings.database_url)
    clean_up(settings, store)
    record = _Record(store, start)
    try:
        with insistent_stops():
            record.begin()
            outcome = record.end("completed", stages(record.run_id))
    except SlotTakenError as reason:
        logger.warning("run %s skipped: %s", reason.run_id, reason)
        outcome = Outcome(str(reason.run_id), "skipped", str(reason))
    except NothingChangedError as reason:
        outcome = record.end("skipped", str(reason))
    except RetrainError as error:
        if not record.run_id:
            raise
        error.run_id = record.run_id
        outcome = record.end("rejected data" if isinstance(error, DataRejectedError) else "failed", str(error), error)
    except BaseException as error:
        stop = stop_behind(error)
        if stop is not None:
            # Ctrl-C, SIGTERM, and the way in which Prefect cancels a run; whoever does so waits for it to be gone.
            let_go(error)
            record.end("cancelled", "stopped from outside before it was done")
            raise stop from None
        if not record.run_id:
            raise
        record.end("failed", f"{type(error).__name__}: {error}")
        label_flow_run(settings, record.run_id)
        leave_report(settings, record.run_id)
        raise
    # Not before: a run that is stopped while it is being named has come to its end all the same.
    label_flow_run(settings, outcome.run_id)
    leave_report(settings, outcome.run_id)
    return outcome


class _Record:
    """What the store knows of a run that is under way: that it began, and how it ended, the first time that it did."""

    def __init__(self, store: MetricsStore, start: RunStart) -> None:
        self._store, self._start = store, start
        self._late = lateness(start.slot)
        self._started = time.monotonic()
        self._has_ended = False
        self.run_id = ""

    def begin(self) -> None:
        """Give the run its id.

        Raises:
            SlotTakenError: Its slot has a run already.
        """
        with stops_held():
            self.run_id = self._store.start_run(self._start)
        slot, late = self._start.slot, self._late
        of_slot = f" for the slot {slot}{f', {late}' if late else ''}" if slot else ""
        logger.info("run %s started%s", self.run_id, of_slot)

    def end(self, state: RunState, message: str, error: RetrainError | None = None) -> Outcome:
        """Write down how the run ended, unless it never began, or has ended before."""
        told = f"{message} ({self._late})" if self._late else message
        if self.run_id and not self._has_ended:
            with stops_held():
                self._store.finish_run(self.run_id, state, told, time.monotonic() - self._started)
                self._has_ended = True
            if state == "failed" and self._start.trigger != "command line":
                # Nobody sits before it.
                notify(f"retrain: {self._start.flow} failed", f"{self._start.flow} failed: {told} (run {self.run_id})")
        return Outcome(self.run_id, state, told, error)


def leave_report(settings: Settings, run_id: str) -> None:
    """Write the page of a run that has ended, and anew that of its line, from what the store says of them.

    Whatever goes wrong is a warning: the run has ended, and its pages can be written at any time.
    """
    for name, write, again in (
        ("report", write_report, f"retrain report {run_id}"),
        ("trend", write_trend_of, "retrain trend LINE"),
    ):
        try:
            page = write(settings, run_id)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            logger.warning("the %s could not be written (%s); to try again: %s", name, what, again)
        else:
            if page is not None:
                logger.info("%s: %s", name, page)


def clean_up(settings: Settings, store: MetricsStore) -> tuple[list[str], list[Path]]:
    """Mark runs that died as crashed, and remove what they left half-written.

    Returns:
        The runs, whose slots are free again, and the folders.
    """
    dead = store.reap_dead_runs()
    for run_id in dead:
        logger.warning("run %s had died without an end: marked as crashed", run_id)
    # A backup that an upgrade makes is beside the store.
    roots = (
        *(settings.home, settings.snapshots, settings.matrices),
        *(settings.bundles, settings.checkpoints, settings.backups),
    )
    orphans = [folder for root in roots for folder in sweep(root)]
    if dead:
        orphans += sweep_unrecorded(settings.bundles, dead, store.recorded_bundles())
    for folder in orphans:
        logger.warning("removed %s, which a process that is gone had left unfinished", folder)
    return dead, orphans


def trigger() -> Trigger:
    """What started this flow run, as far as Prefect knows."""
    if runtime.deployment.id is None:
        return "command line"
    return "schedule" if "auto-scheduled" in (runtime.flow_run.tags or []) else "deployment"


def slot() -> str | None:
    """The slot of a schedule that this flow run is for; None of a run that a person or an event started."""
    if trigger() != "schedule":
        return None
    deployment = f"{runtime.flow_run.flow_name}/{runtime.deployment.name}"
    return slot_name(deployment, runtime.flow_run.scheduled_start_time)


def lateness(of_slot: str | None) -> str:
    """How long ago a slot was due, in words, such as `2 h 05 min late`; empty for a run that is in time."""
    late = datetime.now(UTC) - due_time(of_slot) if of_slot else timedelta()
    return f"{duration_words(late.total_seconds())} late" if late > _LATE else ""


def as_state(outcome: Outcome) -> State[Any]:
    """The outcome as Prefect shows it: a rejected model is a run that ended well, rejected data and faults are not."""
    message = f"{outcome.run_id}: {outcome.message}"
    if outcome.state in ("completed", "skipped"):
        return Completed(name=outcome.state.capitalize(), message=message, data=outcome)
    name = "DataRejected" if outcome.state == "rejected data" else "Failed"
    return Failed(message=message, name=name, data=outcome.error)
