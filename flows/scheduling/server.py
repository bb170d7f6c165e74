"""What is made on a Prefect server, and what is read from it: the work pool, the deployments, what comes next."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from flows.scheduling.processes import PREFECT, last_words
from storage.errors import SchedulingError

POOL = "retrain"

# Seconds: the server's scheduler looks for new deployments every five.
_SCHEDULER_PATIENCE = 30


@dataclass(frozen=True)
class Upcoming:
    """The next run of a deployment.

    Attributes:
        deployment: Flow and deployment, such as `retrain/weekly`.
        at: When it is due, in UTC.
    """

    deployment: str
    at: datetime


def work_pool(client: SyncPrefectClient) -> tuple[WorkPool, bool]:
    """The work pool that the deployments name, and whether it had to be made; one that is there is left as it is."""
    try:
        return client.read_work_pool(POOL), False
    except ObjectNotFound:
        wanted = WorkPoolCreate(
            name=POOL,
            type="process",
            description="Retraining, one run at a time; made by `retrain up`.",
            base_job_template=ProcessWorker.get_default_base_job_template(),
            concurrency_limit=1,
        )
        return client.create_work_pool(wanted), True


def worker_names(client: SyncPrefectClient) -> set[str]:
    """Names of the workers that the work pool has seen."""
    return {worker.name for worker in client.read_workers_for_work_pool(POOL)}


def declared(project: Path) -> list[str]:
    """Names of the deployments that a `prefect.yaml` declares."""
    content = yaml.safe_load(project.read_text(encoding="utf-8"))
    return [str(one["name"]) for one in content["deployments"]]


def deployments(client: SyncPrefectClient, names: Sequence[str]) -> list[DeploymentResponse]:
    """Those of the named deployments that the server has."""
    return client.read_deployments(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=list(names))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
    )


def deploy(folder: Path, log: Path, environment: Mapping[str, str]) -> None:
    """Make or bring up to date all deployments of the folder's `prefect.yaml`.

    Raises:
        SchedulingError: Prefect did not make them.
    """
    with log.open("wb") as output:
        done = subprocess.run(
            [*PREFECT, "--no-prompt", "deploy", "--all"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise SchedulingError(f"`prefect deploy --all` failed in {folder}: {last_words(log)} (all of it in {log}).")


def upcoming(client: SyncPrefectClient, found: Sequence[DeploymentResponse]) -> list[Upcoming]:
    """The next run of each deployment that has an active schedule, the first one first.

    A new deployment's runs appear when the server's scheduler has seen it, which this waits for.
    """
    flows = {flow.id: flow.name for flow in client.read_flows()}
    due = [one for one in found if not one.paused and any(schedule.active for schedule in one.schedules)]
    deadline = time.monotonic() + _SCHEDULER_PATIENCE
    runs: list[Upcoming] = []
    for one in due:
        while (at := _next_run(client, one)) is None and time.monotonic() < deadline:
            time.sleep(1)
        if at is not None:
            runs.append(Upcoming(f"{flows.get(one.flow_id, '?')}/{one.name}", at))
    return sorted(runs, key=lambda run: run.at)


def _next_run(client: SyncPrefectClient, deployment: DeploymentResponse) -> datetime | None:
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=1,
    )
    at = runs[0].expected_start_time if runs else None
    return datetime.fromtimestamp(at.timestamp(), UTC) if at else None
