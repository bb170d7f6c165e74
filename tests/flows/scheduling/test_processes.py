from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.scheduling import processes
from flows.scheduling.processes import last_words, start, stop
from flows.scheduling.state import Process
from tests.flows.conftest import Starter

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('asleep', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
    "print('asleep', flush=True); time.sleep(600)"
)

# Like Prefect's worker, which kills its run when it is asked to end.
WORKER = (
    "import signal, subprocess, sys, time; "
    "run = \"import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('written down'))); "
    "print('asleep', flush=True); time.sleep(600)\"; "
    "child = subprocess.Popen([sys.executable, '-c', run]); "
    "signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit())); "
    "time.sleep(600)"
)


def wait_until_asleep(log: Path) -> None:
    deadline = time.monotonic() + 180
    while "asleep" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_gets_a_session_and_variables_of_its_own_and_writes_into_its_log(tmp_path: Path) -> None:
    program = "import os; print(os.getsid(0) == os.getpid(), os.getcwd(), os.environ['NAME'], flush=True)"
    process = start((sys.executable, "-c", program), tmp_path / "log", tmp_path, {**os.environ, "NAME": "value"})
    psutil.wait_procs([psutil.Process(process.id)], 60)
    assert last_words(tmp_path / "log") == f"True {tmp_path} value"
    assert not process.lives


def test_a_process_is_asked_to_end(tmp_path: Path, started: Starter) -> None:
    process = started()
    wait_until_asleep(tmp_path / "log")
    assert process.lives
    assert stop(process)
    assert not process.lives


def test_a_process_that_does_not_listen_is_ended_all_the_same(
    tmp_path: Path, started: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PATIENCE", 1)
    process = started(STUBBORN)
    wait_until_asleep(tmp_path / "log")
    assert stop(process)
    psutil.wait_procs([psutil.Process(process.id)], 10)
    assert not process.lives


def test_a_process_takes_those_that_it_started_with_it(tmp_path: Path, started: Starter) -> None:
    """A worker's run is in a session of its own, as here."""
    process = started(PARENT)
    wait_until_asleep(tmp_path / "log")
    (child,) = psutil.Process(process.id).children()
    assert stop(process)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_run_is_asked_to_end_before_its_worker_would_kill_it(tmp_path: Path, started: Starter) -> None:
    process = started(WORKER)
    wait_until_asleep(tmp_path / "log")
    assert stop(process)
    assert last_words(tmp_path / "log") == "asleep / written down"


def test_another_process_that_got_the_same_id_is_left_alone(started: Starter) -> None:
    process = started()
    assert not stop(Process(process.id, process.mark - 1000))
    assert process.lives


def test_last_words_are_the_last_lines_that_say_something(tmp_path: Path) -> None:
    assert last_words(tmp_path / "log") == ""
    (tmp_path / "log").write_text("one\ntwo\n\n  three\nfour\n\n", encoding="utf-8")
    assert last_words(tmp_path / "log") == "two / three / four"
