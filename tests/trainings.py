"""A training small enough for a test: reviews that can be learnt in no time, and a progress that remembers.

Nothing here imports Keras before it is used.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from storage.matrices import Matrix
from storage.options import TrainingOptions
from storage.records import ModelName
from storage.sequences import Sequences

if TYPE_CHECKING:
    from tasks.training.loop import TrainedModel

NUM_WORDS = 60
OPTIONS = TrainingOptions(batch_size=32, learning_rate=0.05)


@dataclass
class Recording:
    """A progress that remembers what it was told, may break, and may use the process's random numbers.

    Attributes:
        error: What it breaks with, at the first batch after epoch `after`.
        draws: Whether it uses random numbers.
    """

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    error: type[BaseException] | None = None
    after: int = 0
    draws: bool = False

    def start(self, model: str, epochs: int, batches: int, done: int = 0) -> None:
        self.calls.append(("start", model, epochs, batches, done))

    def batch(self, epoch: int, batch: int, loss: float) -> None:
        self.calls.append(("batch", epoch, batch, loss))
        if self.error is not None and epoch > self.after:
            raise self.error
        if self.draws:
            random.random()
            np.random.random()

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        self.calls.append(("epoch", epoch, logs))

    def stop(self) -> None:
        self.calls.append(("stop",))

    def told(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


def matrix(rows: int, seed: int) -> Matrix:
    """Reviews whose words are below 30 if they are negative and above if they are positive."""
    draw = np.random.default_rng(seed)
    labels = (np.arange(rows) % 2).astype(np.uint8)
    lengths = draw.integers(3, 13, rows)
    values = draw.integers(1, 30, lengths.sum()) + 30 * np.repeat(labels, lengths)
    ids = pa.array([f"train/{index}/x" for index in range(rows)])
    features = draw.normal(size=(rows, 6)).astype(np.float32)
    return Matrix(Sequences.from_lengths(values.astype(np.int32), lengths), ids, features, ids, labels, ids, "s", "e")


TRAIN, VALIDATION = matrix(300, 0), matrix(60, 1)
# What is learnt from train is wrong here: every epoch makes the validation loss worse.
CONTRARY = replace(VALIDATION, labels=1 - VALIDATION.labels)


def train(
    name: ModelName = "baseline_avgpool",
    *,
    data: Matrix = TRAIN,
    validation: Matrix = VALIDATION,
    options: TrainingOptions = OPTIONS,
    epochs: int = 3,
    seed: int = 7,
    progress: Recording | None = None,
    checkpoint: Path | None = None,
) -> TrainedModel:
    """Train it in this process."""
    from tasks.training.loop import train_model

    return train_model(
        name,
        data,
        validation,
        options,
        epochs=epochs,
        seed=seed,
        num_words=NUM_WORDS,
        progress=progress or Recording(),
        checkpoint=checkpoint,
    )


def weights(trained: TrainedModel) -> bytes:
    """All weights, to be compared to the last bit."""
    return b"".join(weight.tobytes() for weight in trained.model.get_weights())
