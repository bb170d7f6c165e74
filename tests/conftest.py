"""What tests of every room share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
