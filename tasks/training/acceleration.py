"""The same model made to be trained fast where it is trained: the layers, the products and the optimizer.

The weights are the plain model's, in its order, and go back into it after training.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Set
from functools import partial
from typing import Any, Literal

import keras

from storage.options import Precision
from tasks.training.runtime import accelerators

Products = Literal["float32", "tfloat32", "bfloat16"]

# Where Keras' bidirectional LSTM is slow and `tasks.training.BACKEND` has one of our own.
_OWN_LAYER = "BidirectionalLSTM"
_OWN = {("tensorflow", "cpu"), ("jax", "gpu")}

# A GPU takes as long for 256 sequences, a word after the other, as for four times as many; but a training needs steps.
_BATCH_SIZE, _GROWN, _FEWEST_STEPS = 256, (1024, 512), 20


def accelerated(model: keras.Model, precision: Precision) -> tuple[keras.Model, Products]:
    """A model with the same weights that is to be trained, and what its products are computed in.

    Its bidirectional LSTMs are our own where Keras' are the slowest part: with TensorFlow on a processor, and with JAX
    on a GPU, where Keras leaves cuDNN because of the mask. With TensorFlow it does not.

    Args:
        model: Freshly made.
        precision: `auto` is float32 on a processor and tfloat32 for our own layers on a GPU. But for those on a
            processor, bfloat16 is Keras' mixed precision.
    """
    backend, device = keras.config.backend(), device_kind()
    is_ours = (backend, device) in _OWN
    products = _products(precision, device) if is_ours or precision != "auto" else "float32"
    plain = config = model.get_config()
    if products == "bfloat16" and (backend, device) != ("tensorflow", "cpu"):
        config = _mixed(config, but={"Bidirectional"} if is_ours else set())
    own: dict[str, Any] = {}
    if is_ours:
        layer = importlib.import_module(f"tasks.training.{backend}.bilstm").BidirectionalLSTM
        own = {_OWN_LAYER: layer}
        config = _changed(config, partial(_own_lstm, products))
    if config == plain:
        return model, "float32"
    fast = keras.Model.from_config(config, custom_objects=own)
    fast.set_weights(model.get_weights())
    return fast, products


def batch_size(model: keras.Model, num_rows: int, columns: int) -> int:
    """Reviews per batch where nobody says how many: 256, and more where these leave our own layers on a GPU idle.

    Args:
        model: What `accelerated` gave.
        num_rows: Of an epoch, which is to keep enough steps.
        columns: Of the longest review, which the GPU's memory is to hold.
    """
    units = [layer.forward_layer.units for layer in model.layers if type(layer).__name__ == _OWN_LAYER]
    if not units or device_kind() != "gpu":
        return _BATCH_SIZE
    from tasks.training.jax.bilstm import most_sequences

    largest = min(num_rows // _FEWEST_STEPS, most_sequences(columns, units))
    return next((size for size in _GROWN if size <= largest), _BATCH_SIZE)


def device_kind() -> str:
    """Where Keras computes: `cpu`, `gpu` or what else its backend names."""
    found = accelerators()
    return found[0].partition(":")[0] if found else "cpu"


def _products(precision: Precision, device: str) -> Products:
    if precision != "auto":
        return precision
    return "float32" if device == "cpu" else "tfloat32"


def adam(learning_rate: float, clip_norm: float) -> keras.optimizers.Adam:
    """Adam, by TensorFlow's own kernel where that is the backend."""
    if keras.config.backend() != "tensorflow":
        return keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm)
    from tasks.training.tensorflow.adam import Adam

    return Adam(learning_rate, global_clipnorm=clip_norm)


def _own_lstm(products: Products, config: dict[str, Any]) -> dict[str, Any]:
    if config.get("class_name") != "Bidirectional":
        return config
    return {
        **config,
        "class_name": _OWN_LAYER,
        "registered_name": _OWN_LAYER,
        "module": None,
        "config": {**config["config"], "products": products},
    }


def _mixed(config: dict[str, Any], but: Set[str]) -> dict[str, Any]:
    """Mixed precision in all layers but some kinds and the last: a probability needs more digits than bfloat16 has."""
    *layers, last = config["layers"]
    mixed = [layer if layer["class_name"] in but else _changed(layer, _mixed_policy) for layer in layers]
    return {**config, "layers": [*mixed, last]}


def _mixed_policy(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "config": {"name": "mixed_bfloat16"}} if config.get("class_name") == "DTypePolicy" else config


def _changed(config: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A configuration in which each part is changed, from the outside in."""
    if isinstance(config, dict):
        return {key: _changed(value, change) for key, value in change(config).items()}
    if isinstance(config, list | tuple):
        return type(config)(_changed(value, change) for value in config)
    return config
