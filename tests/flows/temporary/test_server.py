from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from flows.temporary.server import is_temporary, wait_for_temporary
from storage.errors import OptionError


class Health(BaseHTTPRequestHandler):
    """Answers with a server's status, and with its health to nothing else."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[200, 503])
def answering(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    handler = type("Answer", (Health,), {"status": request.param})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api", request.param


def test_a_server_is_up_when_it_says_that_it_is_well(answering: tuple[str, int]) -> None:
    api, status = answering
    if status == 200:
        wait_for_temporary(api, 60)
    else:
        with pytest.raises(OptionError, match=r"did not start \(it answered with 503\)"):
            wait_for_temporary(api, 60)


def test_a_server_that_is_gone_is_explained_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(OptionError, match=r"did not start \(ConnectionRefused.*PREFECT_HOME.*PREFECT_API_URL"):
        wait_for_temporary(f"http://127.0.0.1:{port}/api", 60)


def test_a_server_that_does_not_come_up_is_not_waited_for_for_ever() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(OptionError, match=r"did not start \(TimeoutError"),
    ):
        wait_for_temporary(f"http://127.0.0.1:{listening.getsockname()[1]}/api", 0.1)


def test_only_what_was_started_here_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETRAIN_TEMPORARY_API", raising=False)
    assert not is_temporary(None)
    assert not is_temporary("http://127.0.0.1:4200/api")
    monkeypatch.setenv("RETRAIN_TEMPORARY_API", "http://127.0.0.1:4242/api")
    assert is_temporary("http://127.0.0.1:4242/api")
    assert not is_temporary("http://127.0.0.1:4200/api")
    assert not is_temporary(None)
