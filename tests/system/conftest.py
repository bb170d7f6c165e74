"""Real processes: the installed command, a real Prefect server, each in folders of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PREFECT_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


@dataclass
class Shell:
    """Runs commands in a world of their own, outside of the repository."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RETRAIN_", "PREFECT_"))}
        own = {
            "RETRAIN_HOME": str(self.home),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "KERAS_HOME": str(self.folder / "keras"),
            "COLUMNS": "160",
        }
        return {**kept, **PREFECT_SETTINGS, **own, **self.environment}

    def retrain(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.call(str(BIN / "retrain"), *arguments, environment=environment)

    def call(
        self, *command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={**self.variables(), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def start(self, *command: str, output: Path, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        with output.open("wb") as file:
            return subprocess.Popen(
                command, cwd=cwd or self.folder, env=self.variables(), stdout=file, stderr=file, start_new_session=True
            )

    def json(self, *arguments: str) -> Any:
        done = self.retrain(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@dataclass(frozen=True)
class PrefectServer:
    """A server of the tests' own."""

    api: str

    def post(self, path: str, body: Mapping[str, Any] | list[Any]) -> Any:
        return self._send("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        self._send("PATCH", path, body)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | list[Any]) -> Any:
        request = urllib.request.Request(
            f"{self.api}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        # A server whose database is busy answers 503, and asks to be asked again.
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.loads(response.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > deadline:
                    raise
            except TimeoutError:
                # Only a question can be asked twice.
                if not path.endswith("/filter") or time.monotonic() > deadline:
                    raise
            time.sleep(1)


def wait_for(what: Callable[[], Any], seconds: float, *, every: float = 0.5) -> Any:
    """The first true answer; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(every)
    raise AssertionError(f"did not happen within {seconds} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, with the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One real server for all system tests: to start it takes longer than most of them."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The UI's own address comes from this setting; the option --port alone would leave it wrong.
    shell = Shell(folder, {"PREFECT_SERVER_API_PORT": str(port)})
    command = (str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port))
    process = shell.start(*command, output=folder / "server.log")
    server = PrefectServer(f"http://127.0.0.1:{port}/api")

    def is_up() -> bool:
        assert process.poll() is None, (folder / "server.log").read_text()
        try:
            with urllib.request.urlopen(f"{server.api}/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    try:
        wait_for(is_up, 180)
        yield server
    finally:
        end(process)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer) -> Shell:
    """A fresh home for the tests of one module, beside the shared server."""
    return Shell(tmp_path_factory.mktemp("shell"), {"PREFECT_API_URL": prefect_server.api})


@pytest.fixture(scope="module")
def deployments(shell: Shell, prefect_server: PrefectServer) -> dict[str, dict[str, Any]]:
    """The deployments of `prefect.yaml`, by name, made the way that the README says."""
    prefect = str(BIN / "prefect")
    pool = shell.call(prefect, "work-pool", "create", "retrain", "--type", "process", "--overwrite", cwd=ROOT)
    assert pool.returncode == 0, pool.stderr
    done = shell.call(prefect, "--no-prompt", "deploy", "--all", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return {found["name"]: found for found in prefect_server.post("/deployments/filter", {})}


@pytest.fixture(scope="module")
def worker(shell: Shell, deployments: dict[str, dict[str, Any]]) -> Iterator[None]:
    """A worker, started in another folder than the repository."""
    command = (str(BIN / "prefect"), "worker", "start", "--pool", "retrain", "--type", "process")
    process = shell.start(*command, output=shell.folder / "worker.log")
    yield
    end(process)


def flow_run(server: PrefectServer, run_id: str) -> dict[str, Any]:
    """A flow run as the server knows it."""
    (run,) = server.post("/flow_runs/filter", {"flow_runs": {"id": {"any_": [run_id]}}})
    found: dict[str, Any] = run
    return found


def ended(server: PrefectServer, run_id: str, seconds: float = 180) -> dict[str, Any]:
    """A flow run, when it has ended."""

    def look() -> dict[str, Any] | None:
        run = flow_run(server, run_id)
        return run if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    run: dict[str, Any] = wait_for(look, seconds)
    return run


def finished(
    server: PrefectServer, deployment: dict[str, Any], parameters: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A manual run of a deployment, when it has ended."""
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}, **more}
    created = server.post(f"/deployments/{deployment['id']}/create_flow_run", body)
    return ended(server, created["id"])
