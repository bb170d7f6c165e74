"""Keras' Adam, whose step is one pass over each weight instead of a dozen.

Most weights are rows of the embedding, which a batch touches few of; all of them move, though, as their moments do. So
the passes are what a step costs: Keras computes the moments and the step operation by operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras' Adam on gradients that are added up, by TensorFlow's own kernel; without AMSGrad.

    The gradient of an embedding comes as a row for each token. With this backend Keras takes the norm of these, and
    without clipping their squares too, before it adds up the rows of a word; here a word has one gradient, as with
    other backends.
    """

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Do a step."""
        super().apply([tf.convert_to_tensor(gradient) for gradient in grads], trainable_variables)

    def _clip_gradients(self, grads: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """Clip as Keras does, but leave alone what is short enough: each copy is of the embedding's size."""
        clipped: Sequence[tf.Tensor]
        if not self.global_clipnorm:
            clipped = super()._clip_gradients(grads)
            return clipped
        norm = tf.linalg.global_norm(grads)
        clipped = tf.cond(
            norm <= self.global_clipnorm,
            lambda: list(grads),
            # A norm that is no number comes here, and makes gradients of no number, too.
            lambda: tf.clip_by_global_norm(grads, self.global_clipnorm, use_norm=norm)[0],
        )
        return clipped

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Move one variable and its two moments."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1), step),
            beta2_power=tf.pow(tf.constant(self.beta_2), step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
