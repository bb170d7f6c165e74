"""What `up` does where something goes wrong; that it works is shown with the real thing, in tests/system."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from flows.scheduling import up as module
from flows.scheduling.down import down
from flows.scheduling.place import Place
from flows.scheduling.processes import start
from flows.scheduling.state import State, read_state, write_state
from flows.scheduling.up import up
from storage.errors import SchedulingError
from storage.settings import Settings
from tests.flows.conftest import SLEEPER, Starter


class Server:
    """Answers its health check with what it is given: an error, or an interrupt in its place."""

    def __init__(self, answer: Exception | KeyboardInterrupt | None) -> None:
        self.answer = answer

    def api_healthcheck(self) -> Exception | None:
        if isinstance(self.answer, KeyboardInterrupt):
            raise self.answer
        return self.answer


def stage(monkeypatch: pytest.MonkeyPatch, program: str, answer: Exception | KeyboardInterrupt | None) -> list[Any]:
    """Let `program` run in the place of `prefect`, and an answer stand for its API; returns what will be started."""

    @contextmanager
    def client(_place: Place) -> Iterator[Server]:
        yield Server(answer)

    started: list[Any] = []

    def remembered(*arguments: Any) -> Any:
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(Place, "client", client)
    monkeypatch.setattr(module, "PREFECT", (sys.executable, "-c", program))
    monkeypatch.setattr(module, "start", remembered)
    monkeypatch.setattr(module, "check_free", lambda port: None)
    monkeypatch.setattr(
        module, "choose", lambda settings, state, environment: Place("http://127.0.0.1:9/api", True, dict(environment))
    )
    return started


def test_what_is_interrupted_while_it_starts_leaves_nothing_running(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = stage(monkeypatch, SLEEPER, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        up(settings, {})
    assert len(started) == 1
    assert not started[0].lives
    assert read_state(settings.prefect).server is None


def test_a_server_that_ends_at_once_is_told_with_its_last_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(monkeypatch, "print('no disk left')", OSError("refused"))
    with pytest.raises(SchedulingError, match=r"Prefect's server ended at once; .*server\.log: no disk left"):
        up(settings, {})
    assert not read_state(settings.prefect).stands


def test_what_ran_before_is_left_alone_by_an_interrupt(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, started: Starter
) -> None:
    settings.prefect.mkdir()
    worker = started()
    write_state(settings.prefect, State("http://127.0.0.1:9/api", True, worker=worker))
    stage(monkeypatch, SLEEPER, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        up(settings, {})
    assert worker.lives
    assert read_state(settings.prefect).worker == worker


def test_down_stops_what_was_started_and_the_second_time_nothing(settings: Settings, started: Starter) -> None:
    assert down(settings) == ()
    settings.prefect.mkdir()
    server, worker, other = started(), started(), started()
    write_state(settings.prefect, State("http://127.0.0.1:9/api", True, server, worker, "abc"))

    assert down(settings) == (
        f"stopped the worker, process {worker.id}",
        f"stopped the Prefect server, process {server.id}",
    )
    assert [process.lives for process in (server, worker, other)] == [False, False, True]
    assert psutil.pid_exists(other.id)
    assert read_state(settings.prefect) == State("http://127.0.0.1:9/api", True, None, None, "abc")
    assert down(settings) == ()
