"""Training in a process of its own: its memory is given back, and a crash of it is an error, not the end of this one.

The child is `tasks.training.child`. It is told references only, and leaves the model in the staging folder, beside it
what the model says of the validation and the test rows.
"""

from __future__ import annotations

import json
import logging
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from storage import errors
from storage.errors import TrainingError
from storage.records import ModelName
from tasks.training.job import PredictionJob, PredictionResult, TrainingJob, TrainingResult
from tasks.training.progress import TrainingProgress

logger = logging.getLogger(__name__)

_CHILD = "tasks.training.child"
_ROOT = Path(__file__).resolve().parents[2]
# A thread that waits for ever cannot be interrupted from another one.
_WAKE_SECONDS = 0.5
_IN_VAIN = {
    "train": "training {} ended without a model",
    "predict": "scoring with {} ended without an answer",
}


def train_in_child(job: TrainingJob, progress: TrainingProgress) -> TrainingResult:
    """Train and score in a process that starts now and ends with it; whatever interrupts the wait kills it.

    Raises:
        TrainingError: The loss is not finite, training took too long, or its process died.
    """
    timeout = 60 * (job.options.timeout_minutes or math.inf)
    try:
        return TrainingResult.model_validate(_in_child("train", job, progress, timeout))
    finally:
        progress.stop()


def predict_in_child(job: PredictionJob) -> PredictionResult:
    """Score with a model that was trained before, in a process like `train_in_child`'s.

    Raises:
        ContentError: Keras cannot read the model.
        TrainingError: The process died.
    """
    return PredictionResult.model_validate(_in_child("predict", job))


def _in_child(
    task: str, job: PredictionJob, progress: TrainingProgress | None = None, timeout: float = math.inf
) -> dict[str, Any]:
    """What the child comes to; the timeout, in seconds, is that of the training alone."""
    # -P: a folder named `tasks` where the user happens to stand is not ours.
    command = [sys.executable, "-P", "-m", _CHILD, task, job.model_dump_json()]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as words,
        # In a session of its own, since a terminal's Ctrl-C is for this process, which kills the other. That one ends
        # when nobody holds its standard input any more, so it cannot outlive this process.
        subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=words, start_new_session=True
        ) as child,
    ):
        try:
            result = _follow(_messages(child, job.model, timeout), progress)
            child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
        if result is None or child.returncode != 0:
            raise TrainingError(_last_words(task, job.model, child.returncode, words))
        return result


def end_trainings() -> None:
    """End the training processes that this one has started; the threads that wait for them get an error."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if _CHILD in child.cmdline():
                child.terminate()


def _follow(messages: Iterator[list[Any]], progress: TrainingProgress | None) -> dict[str, Any] | None:
    """Pass on what the child says, until it says no more; None if it never came to a result."""
    result = None
    for message in messages:
        match message:
            case ["log", name, level, text]:
                logging.getLogger(name).log(level, "%s", text)
            case ["error", kind, text]:
                raise getattr(errors, kind)(text)
            case ["result", found]:
                result = found
            case [told, *given]:
                getattr(progress, told)(*given)
    return result


def _messages(child: subprocess.Popen[bytes], model: ModelName, timeout: float) -> Iterator[list[Any]]:
    assert child.stdout is not None
    deadline = time.monotonic() + timeout
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if time.monotonic() > deadline:
                raise TrainingError(_too_long(model, timeout / 60))
            if not selector.select(_WAKE_SECONDS):
                continue
            read = os.read(child.stdout.fileno(), 2**16)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            for message in map(json.loads, lines):
                if message == ["stop"]:
                    # What is left is to score.
                    deadline = math.inf
                yield message


def _too_long(model: ModelName, minutes: float) -> str:
    return (
        f"training {model} was stopped: it was not done within {minutes:g} minutes. Allow more "
        "(training.timeout_minutes) and run it again: it is taken up after its last finished epoch."
    )


def _last_words(task: str, model: ModelName, status: int, words: IO[bytes]) -> str:
    """How the child died, in one sentence; all that it wrote goes to the log."""
    words.seek(0)
    said = words.read().decode(errors="replace").strip()
    if said:
        logger.error("%s: the training process had written:\n%s", model, said)
    how = f"exit status {status}" if status >= 0 else f"signal {-status} ({signal.strsignal(-status)})"
    if status == -signal.SIGKILL:
        how += ", perhaps because memory ran out"
    last = f", its last line: {said.splitlines()[-1]}" if said else ""
    return f"{_IN_VAIN[task].format(model)}, its process with {how}{last}"
