"""The training process: `python -m tasks.training.child TASK JOB`, started by `tasks.training.process`.

The task is to `train` and then to score, or only to `predict`.

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

from pydantic import BaseModel

from storage.errors import RetrainError
from tasks.training.job import PredictionJob, TrainingJob, predict_here, train_here


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
        """Pass it on: what follows is no training any more."""
        self.tell("stop")

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


def main(task: str, job: str) -> None:
    """Do the job, and say what came of it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Whatever a library may print belongs to standard error: this pipe is for lines of JSON alone.
    telling = Telling(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    for room in ("tasks", "storage"):
        logging.getLogger(room).setLevel(logging.INFO)
        logging.getLogger(room).addHandler(_LogLines(telling))
    try:
        result = _do(task, job, telling)
    except RetrainError as error:
        telling.tell("error", type(error).__name__, str(error))
    else:
        telling.tell("result", result.model_dump(mode="json"))


def _do(task: str, job: str, telling: Telling) -> BaseModel:
    if task == "predict":
        return predict_here(PredictionJob.model_validate_json(job))
    return train_here(TrainingJob.model_validate_json(job), telling)


def _end_with_parent() -> None:
    """The parent never writes: what ends this wait is that it closed the pipe, or that it is gone."""
    # Not `sys.stdin`: Python cannot end while another thread waits for it.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
