"""What a person reads in a flow run's log: our own lines, and of Prefect's those that say something new."""

from __future__ import annotations

import logging

from storage.errors import RetrainError


class WithoutTracebacks(logging.Filter):
    """An error of ours is a sentence for a person: where in the code it was raised is no help to anyone.

    Faults that are none of ours keep their tracebacks.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the traceback away; drop the line in which Prefect's engine wonders about an error that it has told."""
        if not (record.exc_info and isinstance(record.exc_info[1], RetrainError)):
            return True
        record.exc_info = record.exc_text = None
        return not record.getMessage().startswith("Engine execution exited")


def show_our_logs() -> None:
    """Let our own log lines through, down to the level at which people follow a run."""
    for name in ("flows", "tasks", "storage"):
        logging.getLogger(name).setLevel(logging.INFO)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(one, WithoutTracebacks) for one in logger.filters):
            logger.addFilter(WithoutTracebacks())
