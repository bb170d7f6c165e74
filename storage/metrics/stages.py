"""Measuring what the steps of a run cost."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from storage.metrics.store import MetricsStore
from storage.records import Stage

# getrusage counts kilobytes, and bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@contextmanager
def measured_stage(store: MetricsStore, run_id: str, name: str) -> Iterator[None]:
    """Note the wall time of a step that ends well, and the process's peak memory up to its end."""
    started = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    store.record_stage(run_id, Stage(name, time.monotonic() - started, peak))
