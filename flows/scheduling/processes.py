"""Processes that outlive the command that started them: how they are started, and how they are stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from flows.scheduling.state import Process
from storage.processes import start_mark

# Seconds: a run that is stopped writes down that it was, and its training process ends first.
_PATIENCE = 30


# The `prefect` of this very environment, whatever is first on the path.
PREFECT = (sys.executable, "-m", "prefect")


def start(command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]) -> Process:
    """Start a process in a session of its own, so that no Ctrl-C in this terminal reaches it.

    Args:
        command: The program and its arguments.
        log: File that its output is appended to.
        folder: Its working directory.
        environment: All variables that it gets.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    mark = start_mark(child.pid)
    # Nobody here is going to wait for it: without this, Python would warn of a child that was forgotten.
    child.returncode = 0
    return Process(child.pid, 0.0 if mark is None else mark)


def stop(process: Process) -> bool:
    """End a process and those that it started: asked first, and after a while made to; False if it was gone already."""
    if not process.lives:
        return False
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(process.id)
        # A worker that is asked to end kills its run on the spot: the run is asked first, and writes down its end.
        _end(leader.children(), leader.children(recursive=True))
        _end([leader], leader.children(recursive=True))
    return True


def _end(asked: list[psutil.Process], descendants: list[psutil.Process]) -> None:
    for each in asked:
        with suppress(psutil.NoSuchProcess):
            each.terminate()
    for each in _outlasting((*asked, *descendants)):
        with suppress(psutil.NoSuchProcess):
            each.kill()


def _outlasting(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while; one that has ended, and that nobody has asked how, has ended."""
    deadline = time.monotonic() + _PATIENCE
    left = list(processes)
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [each for each in left if each.is_running() and start_mark(each.pid) is not None]
    return left


def last_words(log: Path) -> str:
    """The last three lines of a log that say something, as one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return " / ".join([line.strip() for line in lines if line.strip()][-3:])
