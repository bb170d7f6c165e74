"""What a test wants to know of JAX, in a process of its own: Keras has one backend in each. It answers in JSON.

    KERAS_BACKEND=jax python -m tests.tasks.training.jax.on_jax

cuDNN's LSTM is compared where there is a GPU. Elsewhere JAX's own reference of it takes its place, which is given the
same weights in the same order, and the same lengths.
"""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import keras
import numpy as np
import numpy.typing as npt
from jax.experimental import rnn

from tasks.training import acceleration
from tasks.training.jax import bilstm
from tests.trainings import TRAIN, Recording, train

BATCH, TIME, CHANNELS, UNITS = 5, 17, 6, 4
# A whole one, one of a single token, one that is all padding.
LENGTHS = np.array([17, 1, 9, 0, 16])
Floats = npt.NDArray[np.float32]


class Reference:
    """Stands for the module whose LSTM only a GPU has."""

    @staticmethod
    def lstm(
        x: Any, h: Any, c: Any, weights: Any, lengths: Any, *, precision: Any, dropout: float, **sizes: Any
    ) -> tuple[Any, Any, Any]:
        layers = {name: value for name, value in sizes.items() if name != "bidirectional"}
        both = sizes["bidirectional"]
        unpacked = rnn.unpack_lstm_weights(weights, **layers, bidirectional=both)
        outputs: tuple[Any, Any, Any] = rnn.lstm_ref(x, h, c, *unpacked, lengths, *layers.values(), dropout, both)
        return outputs


def outputs_and_gradients(layer: Any, mask: Any) -> tuple[Floats, list[Floats]]:
    """What the layer gives for tokens, and the gradients of a loss that weighs every such output otherwise."""
    random = np.random.default_rng(7)
    inputs = jnp.asarray(random.normal(size=(BATCH, TIME, CHANNELS)), dtype=jnp.float32)
    of_tokens = mask[..., None] if layer.return_sequences else 1
    shape = (BATCH, TIME, 2 * UNITS) if layer.return_sequences else (BATCH, 2 * UNITS)
    weighed = random.normal(size=shape).astype(np.float32) * of_tokens
    fixed = [variable.value for variable in layer.non_trainable_variables]

    def loss(inputs: Any, trainable: Any) -> tuple[Any, Any]:
        outputs, _ = layer.stateless_call(trainable, fixed, inputs, mask=jnp.asarray(mask))
        return jnp.sum(outputs * weighed), outputs

    trainable = [variable.value for variable in layer.trainable_variables]
    (_, outputs), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(inputs, trainable)
    return np.asarray(outputs) * of_tokens, [np.asarray(gradient) for gradient in (gradients[0], *gradients[1])]


def differences(return_sequences: bool) -> dict[str, Any]:
    """How far ours is from Keras' layer of the same weights, none of which is zero."""
    made = [
        kind(keras.layers.LSTM(UNITS, return_sequences=return_sequences))
        for kind in (keras.layers.Bidirectional, bilstm.BidirectionalLSTM)
    ]
    random = np.random.default_rng(5)
    for layer in made:
        layer.build((BATCH, TIME, CHANNELS))
    weights = [random.normal(size=value.shape, scale=0.5).astype(np.float32) for value in made[0].get_weights()]
    for layer in made:
        layer.set_weights(weights)
    mask = np.arange(TIME) < LENGTHS[:, None]
    (outputs, gradients), (our_outputs, our_gradients) = (outputs_and_gradients(layer, mask) for layer in made)
    pairs = list(zip(our_gradients, gradients, strict=True))
    return {
        "outputs": float(np.abs(our_outputs - outputs).max()),
        "gradients": [float(np.abs(ours - theirs).max()) for ours, theirs in pairs],
        "smallest": min(float(np.abs(theirs).max()) for _, theirs in pairs),
    }


def training() -> dict[str, Any]:
    """How the loop goes with this backend, with our LSTMs."""
    progress = Recording()
    trained = train("advanced_bilstm_features", epochs=2, progress=progress)
    told = [batch for epoch, batch, _ in progress.told("batch") if epoch == 1]
    return {
        "losses": [epoch.loss for epoch in trained.epochs],
        "are_finite": all(math.isfinite(loss) for _, _, loss in progress.told("batch")),
        "batches": told,
        "of": -(-len(TRAIN.labels) // 32),
        "layers": [type(layer).__name__ for layer in trained.model.layers],
        "products": trained.products,
    }


def main() -> None:
    """Look, and say it."""
    with ExitStack() as stack, jax.default_matmul_precision("highest"):
        if jax.default_backend() != "gpu":
            stack.enter_context(patch.object(bilstm, "rnn", Reference))
            stack.enter_context(patch.object(acceleration, "_OWN", {("jax", "cpu")}))
        found = {"true": differences(True), "false": differences(False), "training": training()}
    print(json.dumps({"device": jax.default_backend(), **found}))


if __name__ == "__main__":
    main()
