"""`retrain up`: a server, a work pool, the deployments, the automations and a worker, each only where it is missing."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import WorkPool

from flows.automations import apply_automations
from flows.notify import check_address
from flows.scheduling.place import HOST, Place, check_free, choose
from flows.scheduling.processes import PREFECT, last_words, start, stop
from flows.scheduling.server import POOL, Upcoming, declared, deploy, deployments, upcoming, work_pool, worker_names
from flows.scheduling.state import Process, State, locked, read_state, write_state
from storage.content import sha256_of_file, sha256_of_json
from storage.errors import OptionError, SchedulingError
from storage.settings import Settings
from storage.versions import code_digest, library_versions

logger = logging.getLogger(__name__)

# Seconds: the first start of a server makes its database.
_PATIENCE = 180


@dataclass(frozen=True)
class Standing:
    """What stands after `retrain up`.

    Attributes:
        ui: Address of the UI.
        server: Process id of the server that was started here; None for a server of somebody else's.
        worker: Process id of the worker; None where the work pool is of a type whose worker runs elsewhere.
        limit: How many runs the work pool lets run at once; None for any number.
        upcoming: The next run of each deployment that has a schedule.
        notifications: Whether the runs of this worker tell RETRAIN_NOTIFY_URL what they come to.
        logs: Folder of the logs.
        changes: What was done, a sentence each; empty where nothing had to be.
    """

    ui: str
    api: str
    server: int | None
    worker: int | None
    pool: str
    limit: int | None
    deployments: tuple[str, ...]
    upcoming: tuple[Upcoming, ...]
    notifications: bool
    logs: str
    changes: tuple[str, ...]


def up(settings: Settings, environment: Mapping[str, str]) -> Standing:
    """Bring about what scheduled runs need, or find that it is there. If that is interrupted, nothing new is left.

    Args:
        settings: Where things are.
        environment: The variables that the server, the worker and its runs get, besides those of the settings.

    Raises:
        OptionError: The port is taken, the server that is named does not answer, nothing can be sent to where
            notifications go, or another `up` is at work.
        SchedulingError: Prefect did not start, or did not make the deployments.
    """
    project = Path(__file__).parents[2] / "prefect.yaml"
    if not project.exists():
        raise OptionError(f"there is no {project}: deployments are made from a checkout of the project.")
    if settings.notify_url is not None:
        check_address(settings.notify_url)
    settings.prepare()
    settings.prefect.mkdir(exist_ok=True)
    with locked(settings.prefect):
        found = read_state(settings.prefect)
        place = choose(settings, found, environment)
        builder = _Builder(settings, place, project, replace(found, api=place.api, is_own=place.is_own))
        try:
            return builder.build()
        except BaseException:
            builder.undo()
            raise


class _Builder:
    """One pass of `up`.

    Attributes:
        state: What stands by now; written down after each step, so that `down` finds it whatever happens.
        changes: What was done.
        started: What this pass has started.
    """

    def __init__(self, settings: Settings, place: Place, project: Path, state: State) -> None:
        self.settings = settings
        self.place = place
        self.project = project
        self.state = state
        self.changes: list[str] = []
        self.started: list[Process] = []

    def build(self) -> Standing:
        """Go through the steps, in their order."""
        if self.place.is_own:
            self._start_server()
        with self.place.client() as client:
            pool, is_new = work_pool(client)
            if is_new:
                self.changes.append(f"made the work pool {POOL!r}, for one run at a time")
            names = declared(self.project)
            self._deploy(client, names)
            found = deployments(client, names)
            self.changes += apply_automations(client, [one.id for one in found], self.settings.notify_url)
            self._start_worker(client, pool)
            return Standing(
                ui=self.place.api.removesuffix("/api"),
                api=self.place.api,
                server=self.state.server.id if self.state.server else None,
                worker=self.state.worker.id if self.state.worker else None,
                pool=pool.name,
                limit=pool.concurrency_limit,
                deployments=tuple(sorted(one.name for one in found)),
                upcoming=tuple(upcoming(client, found)),
                notifications=self.settings.notify_url is not None,
                logs=str(self.settings.prefect),
                changes=tuple(self.changes),
            )

    def undo(self) -> None:
        """Stop what this pass has started, the worker before its server."""
        for process in reversed(self.started):
            stop(process)
        kept = {name: None for name in ("server", "worker") if getattr(self.state, name) in self.started}
        self._keep(**kept)

    def _start_server(self) -> None:
        before = self.state.server
        if before is not None and before.lives:
            return
        check_free(self.place.port)
        logger.info("starting a Prefect server on %s:%d; the first time takes up to a minute", HOST, self.place.port)
        server = self._start("server", "start", "--host", HOST, "--port", str(self.place.port))
        self._keep(server=server)
        with self.place.client() as client:
            self._wait("server", server, lambda: client.api_healthcheck() is None)
        self._tell("the Prefect server", server, before)

    def _deploy(self, client: SyncPrefectClient, names: list[str]) -> None:
        digest = _digest(self.settings, self.project)
        whole = {one.name for one in deployments(client, names)} == set(names)
        if whole and digest == self.state.deployed:
            return
        logger.info("making the %d deployments of prefect.yaml", len(names))
        deploy(self.project.parent, self.settings.prefect / "deploy.log", self.place.environment)
        self._keep(deployed=digest)
        again = ", again: it, the code or the file of sources has changed" if whole else ""
        self.changes.append(f"made the {len(names)} deployments of prefect.yaml{again}")

    def _start_worker(self, client: SyncPrefectClient, pool: WorkPool) -> None:
        before = self.state.worker
        if before is not None and before.lives:
            return
        if pool.type != "process":
            logger.warning("the work pool %r is of the type %r: start its worker where runs can go", POOL, pool.type)
            return
        logger.info("starting a worker")
        name = f"{socket.gethostname()}-{time.time_ns():x}"
        worker = self._start("worker", "start", "--pool", POOL, "--type", "process", "--name", name)
        self._keep(worker=worker)
        self._wait("worker", worker, lambda: name in worker_names(client))
        self._tell("a worker", worker, before)

    def _start(self, kind: str, *arguments: str) -> Process:
        process = start((*PREFECT, kind, *arguments), self._log(kind), self.project.parent, self.place.environment)
        self.started.append(process)
        return process

    def _wait(self, kind: str, process: Process, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not is_ready():
            if not process.lives or time.monotonic() > deadline:
                end = f"did not answer within {_PATIENCE} s" if process.lives else "ended at once"
                log = self._log(kind)
                raise SchedulingError(f"Prefect's {kind} {end}; the last words of {log}: {last_words(log)}")
            time.sleep(0.5)

    def _tell(self, what: str, process: Process, before: Process | None) -> None:
        gone = f"; the one before, process {before.id}, was gone" if before else ""
        self.changes.append(f"started {what}, process {process.id}{gone}")

    def _log(self, kind: str) -> Path:
        return self.settings.prefect / f"{kind}.log"

    def _keep(self, **values: Any) -> None:
        self.state = replace(self.state, **values)
        write_state(self.settings.prefect, self.state)


def _digest(settings: Settings, project: Path) -> str:
    """What the deployments are made from: when it changes, they are made again."""
    sources = settings.sources_file
    return sha256_of_json(
        {
            "project": sha256_of_file(project),
            "code": code_digest(),
            "sources": sha256_of_file(sources) if sources and sources.is_file() else "",
            "prefect": library_versions()["prefect"],
        }
    )
