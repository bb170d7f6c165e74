"""A bidirectional LSTM by cuDNN for sequences of unequal length: Keras' weights, Keras' equations.

Keras leaves cuDNN with this backend as soon as there is a mask, and takes a loop of many small kernels. cuDNN itself
takes the lengths of right-padded sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax.experimental import rnn

# Float32 values that cuDNN keeps or works with for a column of a sequence, for each unit of both directions: a layer's
# 40 to come back with, and the 130 that it asks for meanwhile; as it allocated them for 1,024 sequences of 64 columns.
_KEPT, _MEANWHILE = 40, 130


def most_sequences(columns: int, units: Sequence[int]) -> int:
    """How many sequences of a batch the GPU's memory holds for sure, half of it left to all else.

    Args:
        columns: Of the longest sequence.
        units: Of each layer, one way.
    """
    memory = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 0)
    return int(memory // (2 * 4 * columns * (_KEPT * sum(units) + _MEANWHILE * max(units))))


class BidirectionalLSTM(keras.layers.Bidirectional):  # type: ignore[misc]
    """`Bidirectional(LSTM(…))` with concatenated outputs, for right-padded sequences and their mask.

    Where a sequence is masked, outputs are zero instead of repeated: whatever follows has to heed the mask.
    """

    def __init__(self, *args: Any, products: str = "float32", **kwargs: Any) -> None:
        """Wrap an LSTM.

        Args:
            args: Of `Bidirectional`.
            products: What the operands of matrix products are rounded to, `float32` or `tfloat32`.
            kwargs: Of `Bidirectional`.
        """
        super().__init__(*args, **kwargs)
        self._products = products

    def get_config(self) -> dict[str, Any]:
        """What makes this layer again."""
        return {**super().get_config(), "products": self._products}

    def call(
        self,
        sequences: jax.Array,
        initial_state: None = None,
        mask: jax.Array | None = None,
        training: bool | None = None,
    ) -> jax.Array:
        """Outputs, float32 `(batch, time, 2 * units)`, or the last of each direction, `(batch, 2 * units)`.

        Args:
            sequences: Float32 `(batch, time, channels)`.
            initial_state: Always zeros.
            mask: Bool `(batch, time)`, a run of True and then False; None where all is True.
            training: There is no dropout.
        """
        cells = [self.forward_layer.cell, self.backward_layer.cell]
        channels, units = cells[0].kernel.shape[0], cells[0].units
        zeros = jnp.zeros((2, len(sequences), units))
        lengths = jnp.sum(jnp.ones(sequences.shape[:2]) if mask is None else mask, 1, dtype=jnp.int32)
        outputs, last, _ = rnn.lstm(
            sequences.astype(jnp.float32),
            zeros,
            zeros,
            _flat(cells),
            # It refuses a length of zero.
            jnp.maximum(lengths, 1),
            input_size=channels,
            hidden_size=units,
            num_layers=1,
            dropout=0.0,
            bidirectional=True,
            precision="tensorfloat32" if self._products == "tfloat32" else "highest",
        )
        if self.return_sequences:
            return outputs
        return jnp.where(lengths[:, None] > 0, jnp.concatenate(list(last), 1), 0.0)


def _flat(cells: list[keras.layers.LSTMCell]) -> jax.Array:
    """The weights as cuDNN has them: both directions' matrices, transposed, then their biases; it has two of each."""
    matrices = [weights.value.T.ravel() for cell in cells for weights in (cell.kernel, cell.recurrent_kernel)]
    biases = [part for cell in cells for part in (cell.bias.value, jnp.zeros_like(cell.bias.value))]
    return jnp.concatenate([*matrices, *biases])
