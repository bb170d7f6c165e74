from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.usefixtures("keras_prepared")

BATCH, TIME, CHANNELS, UNITS = 5, 17, 6, 4
# A whole one, one of a single token, one that is all padding.
LENGTHS = np.array([17, 1, 9, 0, 16])
Floats = npt.NDArray[np.float32]


def layers(return_sequences: bool, products: str) -> tuple[Any, Any]:
    """Keras' layer and ours, of the same weights, none of which is zero."""
    import keras

    from tasks.training.tensorflow.bilstm import BidirectionalLSTM

    keras.utils.set_random_seed(3)
    made = [
        keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=return_sequences)),
        BidirectionalLSTM(keras.layers.LSTM(UNITS, return_sequences=return_sequences), products=products),
    ]
    for layer in made:
        layer.build((BATCH, TIME, CHANNELS))
    random = np.random.default_rng(5)
    weights = [random.normal(size=value.shape, scale=0.5).astype(np.float32) for value in made[0].get_weights()]
    for layer in made:
        layer.set_weights(weights)
    return made[0], made[1]


def outputs_and_gradients(layer: Any, return_sequences: bool) -> tuple[Floats, list[Floats]]:
    """What the layer gives for tokens, and the gradients of a loss that weighs every such output otherwise."""
    import tensorflow as tf

    random = np.random.default_rng(7)
    mask = np.arange(TIME) < LENGTHS[:, None]
    inputs = tf.constant(random.normal(size=(BATCH, TIME, CHANNELS)).astype(np.float32))
    shape = (BATCH, TIME, 2 * UNITS) if return_sequences else (BATCH, 2 * UNITS)
    weighed = random.normal(size=shape).astype(np.float32) * (mask[..., None] if return_sequences else 1)

    @tf.function  # type: ignore[untyped-decorator]
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, mask=tf.constant(mask))
            loss = tf.reduce_sum(outputs * weighed)
        return outputs, tape.gradient(loss, [inputs, *(variable.value for variable in layer.trainable_variables)])

    outputs, gradients = run()
    return outputs.numpy() * (weighed != 0), [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize("return_sequences", [True, False])
def test_outputs_and_gradients_are_those_of_keras(return_sequences: bool) -> None:
    keras_layer, ours = layers(return_sequences, "float32")
    outputs, gradients = outputs_and_gradients(keras_layer, return_sequences)
    our_outputs, our_gradients = outputs_and_gradients(ours, return_sequences)

    np.testing.assert_allclose(our_outputs, outputs, atol=1e-6)
    assert len(gradients) == len(our_gradients) == 7
    for gradient, our_gradient in zip(gradients, our_gradients, strict=True):
        assert np.abs(gradient).max() > 0.1
        np.testing.assert_allclose(our_gradient, gradient, atol=1e-5)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_bfloat16_products_differ_by_their_rounding_only(return_sequences: bool) -> None:
    keras_layer, ours = layers(return_sequences, "bfloat16")
    outputs, gradients = outputs_and_gradients(keras_layer, return_sequences)
    our_outputs, our_gradients = outputs_and_gradients(ours, return_sequences)

    assert our_outputs.dtype == np.float32
    assert 0 < np.abs(our_outputs - outputs).max() < 0.02
    for gradient, our_gradient in zip(gradients, our_gradients, strict=True):
        assert np.abs(our_gradient - gradient).max() < 0.02 * np.abs(gradient).max()


def test_a_review_of_padding_alone_leaves_the_state_at_zero() -> None:
    _, ours = layers(False, "float32")
    outputs, _ = outputs_and_gradients(ours, False)

    assert np.all(outputs[LENGTHS == 0] == 0)


def test_the_layer_can_be_made_again_from_its_configuration() -> None:
    _, ours = layers(False, "bfloat16")

    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    assert again.get_config()["products"] == "bfloat16"
