"""Measuring what the steps of a run cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from storage.metrics.store import MetricsStore
from storage.processes import peak_memory_bytes
from storage.records import Stage


@dataclass
class Measured:
    """What a step tells of itself.

    Attributes:
        peak_memory_bytes: Of the process that did the work, where it was another one.
        elsewhere_seconds: How much of its time is told as another step's.
    """

    peak_memory_bytes: int | None = None
    elsewhere_seconds: float = 0.0


@contextmanager
def measured_stage(store: MetricsStore, run_id: str, name: str) -> Iterator[Measured]:
    """Note the wall time of a step that ends well, and the peak memory, up to its end, of the process that did it."""
    started = time.monotonic()
    measured = Measured()
    yield measured
    peak = peak_memory_bytes() if measured.peak_memory_bytes is None else measured.peak_memory_bytes
    store.record_stage(run_id, Stage(name, time.monotonic() - started - measured.elsewhere_seconds, peak))
