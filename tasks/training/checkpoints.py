"""Taking a training up again: after each epoch, all that decides how it goes on is written to one file.

That is the model's variables, with the states of the seeds that dropout draws from; the optimizer's; what the callbacks
count; and the epochs so far. Batches need not be kept, since each is a function of the seed and its number.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from storage.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from storage.errors import ContentError
from storage.records import Epoch
from tasks.features.batching import LengthBatches

logger = logging.getLogger(__name__)

_STOPPING = ("best", "wait", "best_epoch", "stopped_epoch")
_PLATEAU = ("best", "wait", "cooldown_counter")


class Checkpoints(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes up what an earlier training under the same key has left, and writes the state after each epoch.

    It must be the last callback: what the others say at the end of an epoch, that training is over too, belongs to the
    state after it.

    Attributes:
        epochs: Those of the earlier training; whoever records this one's adds them.
    """

    def __init__(
        self, path: Path | None, stopping: keras.callbacks.EarlyStopping, plateau: keras.callbacks.ReduceLROnPlateau
    ) -> None:
        """Name the file.

        Args:
            path: The file, named after the training's key; None keeps nothing.
            stopping: It keeps the best weights.
            plateau: It lowers the learning rate.
        """
        super().__init__()
        self._path, self._stopping, self._plateau = path, stopping, plateau
        self._found: Checkpoint | None = None
        self._seconds_before, self._started = 0.0, time.monotonic()
        self.epochs: list[Epoch] = []

    @property
    def seconds(self) -> float:
        """Wall time of the training so far, with that of the earlier one up to its last finished epoch."""
        return self._seconds_before + time.monotonic() - self._started

    def take_up(self, model: keras.Model, batches: LengthBatches) -> None:
        """Go on after the last finished epoch, if there is a whole state of it.

        Args:
            model: Compiled; it and its optimizer are given that state.
            batches: Of all epochs; those that were trained on are left out.
        """
        # As Keras does when it begins to train: without it, there are no moments to be given back.
        model.optimizer.build(model.trainable_variables)
        try:
            found = self._read(model, batches)
        except ContentError as error:
            logger.warning("%s: training starts afresh, since it cannot be taken up: %s", model.name, error)
            return
        if found is None:
            return
        for variable, value in zip(_variables(model), _numbered("variable", found.arrays), strict=True):
            variable.assign(value)
        self._found = found
        self.epochs += [Epoch(**epoch) for epoch in found.state["epochs"]]
        batches.begin_with(len(self.epochs))
        self._seconds_before = found.state["seconds"]
        logger.info("%s: taken up after epoch %d, where an earlier training was cut off", model.name, len(self.epochs))

    def is_over(self, epochs: int) -> bool:
        """Whether the earlier training had nothing left to do: it had stopped early, or had trained so many epochs."""
        if self._found is None:
            return False
        return len(self.epochs) == epochs or self._found.state["stopping"]["stopped_epoch"] > 0

    def restore_best(self, model: keras.Model) -> None:
        """Give the model the best weights of an earlier training that had nothing left to do."""
        if self._found is not None:
            model.set_weights(_numbered("best", self._found.arrays))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Give the other callbacks their state, which they have just set back."""
        if self._found is not None:
            vars(self._stopping).update(self._found.state["stopping"])
            vars(self._plateau).update(self._found.state["plateau"])
            self._stopping.best_weights = _numbered("best", self._found.arrays)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state. That it cannot be written costs nothing as long as nobody needs it."""
        # A training whose loss is not finite will be refused: there is nothing to take up.
        if self._path is None or not all(math.isfinite(one.loss + one.validation_loss) for one in self.epochs):
            return
        try:
            write_checkpoint(self._path, self._checkpoint(self._path))
        except OSError as error:
            logger.warning("%s: epoch %d cannot be taken up later: %s", self.model.name, epoch + 1, error)

    def _checkpoint(self, path: Path) -> Checkpoint:
        values = [keras.ops.convert_to_numpy(variable) for variable in _variables(self.model)]
        state = {
            "key": path.stem,
            "model": self.model.name,
            "seconds": self.seconds,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "stopping": {name: getattr(self._stopping, name) for name in _STOPPING},
            "plateau": {name: getattr(self._plateau, name) for name in _PLATEAU},
        }
        best = self._stopping.best_weights
        return Checkpoint(state, {**_named("variable", values), **_named("best", best)})

    def _read(self, model: keras.Model, batches: LengthBatches) -> Checkpoint | None:
        found = None if self._path is None else read_checkpoint(self._path)
        if self._path is not None and found is not None:
            if found.state.get("key") != self._path.stem:
                raise ContentError(f"{self._path} was written for another training.")
            if not _fits(found.arrays, model):
                raise ContentError(f"{self._path} holds another model's variables.")
            if not batches.can_begin_with(len(found.state["epochs"])):
                raise ContentError("the batches of its next epoch, unlike those of the first, are all of one width.")
        return found


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def _fits(arrays: Mapping[str, npt.NDArray[Any]], model: keras.Model) -> bool:
    """Whether a checkpoint's arrays are of this model's shapes and types, each and no more."""
    wanted = {**_named("variable", _variables(model)), **_named("best", model.weights)}
    return {name: (array.shape, str(array.dtype)) for name, array in arrays.items()} == {
        name: (tuple(variable.shape), variable.dtype) for name, variable in wanted.items()
    }


def _named(name: str, values: list[Any]) -> dict[str, Any]:
    return {f"{name}_{number}": value for number, value in enumerate(values)}


def _numbered(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.float32]]:
    found = {key: value for key, value in arrays.items() if key.startswith(f"{name}_")}
    return [found[f"{name}_{number}"] for number in range(len(found))]
