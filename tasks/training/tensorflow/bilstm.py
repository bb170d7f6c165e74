"""A bidirectional LSTM that trains faster on a processor: Keras' weights, Keras' equations, another order of work.

All tokens' products with the input kernel, and all weights' gradients, are one product each, outside the loop over
time, and what a step must remember is kept without copies. TensorFlow's own gradient of Keras' loop does neither.

Products can take bfloat16 operands, which some processors multiply twice as fast, and add them up in float32; gates,
states, gradients of states and weights stay float32. Keras' own mixed precision rounds these too.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class BidirectionalLSTM(keras.layers.Bidirectional):  # type: ignore[misc]
    """`Bidirectional(LSTM(…))` with concatenated outputs, for right-padded sequences and their mask.

    Where a sequence is masked, outputs are arbitrary instead of repeated: whatever follows has to heed the mask.
    """

    def __init__(self, *args: Any, products: str = "float32", **kwargs: Any) -> None:
        """Wrap an LSTM.

        Args:
            args: Of `Bidirectional`.
            products: Dtype of the operands of matrix products, `float32` or `bfloat16`.
            kwargs: Of `Bidirectional`.
        """
        super().__init__(*args, **kwargs)
        self._products = tf.as_dtype(products)

    def get_config(self) -> dict[str, Any]:
        """What makes this layer again."""
        return {**super().get_config(), "products": self._products.name}

    def call(
        self, sequences: tf.Tensor, initial_state: None = None, mask: tf.Tensor = None, training: bool | None = None
    ) -> tf.Tensor:
        """Outputs, float32 `(batch, time, 2 * units)`, or the last of each direction, `(batch, 2 * units)`.

        Args:
            sequences: Float32 `(batch, time, channels)`.
            initial_state: Always zeros.
            mask: Bool `(batch, time)`, a run of True and then False.
            training: There is no dropout.
        """
        inputs = tf.transpose(tf.cast(sequences, self._products), (1, 0, 2))
        present = tf.transpose(mask)[..., None]
        forward, backward = (
            self._direction(inputs, present, layer.cell, backwards)
            for layer, backwards in ((self.forward_layer, False), (self.backward_layer, True))
        )
        if self.return_sequences:
            return tf.transpose(tf.concat([forward, backward], -1), (1, 0, 2))
        last = tf.maximum(tf.reduce_sum(tf.cast(mask, tf.int32), 1) - 1, 0)
        ends = tf.gather_nd(forward, tf.stack([last, tf.range(tf.shape(last)[0])], 1))
        return tf.concat([ends, backward[0]], -1)

    def _direction(self, inputs: tf.Tensor, present: tf.Tensor, cell: keras.layers.LSTMCell, backwards: bool) -> Any:
        kernel, recurrent = (tf.cast(of.value, self._products) for of in (cell.kernel, cell.recurrent_kernel))
        projected = tf.matmul(tf.reshape(inputs, (-1, inputs.shape[2])), kernel)
        projected = tf.reshape(projected, tf.concat([tf.shape(inputs)[:2], [4 * cell.units]], 0))
        return _recurrence(projected, recurrent, cell.bias.value, tf.cast(present, tf.float32), backwards)


def _recurrence(
    projected: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, present: tf.Tensor, backwards: bool
) -> tf.Tensor:
    """The loop over time, with its own gradient.

    A masked step's input gate is closed, so that going backwards, which begins in the padding, state stays zero there.

    Args:
        projected: Inputs times the input kernel, `(time, batch, 4 * units)`.
        kernel: `(units, 4 * units)`, of the same dtype.
        bias: Float32 `(4 * units,)`.
        present: 1 for a token and 0 for padding, float32 `(time, batch, 1)`.
        backwards: Whether the last step comes first; outputs stand where their inputs do.

    Returns:
        The outputs h, float32 `(time, batch, units)`.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(projected: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Any]:
        time = tf.shape(projected)[0]
        times = tf.range(time - 1, -1, -1) if backwards else tf.range(time)
        hs, kept = _forth(projected, kernel, bias, present, times)
        return hs, lambda of_hs: _back(of_hs, kernel, kept, times)

    return run(projected, kernel, bias)


def _forth(
    projected: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, present: tf.Tensor, times: tf.Tensor
) -> tuple[tf.Tensor, tuple[tf.TensorArray, ...]]:
    """Outputs, and what their gradient needs of each step: h and c before it, and gates with tanh c."""
    dtype, units, steps = projected.dtype, kernel.shape[0], tf.size(times)
    zeros = tf.zeros((tf.shape(projected)[1], units))

    def step(number: Any, h: Any, c: Any, hs: Any, h_before: Any, c_before: Any, gates: Any) -> tuple[Any, ...]:
        at = times[number]
        h_before, c_before = h_before.write(at, h), c_before.write(number, c)
        products = projected[at], tf.matmul(h, kernel)
        i, f, g, o = tf.split(sum((tf.cast(product, tf.float32) for product in products), bias), 4, 1)
        i, f, g, o = tf.sigmoid(i) * present[at], tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * c + i * g
        squashed = tf.tanh(c)
        h = o * squashed
        gates = gates.write(number, tf.concat([i, f, g, o, squashed], 1))
        return number + 1, tf.cast(h, dtype), c, hs.write(at, h), h_before, c_before, gates

    arrays = _array(steps, units), _array(steps, units, dtype), _array(steps, units), _array(steps, 5 * units)
    start = (0, tf.cast(zeros, dtype), zeros, *arrays)
    *_, hs, h_before, c_before, gates = _loop(lambda number, *_: number < steps, step, start)
    return hs.stack(), (h_before, c_before, gates)


def _back(
    of_hs: tf.Tensor, kernel: tf.Tensor, kept: tuple[tf.TensorArray, ...], times: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients of what is projected, of the kernel and of the bias, from that of the outputs."""
    h_before, c_before, gates = kept
    dtype, units, steps = kernel.dtype, kernel.shape[0], tf.size(times)
    zeros = tf.zeros((tf.shape(of_hs)[1], units))

    def step(number: Any, of_h: Any, of_c: Any, of_bias: Any, of_zs: Any) -> tuple[Any, ...]:
        at = times[number]
        i, f, g, o, squashed = tf.split(gates.read(number), 5, 1)
        of_h = tf.cast(of_h, tf.float32) + of_hs[at]
        of_c = of_c + of_h * o * (1.0 - squashed * squashed)
        of_gates = [
            of_c * g * i * (1.0 - i),
            of_c * c_before.read(number) * f * (1.0 - f),
            of_c * i * (1.0 - g * g),
            of_h * squashed * o * (1.0 - o),
        ]
        of_z = tf.concat(of_gates, 1)
        rounded = tf.cast(of_z, dtype)
        of_bias = of_bias + tf.reduce_sum(of_z, 0)
        return number - 1, tf.matmul(rounded, kernel, transpose_b=True), of_c * f, of_bias, of_zs.write(at, rounded)

    start = (steps - 1, tf.cast(zeros, dtype), zeros, tf.zeros(4 * units), _array(steps, 4 * units, dtype))
    *_, of_bias, of_zs = _loop(lambda number, *_: number >= 0, step, start)
    of_projected = of_zs.stack()
    operands = [tf.reshape(values, (-1, values.shape[2])) for values in (h_before.stack(), of_projected)]
    return of_projected, tf.matmul(*operands, transpose_a=True), of_bias


def _loop(goes_on: Any, step: Any, start: tuple[Any, ...]) -> tuple[Any, ...]:
    """A loop whose steps follow each other anyway: TensorFlow would otherwise watch ten at once, for nothing."""
    ended: tuple[Any, ...] = tf.while_loop(goes_on, step, start, parallel_iterations=1)
    return ended


def _array(steps: tf.Tensor, width: int, dtype: tf.DType = tf.float32) -> tf.TensorArray:
    """What a loop writes, `(batch, width)` a step, and another loop may read more than once."""
    return tf.TensorArray(dtype, steps, element_shape=(None, width), clear_after_read=False)
