from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest

from flows.logs import WithoutTracebacks, show_our_logs
from storage.errors import SourceError

ENGINE = "Engine execution exited with unexpected exception"


@pytest.fixture
def prefects() -> Iterator[logging.Logger]:
    """Prefect's logger of flow runs, as the flow has set it up; what it had is put back."""
    logger = logging.getLogger("prefect.flow_runs")
    before = list(logger.filters)
    show_our_logs()
    yield logger
    logger.filters[:] = before


def shown(logger: logging.Logger, error: Exception, message: str) -> str | None:
    """A line that tells of an error, as it is written to a log; None where it is not."""
    try:
        raise error
    except type(error):
        record = logger.makeRecord(logger.name, logging.ERROR, __file__, 1, message, (), sys.exc_info())
    return logging.Formatter("%(message)s").format(record) if logger.filter(record) else None


def test_an_error_of_ours_is_told_without_its_traceback(prefects: logging.Logger) -> None:
    assert shown(prefects, SourceError("no file"), "Task run failed: no file") == "Task run failed: no file"


def test_an_error_of_ours_is_not_told_twice(prefects: logging.Logger) -> None:
    assert shown(prefects, SourceError("no file"), ENGINE) is None


@pytest.mark.parametrize("message", ["Task run failed", ENGINE])
def test_a_fault_keeps_its_traceback(prefects: logging.Logger, message: str) -> None:
    line = shown(prefects, ZeroDivisionError("by zero"), message)

    assert line is not None
    assert line.startswith(f"{message}\nTraceback")


def test_many_runs_in_one_process_filter_once(prefects: logging.Logger) -> None:
    show_our_logs()

    assert len([one for one in prefects.filters if isinstance(one, WithoutTracebacks)]) == 1
