from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.trainings import TRAIN

pytestmark = pytest.mark.usefixtures("keras_prepared")


def trained(optimizer: Any) -> list[Any]:
    """Weights after a few steps of a model whose embedding meets words more than once in a batch, and some never."""
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(3)
    model = build_model("baseline_avgpool", num_words=1000, num_features=6)
    model.compile(optimizer, "binary_crossentropy")
    data = TRAIN
    sequences = data.sequences.padded(int(data.sequences.lengths.max()))
    for _ in range(5):
        model.train_on_batch({"seq": sequences}, data.labels[:, None].astype(np.float32))
    return [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]


def summed(clip_norm: float | None) -> Any:
    """Keras' Adam, given each word's gradient instead of each token's."""
    import keras
    import tensorflow as tf

    class Summed(keras.optimizers.Adam):  # type: ignore[misc]
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            super().apply([tf.convert_to_tensor(gradient) for gradient in grads], trainable_variables)

    return Summed(0.05, global_clipnorm=clip_norm)


@pytest.mark.parametrize("clip_norm", [0.01, 100.0, None])
def test_steps_are_those_of_keras_to_rounding(clip_norm: float | None) -> None:
    from tasks.training.tensorflow.adam import Adam

    expected = trained(summed(clip_norm))
    found = trained(Adam(0.05, global_clipnorm=clip_norm))

    assert len(found) == len(expected)
    for ours, of_keras in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, of_keras, atol=2e-4)


def test_clipping_that_has_nothing_to_clip_changes_nothing() -> None:
    import keras

    from tasks.training.tensorflow.adam import Adam

    expected = trained(keras.optimizers.Adam(0.05, global_clipnorm=100.0))
    for ours, of_keras in zip(trained(Adam(0.05, global_clipnorm=100.0)), expected, strict=True):
        np.testing.assert_allclose(ours, of_keras, atol=2e-4)
