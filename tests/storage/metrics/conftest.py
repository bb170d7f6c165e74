"""Stores as earlier revisions of the schema left them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

EARLIER = Path(__file__).parent / "earlier"
MakeEarlier = Callable[[str], Path]


@pytest.fixture
def make_earlier(tmp_path: Path) -> MakeEarlier:
    """The file of a store that the code of an earlier revision wrote."""

    def make(name: str) -> Path:
        file = tmp_path / "metrics.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript((EARLIER / f"{name}.sql").read_text(encoding="utf-8"))
        return file

    return make
