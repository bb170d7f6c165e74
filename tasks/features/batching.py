"""Batches of reviews of similar length, each padded on the right only to its own longest.

The tokens that a model is fed are the same as in full padding, since every layer masks or ignores index 0. On IMDB's
training rows, batches of 256 have 225 columns a review on average, instead of 467.

Batch normalisation sees batches of one length. Replacing its moving statistics by those of all training rows moved the
advanced model's test accuracy on IMDB by 0.001 after two epochs and by 0.0014 after three, so it is left alone.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from storage.sequences import Sequences

Inputs = dict[str, npt.NDArray[np.int32] | npt.NDArray[np.float32]]

# Lengths are blurred by this share when batches are drawn, so that the same rows do not always meet.
_BLUR = 0.05
# JAX compiles anew for every width, the other backends do not.
_WIDTH_MULTIPLE = {"jax": 64}


class LengthBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """A split as batches `({"seq": int32 (batch, time), "feat": float32 (batch, features)}, label (batch, 1))`.

    The batches of all epochs stand one after the other, and each is a function of the seed and its number alone: Keras
    reads ahead into the next epoch from another thread, so nothing may change when an epoch ends. With a seed, each
    epoch has rows put together anew and batches in another order; without one, rows are sorted by length.
    """

    def __init__(
        self,
        sequences: Sequences,
        features: npt.NDArray[np.float32],
        labels: npt.NDArray[np.uint8] | None = None,
        *,
        inputs: tuple[str, ...],
        batch_size: int,
        epochs: int = 1,
        seed: int | None = None,
    ) -> None:
        """Take the rows of a split.

        Args:
            sequences: Encoded and truncated reviews.
            features: Standardised, `(rows, features)`.
            labels: `(rows,)`, or None for prediction.
            inputs: Names of the model's inputs, of `seq` and `feat`.
            batch_size: Rows per batch; the last group of an epoch may have fewer.
            epochs: How many epochs there are batches for.
            seed: Of composition and order; None for prediction and validation.
        """
        super().__init__()
        self._sequences, self._features, self._labels = sequences, features, labels
        self._inputs, self._batch_size, self._epochs, self._seed = inputs, batch_size, epochs, seed
        self.first_epoch = 0
        self._multiple = _WIDTH_MULTIPLE.get(keras.config.backend(), 1)
        self.batches_per_epoch = -(-len(sequences) // batch_size)
        self._drawn: tuple[int, list[npt.NDArray[np.int64]]] = (-1, [])
        widths = {self._width(batch) for batch in self.rows_of_epoch(0)}
        # Keras takes the shapes of the first two batches for those of all: if they agree, all must, in every epoch.
        self._fixed_width = widths.pop() if len(widths) == 1 else 0

    def __len__(self) -> int:
        """Number of batches, of all epochs together."""
        return self.batches_per_epoch * (self._epochs - self.first_epoch)

    def __getitem__(self, index: int) -> tuple[Inputs] | tuple[Inputs, npt.NDArray[np.float32]]:
        """One batch: inputs, and labels where there are any."""
        epoch, position = divmod(index, self.batches_per_epoch)
        rows = self.rows_of_epoch(self.first_epoch + epoch)[position]
        inputs: Inputs = {}
        if "seq" in self._inputs:
            inputs["seq"] = self._sequences.take(rows).padded(self._fixed_width or self._width(rows))
        if "feat" in self._inputs:
            inputs["feat"] = self._features[rows]
        if self._labels is None:
            return (inputs,)
        return inputs, self._labels[rows, None].astype(np.float32)

    def can_begin_with(self, epoch: int) -> bool:
        """Whether Keras learns from this epoch, counted from 0, what it learns from the first: if the width varies."""
        first = self.rows_of_epoch(epoch)
        return self._fixed_width > 0 or self._width(first[0]) != self._width(first[1])

    def begin_with(self, epoch: int) -> None:
        """Leave out the epochs before this one, counted from 0; not while somebody reads."""
        self.first_epoch = epoch

    def rows_of_epoch(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Row numbers of each batch of an epoch, from 0."""
        drawn, batches = self._drawn
        if drawn != epoch:
            batches = self._draw(epoch)
            self._drawn = (epoch, batches)
        return batches

    def _draw(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        lengths = self._sequences.lengths.astype(np.float64)
        random = None if self._seed is None else np.random.default_rng((self._seed, epoch))
        if random is not None:
            lengths *= 1 + _BLUR * random.random(len(lengths))
        order = np.argsort(lengths, kind="stable")
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        if random is not None:
            batches = [batches[number] for number in random.permutation(len(batches))]
        return self._two_widths_first(batches)

    def _two_widths_first(self, batches: list[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.int64]]:
        """From the first two batches Keras learns that the width varies: see to it that theirs differ if any do."""
        first = self._width(batches[0])
        for number in range(1, len(batches)):
            if self._width(batches[number]) != first:
                batches[1], batches[number] = batches[number], batches[1]
                break
        return batches

    def _width(self, rows: npt.NDArray[np.int64]) -> int:
        longest = int(self._sequences.lengths[rows].max())
        return -(-longest // self._multiple) * self._multiple


def predict(
    model: keras.Model, sequences: Sequences, features: npt.NDArray[np.float32], batch_size: int = 256
) -> npt.NDArray[np.float32]:
    """Probabilities of label 1, float32 `(rows,)`, in the order of the rows."""
    if len(sequences) == 0:
        return np.zeros(0, dtype=np.float32)
    batches = LengthBatches(sequences, features, inputs=tuple(model.input.keys()), batch_size=batch_size)
    probabilities = np.empty(len(sequences), dtype=np.float32)
    # Keras' `predict` hands each batch from thread to thread, which can take as long as a small model itself.
    for number, rows in enumerate(batches.rows_of_epoch(0)):
        probabilities[rows] = model.predict_on_batch(batches[number][0])[:, 0]
    return probabilities


def without_sigmoid(model: keras.Model) -> keras.Model:
    """A copy that gives logits: the same layers and weights, the last one, `Dense(1, sigmoid)`, made linear.

    A probability near 1 hides differences: in float32, the logits 17 and 30 are both 1.
    """
    last = model.layers[-1]
    linear = keras.layers.Dense(1, name="logit")
    logit = linear(last.input)
    linear.set_weights(last.get_weights())
    return keras.Model(model.input, logit)


def logits(
    model: keras.Model, sequences: Sequences, features: npt.NDArray[np.float32], width: int
) -> npt.NDArray[np.float32]:
    """Logits of one batch, float32 `(rows,)`, its reviews padded to `width` columns.

    Args:
        model: What `without_sigmoid` made, kept for all calls: compiled once, a recurrent model is 30 times as fast as
            step by step.
        sequences: Encoded and truncated reviews, none longer than `width`.
        features: Standardised, `(rows, features)`.
        width: Columns, in tokens.
    """
    given: Inputs = {"seq": sequences.padded(width), "feat": features}
    answers: npt.NDArray[np.float32] = model.predict_on_batch({name: given[name] for name in model.input})[:, 0]
    return answers
