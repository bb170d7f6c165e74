"""The training loop: Adam, early stopping with the best weights restored, halving on a plateau, stop on NaN."""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras

from storage.errors import TrainingError
from storage.matrices import Matrix
from storage.options import TrainingOptions
from storage.records import Epoch, ModelName
from tasks.features.batching import LengthBatches
from tasks.models import build_model
from tasks.training.acceleration import Products, accelerated, adam, batch_size
from tasks.training.checkpoints import Checkpoints
from tasks.training.progress import TrainingProgress


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model with its best weights, not compiled, and how it came to them.

    Attributes:
        best_epoch: The epoch whose weights it has, from 1.
        seconds: Wall time of the whole training.
        products: What matrix products were computed in.
    """

    model: keras.Model
    epochs: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    products: Products


def train_model(
    name: ModelName,
    train: Matrix,
    validation: Matrix,
    options: TrainingOptions,
    *,
    epochs: int,
    seed: int,
    num_words: int,
    progress: TrainingProgress,
    checkpoint: Path | None = None,
) -> TrainedModel:
    """Train one architecture from fresh weights, or on from the last finished epoch of a training that was cut off.

    The same arguments on the same machine give the same weights, taken up or not.

    Args:
        name: Of the architecture.
        train: Rows to train on.
        validation: Rows to watch.
        options: Of the loop.
        epochs: Most epochs.
        seed: Of weights, batches and dropout.
        num_words: Rows of the embedding.
        progress: Is told how it goes.
        checkpoint: Where the state is kept after each epoch, named after all that decides what training gives; None
            keeps nothing.

    Raises:
        TrainingError: The loss became NaN or infinite.
    """
    plain = seeded(build_model(name, num_words=num_words, num_features=train.features.shape[1]), seed)
    model, products = accelerated(plain, options.precision)
    model.compile(adam(options.learning_rate, options.clip_norm), "binary_crossentropy", metrics=["accuracy"])
    size = options.batch_size or batch_size(model, len(train.labels), int(train.sequences.lengths.max()))
    make = partial(LengthBatches, inputs=tuple(model.input.keys()), batch_size=size)
    batches = make(train.sequences, train.features, train.labels, epochs=epochs, seed=seed)
    held_out = make(validation.sequences, validation.features, validation.labels)
    plateau, stopping = _watchers(options)
    kept = Checkpoints(checkpoint, stopping, plateau)
    kept.take_up(model, batches)
    if kept.is_over(epochs):
        kept.restore_best(model)
    else:
        watchers = [_Recorder(progress, kept.epochs), _StopsOnNaN(), plateau, stopping, kept]
        progress.start(name, epochs, batches.batches_per_epoch, len(kept.epochs))
        try:
            _fit(model, batches, held_out, epochs, watchers)
        finally:
            # Keras does not say so when it is interrupted, and a bar would go on.
            progress.stop()
    _refuse_nan(name, kept.epochs)
    best = min(kept.epochs, key=lambda epoch: epoch.validation_loss)
    # Nobody trains on from here: with the optimizer's moments the saved model would be three times as large.
    bare = keras.Model.from_config(plain.get_config())
    bare.set_weights(model.get_weights())
    return TrainedModel(bare, tuple(kept.epochs), best.number, kept.seconds, products)


def _watchers(
    options: TrainingOptions,
) -> tuple[keras.callbacks.ReduceLROnPlateau, keras.callbacks.EarlyStopping]:
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.5, patience=options.plateau_patience, min_delta=0.0
    )
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=options.early_stopping_patience, restore_best_weights=True
    )
    return plateau, stopping


def _fit(
    model: keras.Model,
    batches: LengthBatches,
    validation: LengthBatches,
    epochs: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Train until the validation loss stops falling; the model is left with the weights of its best epoch."""
    model.fit(
        batches,
        validation_data=validation,
        initial_epoch=batches.first_epoch,
        epochs=epochs,
        steps_per_epoch=batches.batches_per_epoch,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


def seeded(model: keras.Model, seed: int) -> keras.Model:
    """A copy with fresh weights, in which every initializer and every dropout has a seed of its own, drawn from `seed`.

    Keras draws the seeds that are not given from Python's global random numbers. Other threads of the process use these
    too (Prefect's do), so that a global seed does not repeat.
    """
    keras.utils.set_random_seed(seed)
    return keras.Model.from_config(_with_seeds(model.get_config(), random.Random(seed)))


def _with_seeds(config: Any, source: random.Random) -> Any:
    if isinstance(config, dict):
        return {
            key: source.randint(1, 10**9) if key == "seed" and value is None else _with_seeds(value, source)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_with_seeds(value, source) for value in config)
    return config


def _refuse_nan(name: str, epochs: list[Epoch]) -> None:
    for epoch in epochs:
        if not (math.isfinite(epoch.loss) and math.isfinite(epoch.validation_loss)):
            raise TrainingError(
                f"training {name} stopped in epoch {epoch.number}: its loss is not finite (training {epoch.loss}, "
                f"validation {epoch.validation_loss}). Lower training.learning_rate, and look for broken features."
            )
    if not epochs:
        raise TrainingError(f"training {name} stopped before its first epoch was done.")


class _StopsOnNaN(keras.callbacks.TerminateOnNaN):  # type: ignore[misc]
    """Looks at a loss when it has come; the next batches are not kept waiting for it."""

    async_safe = True


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps every epoch's numbers, and tells the progress."""

    # Keras may call it from several threads, so that a GPU need not wait until a loss has come back.
    async_safe = True

    def __init__(self, progress: TrainingProgress, epochs: list[Epoch]) -> None:
        super().__init__()
        self._progress, self._epochs = progress, epochs
        self._telling, self._told = threading.Lock(), 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started, self._told = time.monotonic(), 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        with self._telling:
            if batch < self._told:
                return
            self._told = batch + 1
            self._progress.batch(len(self._epochs) + 1, self._told, float((logs or {})["loss"]))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {key: float(value) for key, value in (logs or {}).items()}
        # NaN stops the epoch before validation has run.
        values = {"val_loss": math.nan, "val_accuracy": math.nan, **values}
        self._epochs.append(
            Epoch(
                number=epoch + 1,
                loss=values["loss"],
                accuracy=values["accuracy"],
                validation_loss=values["val_loss"],
                validation_accuracy=values["val_accuracy"],
                learning_rate=float(self.model.optimizer.learning_rate),
                seconds=time.monotonic() - self._started,
            )
        )
        self._progress.epoch(epoch + 1, values)
