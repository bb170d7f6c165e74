"""Progress of a training: a live bar in a terminal, plain log lines where there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 20.0
_SECONDS_BETWEEN_REPORTS = 2.0


class TrainingProgress(Protocol):
    """What the training loop tells of itself. Losses in nats."""

    def start(self, model: str, epochs: int, batches: int, done: int = 0) -> None:
        """Training begins: at most so many epochs, so many batches in each; `done` epochs were trained before."""

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        """A batch is done, counted from 1; `loss` is the epoch's mean so far."""

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """An epoch is done, with Keras' names of the numbers."""

    def stop(self) -> None:
        """Training is over, well or not."""


def progress_for(console: Console) -> TrainingProgress:
    """A bar if the console is a terminal, else lines."""
    return BarProgress(console) if console.is_terminal else LineProgress()


class _Clock:
    """Time left until the last epoch that may be trained; early stopping can only shorten it."""

    def __init__(self, epochs: int, batches: int, done: int) -> None:
        self._total = (epochs - done) * batches
        self._batches, self._before = batches, done
        self._started = time.monotonic()

    def left(self, epoch: int, batch: int) -> float:
        done = (epoch - 1 - self._before) * self._batches + batch
        return (time.monotonic() - self._started) / done * (self._total - done)


class LineProgress:
    """A log line an epoch, and one every 20 seconds within long epochs."""

    def start(self, model: str, epochs: int, batches: int, done: int = 0) -> None:
        """Remember the sizes."""
        self._model, self._epochs, self._batches = model, epochs, batches
        self._clock = _Clock(epochs, batches, done)
        self._last_line = time.monotonic()

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        """Say something if nothing was said for a while."""
        if time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._say(epoch, batch, f"loss {loss:.4f}")

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Say how the epoch went."""
        self._say(epoch, self._batches, epoch_words(logs))

    def stop(self) -> None:
        """Nothing to clear away."""

    def _say(self, epoch: int, batch: int, words: str) -> None:
        self._last_line = time.monotonic()
        logger.info(
            "%s: epoch %d of at most %d, batch %d of %d, %s, at most %s left",
            *(self._model, epoch, self._epochs, batch, self._batches),
            *(words, duration_words(self._clock.left(epoch, batch))),
        )


class BarProgress:
    """A bar for the current epoch, and a line above it for each finished one."""

    def __init__(self, console: Console) -> None:
        """Draw on this console."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("batch {task.completed:.0f}/{task.total:.0f}  {task.fields[words]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def start(self, model: str, epochs: int, batches: int, done: int = 0) -> None:
        """Draw an empty bar."""
        self._model, self._epochs, self._batches = model, epochs, batches
        self._clock = _Clock(epochs, batches, done)
        self._task = self._progress.add_task(self._title(done + 1), total=batches, words="")
        self._progress.start()

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        """Move the bar."""
        left = duration_words(self._clock.left(epoch, batch))
        self._update(description=self._title(epoch), completed=batch, words=f"loss {loss:.4f}  at most {left} left")

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Leave a line above the bar."""
        self._progress.console.print(f"  {self._title(epoch)}: {epoch_words(logs)}", highlight=False)

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def _title(self, epoch: int) -> str:
        return f"{self._model} epoch {epoch}/{self._epochs}"

    def _update(self, **values: Any) -> None:
        if self._task is not None:
            self._progress.update(self._task, **values)


class ReportingProgress:
    """Another progress, and beside it a report, every two seconds at most, to whoever shows it elsewhere."""

    def __init__(self, shown: TrainingProgress, report: Callable[[float, str], None]) -> None:
        """Tell `shown` everything, and `report` the share done, in percent, and the rest in words."""
        self._shown, self._report = shown, report

    def start(self, model: str, epochs: int, batches: int, done: int = 0) -> None:
        """Report where training begins."""
        self._shown.start(model, epochs, batches, done)
        self._epochs, self._batches = epochs, batches
        self._clock = _Clock(epochs, batches, done)
        self._last_report = time.monotonic()
        self._report(100 * done / epochs, f"epoch {done + 1} of at most {epochs}")

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        """Report it, unless something was just reported."""
        self._shown.batch(epoch, batch, loss)
        if time.monotonic() - self._last_report >= _SECONDS_BETWEEN_REPORTS:
            self._last_report = time.monotonic()
            left = duration_words(self._clock.left(epoch, batch))
            share = (epoch - 1 + batch / self._batches) / self._epochs
            self._report(100 * share, f"epoch {epoch} of at most {self._epochs}, loss {loss:.4f}, at most {left} left")

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Its last batch has said it."""
        self._shown.epoch(epoch, logs)

    def stop(self) -> None:
        """Leave the last report as it is: whoever waits for the model knows how training ended."""
        self._shown.stop()


def epoch_words(logs: dict[str, float]) -> str:
    """A finished epoch in words."""
    return (
        f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}, "
        f"validation loss {logs['val_loss']:.4f}, validation accuracy {logs['val_accuracy']:.4f}"
    )


def duration_words(seconds: float) -> str:
    """A duration for a person: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
