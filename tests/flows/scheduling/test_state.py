from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from flows.scheduling.state import Process, State, locked, read_state, write_state
from storage.errors import OptionError
from tests.flows.conftest import Starter


def test_where_nothing_was_started_the_state_is_empty(tmp_path: Path) -> None:
    assert read_state(tmp_path) == State()
    assert not State().stands


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = State("http://127.0.0.1:4200/api", True, Process(12, 345.0), None, "abc")
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"server": {"pid": 1}, "worker": null}', '{"server": 1}'])
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=r"state\.json does not say what `retrain up` has started"):
        read_state(tmp_path)


def test_something_stands_as_long_as_one_of_its_processes_lives(started: Starter) -> None:
    worker = started()
    state = State(server=Process(worker.id, worker.mark - 1000), worker=worker)
    assert state.stands
    psutil.Process(worker.id).kill()
    psutil.wait_procs([psutil.Process(worker.id)], 10)
    assert not state.stands


def test_a_second_one_is_kept_out_and_told_by_whom(tmp_path: Path) -> None:
    words = rf"is at work in .* \(process {os.getpid()}\)"
    with locked(tmp_path), pytest.raises(OptionError, match=words), locked(tmp_path):
        raise AssertionError("two are at work")
    with locked(tmp_path):
        pass
