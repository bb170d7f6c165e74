"""Slots of a schedule on a real server with two real workers: duplicates, a killed run, a source that did not answer.

A run is auto-scheduled for Prefect if it has the tag that the scheduler gives; its due time is that of its first state.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from storage.metrics.store import MetricsStore
from tests.reviews import reviews
from tests.system.conftest import BIN, PrefectServer, Shell, end, ended, flow_run, wait_for
from tests.system.test_deployments import QUICK

Deployments = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def workers(shell: Shell, deployments: Deployments, worker: None) -> Iterator[None]:
    """A second worker beside the first one, and a store that can be looked into from the start."""
    shell.home.mkdir(parents=True, exist_ok=True)
    MetricsStore(f"sqlite:///{shell.home / 'metrics.db'}")
    command = (str(BIN / "prefect"), "worker", "start", "--pool", "retrain", "--type", "process", "--name", "second")
    process = shell.start(*command, output=shell.folder / "second-worker.log")
    yield
    end(process)


@pytest.fixture(scope="module")
def shell(shell: Shell) -> Shell:
    """A home with a named source, a database that is not there yet, before anything is deployed."""
    shell.home.mkdir(parents=True)
    url = f"sqlite:///{shell.home / 'reviews.db'}"
    named = {"url": url, "query": "SELECT text, label FROM reviews ORDER BY rowid"}
    toml = "\n".join(f"{key} = {json.dumps(value)}" for key, value in named.items())
    (shell.home / "sources.toml").write_text(f"[shop]\n{toml}\n", encoding="utf-8")
    return shell


def schedule(server: PrefectServer, deployment: dict[str, Any], due: datetime, parameters: dict[str, Any]) -> str:
    """Create a run as the scheduler would, and return its id."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due.isoformat()}}
    body = {"parameters": parameters, "state": state, "tags": ["auto-scheduled"]}
    return str(server.post(f"/deployments/{deployment['id']}/create_flow_run", body)["id"])


def of_slot(shell: Shell, slot: str) -> dict[str, str]:
    """The states of the runs in the store that hold or held a slot, by id."""
    with closing(sqlite3.connect(f"file:{shell.home / 'metrics.db'}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT id, state FROM runs WHERE slot = ?", (slot,)))


def slot_at(deployment: str, due: datetime) -> str:
    return f"{deployment} {due:%Y-%m-%dT%H:%M:%SZ}"


def logs(shell: Shell) -> str:
    return "\n".join((shell.folder / name).read_text() for name in ("worker.log", "second-worker.log"))


def check_one_result(shell: Shell, runs: list[dict[str, Any]], slot: str) -> None:
    """One of two runs of a slot has its result, and the other one says so."""
    assert sorted(run["state_name"] for run in runs) == ["Completed", "Skipped"], logs(shell)
    done, skipped = sorted(runs, key=lambda run: str(run["state_name"]))
    ((run_id, state),) = of_slot(shell, slot).items()
    assert state == "completed"
    assert done["state"]["message"].startswith(f"{run_id}: nothing promoted on synthetic")
    assert "the slot is taken: run " in skipped["state"]["message"]
    assert run_id in skipped["state"]["message"]
    assert slot in skipped["state"]["message"]
    skipped_id = skipped["state"]["message"].partition(":")[0]
    recorded = shell.json("show", skipped_id)
    assert (recorded["state"], recorded["slot"], recorded["candidates"]) == ("skipped", None, [])
    assert shell.json("show", run_id)["slot"] == slot


def test_of_two_runs_of_one_slot_that_wait_for_each_other_the_second_is_skipped(
    shell: Shell, prefect_server: PrefectServer, deployments: Deployments, workers: None
) -> None:
    due = datetime.now(UTC) - timedelta(hours=2)
    ids = [schedule(prefect_server, deployments["manual"], due, QUICK) for _ in range(2)]
    runs = [ended(prefect_server, run_id, 240) for run_id in ids]

    check_one_result(shell, runs, slot_at("retrain/manual", due))
    done = next(run for run in runs if run["state_name"] == "Completed")
    assert re.search(r" \(2 h 0\d min late\)$", done["state"]["message"])


def holder(shell: Shell, slot: str) -> psutil.Process:
    """The process that a worker has started for the run that is at work on a slot."""
    with closing(sqlite3.connect(f"file:{shell.home / 'metrics.db'}?mode=ro", uri=True)) as connection:
        query = "SELECT process_id FROM runs WHERE slot = ? AND state = 'running'"
        ((process_id,),) = connection.execute(query, (slot,)).fetchall()
    process = psutil.Process(process_id)
    assert process in psutil.Process().children(recursive=True)
    return process


def suspend(shell: Shell, process: psutil.Process) -> None:
    """Stop a process, at a moment at which it neither writes to the store nor reads it, which keeps others out too."""

    def is_stopped() -> bool:
        process.suspend()
        with closing(sqlite3.connect(shell.home / "metrics.db", isolation_level=None, timeout=1)) as connection:
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                process.resume()
                return False
        return True

    wait_for(is_stopped, 60, every=0.1)


def test_a_run_that_comes_while_another_one_of_its_slot_is_at_work_is_skipped(
    shell: Shell, prefect_server: PrefectServer, deployments: Deployments, workers: None
) -> None:
    """Without Prefect's own limit; who wins when both look at the same moment is tested with the store alone."""
    manual = deployments["manual"]
    due = datetime.now(UTC)
    slot = slot_at("retrain/manual", due)
    parameters = {**QUICK, "seed": 8}
    prefect_server.patch(f"/deployments/{manual['id']}", {"concurrency_limit": None})
    try:
        first = schedule(prefect_server, manual, due, parameters)
        wait_for(lambda: of_slot(shell, slot), 180, every=0.1)
        process = holder(shell, slot)
        # It has not ended before the second one has come.
        suspend(shell, process)
        try:
            skipped = ended(prefect_server, schedule(prefect_server, manual, due, parameters))
        finally:
            process.resume()
        done = ended(prefect_server, first, 240)
    finally:
        prefect_server.patch(f"/deployments/{manual['id']}", {"concurrency_limit": 1})

    check_one_result(shell, [skipped, done], slot)
    assert f"(process {process.pid} on " in skipped["state"]["message"]
    assert f"is working on {slot}." in skipped["state"]["message"]


def test_a_killed_run_is_crashed_and_its_replay_gets_the_slot(
    shell: Shell, prefect_server: PrefectServer, deployments: Deployments, workers: None
) -> None:
    due = datetime.now(UTC)
    slot = slot_at("retrain/manual", due)
    run_id = schedule(prefect_server, deployments["manual"], due, {**QUICK, "seed": 9})

    def is_training() -> bool:
        query = {"logs": {"flow_run_id": {"any_": [run_id]}}}
        return any("training baseline" in line["message"] for line in prefect_server.post("/logs/filter", query))

    wait_for(is_training, 180, every=0.2)
    holder(shell, slot).kill()

    crashed = ended(prefect_server, run_id)
    assert (crashed["state_type"], crashed["run_count"]) == ("CRASHED", 1)
    # Nobody has told the store yet.
    ((killed, state),) = of_slot(shell, slot).items()
    assert state == "running"

    # The worker says so once more, some seconds after its runner has, and would call a replay crashed.
    time.sleep(10)

    def is_replayed() -> bool:
        run = flow_run(prefect_server, run_id)
        if (run["state_type"], run["run_count"]) == ("CRASHED", 1):
            retried = shell.call(str(BIN / "prefect"), "--no-prompt", "flow-run", "retry", run_id)
            assert retried.returncode == 0, retried.stdout + retried.stderr
        return bool(run["run_count"] == 2)

    wait_for(is_replayed, 180)
    done = ended(prefect_server, run_id, 240)
    assert done["state_name"] == "Completed", logs(shell)
    states = of_slot(shell, slot)
    assert states.pop(killed) == "crashed"
    ((heir, state),) = states.items()
    assert state == "completed"
    assert done["state"]["message"].startswith(heir)


def test_a_source_that_did_not_answer_is_read_again_and_leaves_one_stage(
    shell: Shell, prefect_server: PrefectServer, deployments: Deployments, workers: None
) -> None:
    database = shell.home / "reviews.db"
    rows = [(review.text, review.label) for review in reviews(700, seed=1)]
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE reviews (text, label)")
        connection.executemany("INSERT INTO reviews VALUES (?, ?)", rows)
        # Somebody writes to it for longer than a reader waits.
        connection.execute("BEGIN EXCLUSIVE")
        run_id = schedule(prefect_server, deployments["manual"], datetime.now(UTC), {**QUICK, "source": "shop"})

        def ingest() -> dict[str, Any]:
            query = {"flow_runs": {"id": {"any_": [run_id]}}, "task_runs": {"name": {"like_": "ingest"}}}
            return next(iter(prefect_server.post("/task_runs/filter", query)), {})

        wait_for(lambda: ingest().get("state_name") == "AwaitingRetry", 180, every=0.2)
        connection.execute("ROLLBACK")

    run = ended(prefect_server, run_id, 240)
    assert run["state_name"] in ("Completed", "DataRejected"), logs(shell)
    assert (ingest()["state_name"], ingest()["run_count"]) == ("Completed", 2)
    recorded = shell.json("show", run["state"]["message"].partition(":")[0])
    assert [stage["name"] for stage in recorded["stages"]].count("ingest") == 1
    assert recorded["snapshot"]["num_train"] > 0
