"""`retrain up` and `retrain down` with the real thing, in a home of its own: one server for all that is asked here."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from storage.processes import start_mark
from tests.system.conftest import ROOT, PrefectServer, Shell, flow_run, wait_for

DEPLOYMENTS = {
    one["name"] for one in yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A machine on which nobody has used Prefect, without a server; what was started is stopped in the end."""
    folder = tmp_path_factory.mktemp("fresh")
    shell = Shell(folder, {"HOME": str(folder), "PREFECT_SERVER_API_PORT": str(free_port())})
    yield shell
    shell.retrain("down")


@pytest.fixture(scope="module")
def first(fresh: Shell) -> dict[str, Any]:
    """What the first `retrain up` says."""
    standing: dict[str, Any] = fresh.json("up")
    return standing


@pytest.fixture(scope="module")
def server(first: dict[str, Any]) -> PrefectServer:
    return PrefectServer(first["api"])


def automations(server: PrefectServer) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in server.post("/automations/filter", {})}


def emit(server: PrefectServer, event: str, resource: str, **rest: Any) -> None:
    moment = {"occurred": datetime.now(UTC).isoformat(), "id": str(uuid4())}
    server.post("/events", [{**moment, "event": event, "resource": {"prefect.resource.id": resource}, **rest}])


@pytest.fixture(scope="module", autouse=True)
def silent_runs(server: PrefectServer) -> tuple[str, str]:
    """Runs of a deployment of ours and of another one, whose only heartbeat came before all tests of this module."""
    deployment = next(one for one in server.post("/deployments/filter", {}) if one["name"] == "manual")
    runs = []
    for related in (deployment["id"], str(uuid4())):
        run = server.post("/flow_runs/", {"flow_id": deployment["flow_id"], "state": {"type": "RUNNING"}})
        resource = {"prefect.resource.id": f"prefect.deployment.{related}", "prefect.resource.role": "deployment"}
        emit(server, "prefect.flow-run.heartbeat", f"prefect.flow-run.{run['id']}", related=[resource])
        runs.append(run["id"])
    ours, others = runs
    return ours, others


def test_a_first_up_makes_all_of_it_and_says_so(first: dict[str, Any], fresh: Shell) -> None:
    assert first["ui"] == f"http://127.0.0.1:{fresh.environment['PREFECT_SERVER_API_PORT']}"
    assert (first["pool"], first["limit"]) == ("retrain", 1)
    assert set(first["deployments"]) == DEPLOYMENTS
    assert {"started the Prefect server", "made the work pool 'retrain'", "started a worker"} <= {
        change.partition(",")[0] for change in first["changes"]
    }
    assert running(first["server"])
    assert running(first["worker"])
    assert not (fresh.folder / ".prefect").exists()
    assert (fresh.home / "prefect" / "prefect.db").exists()
    assert not (fresh.home / "metrics.db").exists()


def test_what_is_scheduled_next_is_told_and_is_there(first: dict[str, Any], server: PrefectServer) -> None:
    (weekly,) = (run for run in first["upcoming"] if run["deployment"] == "retrain/weekly")
    due = datetime.fromisoformat(weekly["at"])
    assert (due.strftime("%A"), due.hour, due.minute, due.tzinfo) == ("Monday", 3, 0, UTC)
    states = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "sort": "EXPECTED_START_TIME_ASC"}
    runs = server.post("/flow_runs/filter", states)
    assert due in {datetime.fromisoformat(run["expected_start_time"]) for run in runs}


def test_up_again_changes_nothing_and_says_so(first: dict[str, Any], fresh: Shell, server: PrefectServer) -> None:
    def made() -> list[tuple[str, str]]:
        kinds = ("deployments", "automations")
        return [(one["id"], one["updated"]) for kind in kinds for one in server.post(f"/{kind}/filter", {})]

    before = made()
    again = fresh.json("up")
    assert again == {**first, "changes": []}
    assert made() == before
    assert "nothing: all of it was there" in fresh.retrain("up").stdout


def test_what_was_killed_is_started_again_and_has_kept_its_deployments(
    first: dict[str, Any], fresh: Shell, server: PrefectServer
) -> None:
    before = {one["id"] for one in server.post("/deployments/filter", {})}
    killed = (first["server"], first["worker"])
    for process_id in killed:
        os.kill(process_id, signal.SIGKILL)
    wait_for(lambda: not any(map(running, killed)), 60)
    again = fresh.json("up")
    assert again["changes"] == [
        f"started the Prefect server, process {again['server']}; the one before, process {first['server']}, was gone",
        f"started a worker, process {again['worker']}; the one before, process {first['worker']}, was gone",
    ]
    assert running(again["server"])
    assert running(again["worker"])
    assert {one["id"] for one in server.post("/deployments/filter", {})} == before


def test_a_run_that_crashed_is_told_to_the_webhook_that_was_named_until_it_is_not(
    first: dict[str, Any], fresh: Shell, server: PrefectServer, mailbox: tuple[str, list[dict[str, Any]]]
) -> None:
    url, received = mailbox
    notified = json.loads(fresh.retrain("up", "--json", RETRAIN_NOTIFY_URL=url).stdout)
    assert notified["notifications"] is True
    assert len(notified["changes"]) == 2
    assert json.loads(fresh.retrain("up", "--json", RETRAIN_NOTIFY_URL=url).stdout)["changes"] == []
    score = next(one for one in server.post("/deployments/filter", {}) if one["name"] == "score")
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2199-01-01T00:00:00Z"}}
    crashed = {"type": "CRASHED", "name": "Crashed", "message": "the machine is gone"}

    def arrived() -> bool:
        # An automation that is new is not heeded at once.
        body = {"name": "a lost run", "state": later, "parameters": {"source": "reviews"}}
        run = server.post(f"/deployments/{score['id']}/create_flow_run", body)
        server.post(f"/flow_runs/{run['id']}/set_state", {"state": crashed, "force": True})
        time.sleep(2)
        return bool(received)

    wait_for(arrived, 180)
    assert received[0] == {"text": "a lost run has crashed\nthe machine is gone"}

    assert len(automations(server)) == 3
    (change,) = fresh.json("up")["changes"]
    assert change.startswith("removed the automation")
    assert len(automations(server)) == 2
    assert server.post("/block_documents/filter", {}) == []


def test_an_address_that_nothing_can_be_sent_to_is_one_sentence_that_does_not_repeat_it(
    first: dict[str, Any], fresh: Shell
) -> None:
    done = fresh.retrain("up", RETRAIN_NOTIFY_URL="carrier-pigeon://secret")
    assert (done.returncode, done.stdout) == (2, "")
    assert "RETRAIN_NOTIFY_URL begins with carrier-pigeon://" in done.stderr
    assert "secret" not in done.stderr


def test_a_run_of_the_command_line_is_seen_in_the_same_ui(
    first: dict[str, Any], fresh: Shell, server: PrefectServer
) -> None:
    sizes = ("--set", "synthetic.num_train=3000", "--set", "synthetic.num_test=1500")
    done = fresh.retrain("check", "synthetic", *sizes)
    assert done.returncode == 0, done.stderr
    assert f"the run is seen at {first['ui']}, which `retrain up` has started" in done.stderr
    (run,) = server.post("/flow_runs/filter", {"flows": {"name": {"any_": ["check"]}}})
    assert run["state_name"] == "Completed"
    # The database of a temporary server.
    assert not (fresh.folder / "prefect" / "prefect.db").exists()


def test_a_port_that_is_taken_is_one_sentence(fresh: Shell, first: dict[str, Any], tmp_path: Path) -> None:
    done = fresh.retrain("up", RETRAIN_HOME=str(tmp_path / "another"))
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = (line for line in done.stderr.splitlines() if line.startswith("retrain: "))
    assert f"the port {fresh.environment['PREFECT_SERVER_API_PORT']} of 127.0.0.1 cannot be had" in sentence
    assert "Traceback" not in done.stderr


def test_a_server_of_ones_own_is_used_and_none_is_started(
    tmp_path: Path, prefect_server: PrefectServer, server: PrefectServer
) -> None:
    shell = Shell(tmp_path, {"HOME": str(tmp_path), "PREFECT_API_URL": prefect_server.api})
    try:
        standing = shell.json("up")
        assert (standing["api"], standing["server"]) == (prefect_server.api, None)
        assert set(standing["deployments"]) == DEPLOYMENTS
        assert "retrain" in {pool["name"] for pool in prefect_server.post("/work_pools/filter", {})}
        assert shell.json("up") == {**standing, "changes": []}
    finally:
        done = shell.retrain("down")
    assert done.stdout == f"stopped the worker, process {standing['worker']}\n"
    assert server.post("/deployments/filter", {})


def test_a_run_whose_heartbeats_stop_is_marked_as_crashed(server: PrefectServer, silent_runs: tuple[str, str]) -> None:
    """After 90 seconds, and as many until the server looks again; most of them have passed in the tests before."""
    ours, others = silent_runs
    wait_for(lambda: flow_run(server, ours)["state_type"] == "CRASHED", 300)
    assert "no heartbeat for 90 s" in flow_run(server, ours)["state"]["message"]
    assert flow_run(server, others)["state_type"] == "RUNNING"


def test_down_stops_both_and_nothing_else(fresh: Shell, first: dict[str, Any]) -> None:
    standing = fresh.json("up")
    done = fresh.retrain("down")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"stopped the worker, process {standing['worker']}",
        f"stopped the Prefect server, process {standing['server']}",
    ]
    assert not running(standing["worker"])
    assert not running(standing["server"])
    assert fresh.retrain("down").stdout == "nothing runs that `retrain up` has started\n"


def running(process_id: int) -> bool:
    return start_mark(process_id) is not None
