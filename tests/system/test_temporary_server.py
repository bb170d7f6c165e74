"""A command that finds no Prefect server, and the one that it starts for itself."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.system.conftest import BIN, Shell, end, wait_for

CHECK = ("check", "synthetic", "--set", "synthetic.num_train=3000", "--set", "synthetic.num_test=1500")


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A home that no server belongs to; its database is made by the first run, once for all of these tests."""
    shell = Shell(tmp_path_factory.mktemp("lone"))
    done = shell.retrain(*CHECK)
    assert done.returncode == 0, done.stderr
    assert "with a temporary server" in done.stderr
    assert servers(shell) == []
    return shell


def servers(shell: Shell) -> list[psutil.Process]:
    """The temporary servers of a home."""
    found = []
    for process in psutil.process_iter():
        try:
            is_one = "flows.temporary.child" in process.cmdline()
            if is_one and process.environ().get("PREFECT_HOME") == str(shell.folder / "prefect"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            pass
    return found


def states(shell: Shell) -> list[str]:
    """How Prefect says that the flow runs of a home ended, in their order."""
    with closing(sqlite3.connect(shell.folder / "prefect" / "prefect.db")) as database:
        return [name for (name,) in database.execute("SELECT state_name FROM flow_run ORDER BY created")]


def start_check(shell: Shell) -> subprocess.Popen[bytes]:
    """A run that has its server, and has begun."""
    log = shell.folder / "log"
    process = shell.start(str(BIN / "retrain"), *CHECK, output=log)
    wait_for(lambda: b" started" in log.read_bytes(), 180, every=0.05)
    (server,) = servers(shell)
    addresses = {one.laddr.ip for one in server.net_connections() if one.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}
    return process


def test_prefect_remembers_the_run_and_no_server_is_left(lone: Shell) -> None:
    before = states(lone)
    done = lone.retrain(*CHECK, "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert states(lone) == [*before, "Completed"]
    assert servers(lone) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_so_and_no_server_is_left(lone: Shell, ending: signal.Signals) -> None:
    process = start_check(lone)
    try:
        # As a terminal does it: to all processes of the session.
        os.killpg(process.pid, ending)
        assert process.wait(180) == 130
    finally:
        end(process)
    assert servers(lone) == []
    assert lone.json("history", "--flow", "check", "--limit", "1")[0]["state"] == "cancelled"
    assert states(lone)[-1] != "Running"


def test_the_server_ends_with_a_command_that_is_killed(lone: Shell) -> None:
    process = start_check(lone)
    try:
        process.kill()
        process.wait(180)
        wait_for(lambda: not servers(lone), 180)
    finally:
        end(process)


def test_a_server_that_a_profile_names_is_not_replaced_by_a_temporary_one(lone: Shell, tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n')
    done = lone.retrain(*CHECK, PREFECT_PROFILES_PATH=str(profiles))
    assert done.returncode == 2
    assert "no Prefect server answers at http://127.0.0.1:9/api" in done.stderr
    assert servers(lone) == []


def test_a_database_that_cannot_be_opened_is_one_sentence(lone: Shell, tmp_path: Path) -> None:
    nowhere = f"sqlite+aiosqlite:///{tmp_path}/no/such/folder.db"
    done = lone.retrain(*CHECK, PREFECT_API_DATABASE_CONNECTION_URL=nowhere)
    assert done.returncode == 2
    assert "retrain: Prefect's temporary server did not start" in done.stderr
    assert "unable to open database file" in done.stderr
    assert "Traceback" not in done.stderr
    assert servers(lone) == []


def test_commands_that_start_at_once_in_a_new_home_make_its_database_once(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    processes = [shell.start(str(BIN / "retrain"), *CHECK, output=tmp_path / f"log{number}") for number in range(3)]
    try:
        codes = [process.wait(300) for process in processes]
    finally:
        for process in processes:
            end(process)
    assert codes == [0, 0, 0], [(tmp_path / f"log{number}").read_text() for number in range(3)]
    assert states(shell) == ["Completed"] * 3
