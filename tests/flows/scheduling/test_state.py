from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.scheduling.state import Process, State, locked, read_state, standing_server, write_state
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


@pytest.fixture
def api() -> Iterator[str]:
    """The address of a server that says hello, except below /login."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/hello" else 401)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
        server.shutdown()
        thread.join()


def test_the_server_of_up_is_found_while_it_stands_and_answers(tmp_path: Path, api: str, started: Starter) -> None:
    server = started()
    write_state(tmp_path, State(api, server=server))
    assert standing_server(tmp_path) == api
    psutil.Process(server.id).kill()
    psutil.wait_procs([psutil.Process(server.id)], 10)
    assert standing_server(tmp_path) is None


def test_a_server_of_somebody_else_one_with_a_login_and_one_that_hangs_are_left_alone(
    tmp_path: Path, api: str, started: Starter
) -> None:
    server = started()
    for state in (
        State(api, is_own=False, server=server),
        State(api.replace("/api", "/login"), server=server),
        State("http://127.0.0.1:9/api", server=server),
        State(api),
    ):
        write_state(tmp_path, state)
        assert standing_server(tmp_path) is None


def test_where_nothing_or_nonsense_is_written_down_no_server_is_found(tmp_path: Path) -> None:
    assert standing_server(tmp_path) is None
    (tmp_path / "state.json").write_text("{}", encoding="utf-8")
    assert standing_server(tmp_path) is None
