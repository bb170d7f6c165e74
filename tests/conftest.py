"""What tests of every room share."""

from __future__ import annotations

import json
import os
import shutil

# TensorFlow brings an SQLite of its own, which Python's module takes when TensorFlow was there first. The product opens
# its store before that: so do the tests, whichever of them comes first in a process.
import sqlite3  # noqa: F401
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.postgresql import PostgreSQL, programs, serve_postgresql
from tests.serving import Served, serve


@pytest.fixture(scope="session")
def imdb_file() -> Path:
    """The real imdb.npz, in the folder that RETRAIN_TEST_DATA names."""
    folder = os.environ.get("RETRAIN_TEST_DATA")
    if not folder:
        pytest.skip("RETRAIN_TEST_DATA is not set: it names a folder that holds imdb.npz")
    path = Path(folder) / "imdb.npz"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server of the tests' own."""
    installed = programs()
    if installed is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    with serve_postgresql(installed) as server:
        yield server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A home with a small champion that reads text; not to be changed."""
    return serve(tmp_path_factory.mktemp("served"))


@pytest.fixture
def served_home(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home, which the environment names."""
    home = tmp_path / "home"
    shutil.copytree(served.home, home)
    for name in ("RETRAIN_DATABASE_URL", "RETRAIN_SOURCES", "RETRAIN_IMDB_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RETRAIN_HOME", str(home))
    return home


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook of our own: its address, and what was posted there."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(403 if self.path == "/refused" else 200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as webhook:
        thread = threading.Thread(target=webhook.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{webhook.server_address[1]}/hook", received
        webhook.shutdown()
        thread.join()
