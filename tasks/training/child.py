"""The training process: `python -m tasks.training.child JOB`, started by `tasks.training.process`.

It says what happens in lines of JSON on standard output, each a list: what the progress is told, what is logged, and at
last the result, or the error of ours that there is no result for. It ends with its parent, however that one ends.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import IO, Any

from storage.errors import RetrainError
from tasks.training.job import TrainingJob, train_here


class Telling:
    """A progress that tells the parent."""

    def __init__(self, pipe: IO[str]) -> None:
        """Tell it here."""
        self._pipe = pipe

    def start(self, model: str, epochs: int, batches: int, done: int = 0) -> None:
        """Pass it on."""
        self.tell("start", model, epochs, batches, done)

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        """Pass it on."""
        self.tell("batch", epoch, batch, loss)

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Pass it on."""
        self.tell("epoch", epoch, logs)

    def stop(self) -> None:
        """The parent knows it by itself, even where nobody lives to tell it."""

    def tell(self, kind: str, *what: Any) -> None:
        """One line."""
        self._pipe.write(f"{json.dumps([kind, *what])}\n")
        self._pipe.flush()


class _LogLines(logging.Handler):
    def __init__(self, telling: Telling) -> None:
        super().__init__()
        self._telling = telling

    def emit(self, record: logging.LogRecord) -> None:
        self._telling.tell("log", record.name, record.levelno, record.getMessage())


def main(job: str) -> None:
    """Train, and say what came of it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Whatever a library may print belongs to standard error: this pipe is for lines of JSON alone.
    telling = Telling(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    for room in ("tasks", "storage"):
        logging.getLogger(room).setLevel(logging.INFO)
        logging.getLogger(room).addHandler(_LogLines(telling))
    try:
        result = train_here(TrainingJob.model_validate_json(job), telling)
    except RetrainError as error:
        telling.tell("error", type(error).__name__, str(error))
    else:
        telling.tell("result", result.model_dump(mode="json"))


def _end_with_parent() -> None:
    """The parent never writes: what ends this wait is that it closed the pipe, or that it is gone."""
    # Not `sys.stdin`: Python cannot end while another thread waits for it.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
