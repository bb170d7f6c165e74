"""Start Prefect's temporary server, and wait for it.

Prefect starts one itself when it is first asked for something, and waits. This one is the same, on the same database,
but it comes up while this process is still busy with its own imports; and it never outlives this process.
"""

from __future__ import annotations

import atexit
import os
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from storage.errors import OptionError

_HOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[2]
# Says that what PREFECT_API_URL names is such a server.
_VARIABLE = "RETRAIN_TEMPORARY_API"
# Seconds; Prefect gives its own as much.
_PATIENCE = 5
# The line of a traceback that says what happened.
_ERROR = re.compile(r"^[\w.]+(?:Error|Exception): .+$", re.MULTILINE)
# What each server of this process says, by its address: tracebacks, of which a user is told the reason.
_said: dict[str, BinaryIO] = {}


def start_temporary() -> None:
    """Start a server for this process, and name it in PREFECT_API_URL; not where Prefect's settings name or allow none.

    It answers some seconds later: `wait_for_temporary` waits for that.
    """
    said = tempfile.TemporaryFile()  # noqa: SIM115 (it is open for as long as this process lives)
    process, api = _launch(said)
    _said[api] = said
    atexit.register(_end, process, said)
    # Prefect takes a second to say what its settings are, in which the server has begun.
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url is not None or not settings.server.ephemeral.enabled:
        _end(process, said)
        return
    os.environ["PREFECT_API_URL"] = os.environ[_VARIABLE] = api
    refresh_global_settings_context()


def is_temporary(api: str | None) -> bool:
    """Whether this is the address of a server that was started here."""
    return api is not None and api == os.environ.get(_VARIABLE)


def wait_for_temporary(api: str, seconds: float) -> None:
    """Wait until the server answers.

    Raises:
        OptionError: It has ended, or does not answer in time.
    """
    address = urlsplit(api)
    # Its socket listens from the beginning, so that this is answered when the server is up, or ended when it is gone.
    with closing(HTTPConnection(address.hostname or _HOST, address.port, timeout=seconds)) as connection:
        try:
            connection.request("GET", f"{address.path}/health")
            status = connection.getresponse().status
            problem = "" if status == 200 else f"it answered with {status}"
        except (OSError, HTTPException) as error:
            problem = _reason(api) or f"{type(error).__name__}: {error}"
    if problem:
        from prefect.settings import get_current_settings

        raise OptionError(
            f"Prefect's temporary server did not start ({problem}). It needs a folder that it can write to: "
            f"PREFECT_HOME, which is {get_current_settings().home}; or start a server of your own, and name it in "
            "PREFECT_API_URL."
        )


def _reason(api: str) -> str:
    """The last error that a server of this process has told of; empty where there is none."""
    return next(reversed(_ERROR.findall(_take(_said[api]))), "") if api in _said else ""


def _take(said: BinaryIO) -> str:
    """What was said since it was last taken."""
    said.seek(0)
    text = said.read().decode(errors="replace")
    said.seek(0)
    said.truncate()
    return text


def _launch(said: BinaryIO) -> tuple[subprocess.Popen[bytes], str]:
    """Start the process, which writes its errors into a file; it, and the address of its API."""
    # -P: a folder named `flows` where the user happens to stand is not ours.
    command = [sys.executable, "-P", "-m", "flows.temporary.child"]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with socket.create_server((_HOST, 0), backlog=100) as listening:
        descriptor, port = listening.fileno(), listening.getsockname()[1]
        # In a session of its own: at a terminal's Ctrl-C a run still has to say that it was stopped.
        process = subprocess.Popen(
            [*command, str(descriptor)],
            env=environment,
            pass_fds=[descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
    return process, f"http://{_HOST}:{port}/api"


def _end(process: subprocess.Popen[bytes], said: BinaryIO) -> None:
    """End the process; errors that nobody has been told of yet are shown as they are."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    sys.stderr.write(_take(said))
