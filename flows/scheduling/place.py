"""Which Prefect server is meant, and what the processes get that work with it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, get_current_settings, temporary_settings

from flows.runs import check_server
from flows.scheduling.state import State
from storage.errors import OptionError, SchedulingError
from storage.settings import Settings

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """A Prefect server.

    Attributes:
        api: Address of its API.
        is_own: Whether `retrain up` starts it.
        environment: All variables of processes that work with it.
        auth_string: What it asks for as a login; None if it asks for none, or Prefect's settings know it.
    """

    api: str
    is_own: bool
    environment: dict[str, str]
    auth_string: str | None = None

    @property
    def port(self) -> int:
        """The port of the server."""
        return urlsplit(self.api).port or 80

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client of this server; what it refuses is told in a sentence.

        Raises:
            OptionError: It asks for a login that was not given.
            SchedulingError: It refused for another reason.
        """
        settings = {PREFECT_API_URL: self.api}
        if self.auth_string is not None:
            settings[PREFECT_API_AUTH_STRING] = self.auth_string
        try:
            with temporary_settings(settings), get_client(sync_client=True) as client:
                yield client
        except PrefectHTTPStatusError as error:
            code = error.response.status_code
            if code in (401, 403):
                raise OptionError(
                    f"the Prefect server at {self.api} asks for a login ({code}): set PREFECT_API_AUTH_STRING to what "
                    "the server has in PREFECT_SERVER_API_AUTH_STRING."
                ) from error
            raise SchedulingError(f"the Prefect server at {self.api} refused a request ({error}).") from error


def choose(settings: Settings, state: State, environment: Mapping[str, str]) -> Place:
    """The server that Prefect's settings name or, where they name none, the one that `retrain up` starts.

    Args:
        settings: Where things are.
        state: What an earlier `retrain up` has started: its server is named by its address, too.
        environment: The variables that processes get besides.

    Raises:
        OptionError: The server that is named does not answer, or what was started belongs to another one.
    """
    url = get_current_settings().api.url
    named = str(url).rstrip("/") if url else None
    if named is None or (state.is_own and named == state.api):
        _refuse_change(state, to_own=True, named=named)
        return _own(settings, state.api if state.stands else named, environment)
    _refuse_change(state, to_own=False, named=named)
    check_server()
    return Place(named, False, {**_common(settings, environment), "PREFECT_API_URL": named})


def check_free(port: int) -> None:
    """Say at once that the port is taken; the server would only end.

    Raises:
        OptionError: Another program listens there.
    """
    with socket.socket() as probe:
        # Like the server itself, so that a port which was given up a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise OptionError(
                f"the port {port} of {HOST} cannot be had ({error.strerror}): choose another for the Prefect server, "
                f"such as PREFECT_SERVER_API_PORT={port + 1}. If a Prefect server of yours listens there, name it: "
                f"PREFECT_API_URL=http://{HOST}:{port}/api."
            ) from error


def _own(settings: Settings, api: str | None, environment: Mapping[str, str]) -> Place:
    server = get_current_settings().server.api
    api = api or f"http://{HOST}:{server.port}/api"
    auth_string = server.auth_string.get_secret_value() if server.auth_string else None
    own = {
        "PREFECT_API_URL": api,
        # A database of its own, and no profile that names another server.
        "PREFECT_HOME": str(settings.prefect),
        # The UI's own address comes from these; options of the command line would leave it wrong.
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(urlsplit(api).port),
        **({"PREFECT_API_AUTH_STRING": auth_string} if auth_string else {}),
    }
    return Place(api, True, {**_common(settings, environment), **own}, auth_string)


def _common(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    return {
        **environment,
        **settings.as_environment(),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _refuse_change(state: State, *, to_own: bool, named: str | None) -> None:
    """What runs already keeps working for its server; two servers must not share one state."""
    if state.stands and (state.is_own != to_own or named not in (None, state.api)):
        wanted = f"PREFECT_API_URL is {named}" if named else "PREFECT_API_URL is not set"
        raise OptionError(
            f"what `retrain up` has started works with the Prefect server at {state.api}, and now {wanted}: stop it "
            "first with `retrain down`."
        )
