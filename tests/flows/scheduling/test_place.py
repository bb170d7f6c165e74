from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_API_AUTH_STRING,
    PREFECT_SERVER_API_PORT,
    temporary_settings,
)

from flows.scheduling import place
from flows.scheduling.place import check_free, choose
from flows.scheduling.state import Process, State
from storage.errors import OptionError
from storage.processes import start_mark
from storage.settings import Settings

OWN, OTHER = "http://127.0.0.1:4321/api", "https://prefect.example.com/api"
GONE = Process(os.getpid(), -1000.0)


def this_process() -> Process:
    mark = start_mark(os.getpid())
    assert mark is not None
    return Process(os.getpid(), mark)


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "check_server", lambda: None)


@pytest.fixture
def unnamed() -> Iterator[None]:
    """Prefect's settings name no server."""
    with temporary_settings({PREFECT_SERVER_API_PORT: 4321}, restore_defaults={PREFECT_API_URL}):
        yield


def test_without_a_named_server_it_is_one_of_our_own_on_loopback(settings: Settings, unnamed: None) -> None:
    chosen = choose(settings, State(), {"LANG": "C", "PREFECT_HOME": "/elsewhere"})
    assert (chosen.api, chosen.is_own, chosen.port) == (OWN, True, 4321)
    expected = {
        "LANG": "C",
        "PREFECT_API_URL": OWN,
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": "4321",
        "RETRAIN_HOME": str(settings.home),
    }
    assert expected.items() <= chosen.environment.items()


def test_a_server_that_asks_for_a_login_is_asked_with_it(settings: Settings, unnamed: None) -> None:
    with temporary_settings({PREFECT_SERVER_API_AUTH_STRING: "user:secret"}):
        chosen = choose(settings, State(), {})
    assert chosen.auth_string == chosen.environment["PREFECT_API_AUTH_STRING"] == "user:secret"


def test_a_named_server_is_used_with_the_users_own_profile(settings: Settings) -> None:
    with temporary_settings({PREFECT_API_URL: OTHER}):
        chosen = choose(settings, State(), {"PREFECT_HOME": "/mine"})
    assert (chosen.api, chosen.is_own) == (OTHER, False)
    assert (chosen.environment["PREFECT_API_URL"], chosen.environment["PREFECT_HOME"]) == (OTHER, "/mine")


def test_a_server_that_runs_keeps_its_port(settings: Settings, unnamed: None) -> None:
    state = State("http://127.0.0.1:4999/api", True, server=this_process())
    assert choose(settings, state, {}).api == state.api
    gone = State("http://127.0.0.1:4999/api", True, server=GONE)
    assert choose(settings, gone, {}).api == OWN


def test_our_own_server_may_be_named_by_its_address(settings: Settings) -> None:
    """The user has set PREFECT_API_URL to it, so that the command line's runs are seen there, too."""
    with temporary_settings({PREFECT_API_URL: OWN}):
        for state in (State(OWN, True, server=this_process()), State(OWN, True)):
            chosen = choose(settings, state, {})
            assert (chosen.api, chosen.is_own) == (OWN, True)


def test_what_runs_for_one_server_does_not_go_over_to_another(settings: Settings, unnamed: None) -> None:
    ours = State(OWN, True, worker=this_process())
    with (
        temporary_settings({PREFECT_API_URL: OTHER}),
        pytest.raises(OptionError, match=f"server at {OWN}, and now PREFECT_API_URL is {OTHER}: stop it first"),
    ):
        choose(settings, ours, {})
    with pytest.raises(OptionError, match=f"server at {OTHER}, and now PREFECT_API_URL is not set: stop it first"):
        choose(settings, State(OTHER, False, worker=this_process()), {})


def test_a_port_that_is_taken_is_named_with_both_ways_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OptionError) as caught:
            check_free(port)
    assert f"the port {port} of 127.0.0.1 cannot be had" in str(caught.value)
    assert f"PREFECT_SERVER_API_PORT={port + 1}" in str(caught.value)
    assert f"PREFECT_API_URL=http://127.0.0.1:{port}/api" in str(caught.value)
    check_free(port)
