"""A store that believes that it is another time, and does not wait for the disk: for examples, never for real runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from types import SimpleNamespace
from typing import Self
from unittest.mock import patch

from sqlalchemy import Engine, event

from storage.metrics.engine import writing_engine


def hasty_engine(url: str) -> Engine:
    """Nothing is lost if the machine stops while an example is being made: so nothing waits for the disk."""
    engine = writing_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return engine


@contextmanager
def clock(moment: datetime, number: int = 0) -> Iterator[None]:
    """Let the store believe that it is this moment, and end the ids of its runs with this number."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(moment.timestamp(), tz)

    ids = SimpleNamespace(token_hex=lambda _: f"{number:04x}")
    with (
        patch("storage.metrics.store.datetime", Clock),
        patch("storage.metrics.rows.datetime", Clock),
        patch("storage.metrics.store.secrets", ids),
    ):
        yield
