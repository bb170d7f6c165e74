from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from storage.metrics import lease as leases
from storage.metrics.lease import Lease
from storage.processes import start_mark

if TYPE_CHECKING:
    from tests.storage.conftest import Spawn


def test_this_process_lives() -> None:
    lease = Lease.of_this_process()

    assert lease.process_id == os.getpid()
    assert not lease.is_dead()


def test_a_lease_of_an_earlier_boot_is_dead() -> None:
    assert dataclasses.replace(Lease.of_this_process(), boot_id="another").is_dead()


@pytest.mark.parametrize("changes", [{}, {"boot_id": "another"}, {"process_id": 2**22 + 1}])
def test_of_another_host_nothing_is_certain(changes: dict[str, str | int]) -> None:
    lease = dataclasses.replace(Lease.of_this_process(), host="another", **changes)  # type: ignore[arg-type]

    assert not lease.is_dead()


@pytest.mark.parametrize(("seconds", "dead"), [(-1.5, True), (-0.5, False), (0.5, False), (1.5, True)])
def test_a_process_id_that_is_used_again_is_told_apart_by_its_start(seconds: float, dead: bool) -> None:
    mine = Lease.of_this_process()

    assert dataclasses.replace(mine, process_started=mine.process_started + seconds).is_dead() is dead


def lease_of(child: subprocess.Popen[str]) -> Lease:
    mark = start_mark(child.pid)
    assert mark is not None
    return dataclasses.replace(Lease.of_this_process(), process_id=child.pid, process_started=mark)


def test_a_killed_process_is_dead_before_and_after_its_parent_notices(spawn: Spawn) -> None:
    child = spawn("input()")
    lease = lease_of(child)
    assert not lease.is_dead()

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lease.is_dead(), "a zombie"
    child.wait()
    assert lease.is_dead(), "gone"


def test_without_linuxs_boot_id_the_time_of_the_boot_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "Path", lambda _: tmp_path / "nowhere")

    lease = Lease.of_this_process()

    assert lease.boot_id == str(int(psutil.boot_time()))
    assert not lease.is_dead()
