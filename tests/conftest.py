"""What tests of every room share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

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
