"""The same model made to be trained fast where it is trained: the layers, the products and the optimizer.

The weights are the plain model's, in its order, and go back into it after training.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras

from storage.options import Precision
from tasks.training.runtime import accelerators

Products = Literal["float32", "bfloat16"]

# What the processors that multiply bfloat16 natively say of themselves.
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def accelerated(model: keras.Model, precision: Precision) -> tuple[keras.Model, Products]:
    """A model with the same weights that is to be trained, and what its products are computed in.

    With TensorFlow on a processor its bidirectional LSTMs are our own, since Keras' are the slowest part there; on a
    GPU they are cuDNN's. Elsewhere bfloat16 is Keras' mixed precision.

    Args:
        model: Freshly made.
        precision: `auto` takes bfloat16 for our own layers, on a processor that multiplies it natively. Elsewhere it is
            not taken unless it is asked for: nobody has measured there whether it pays.
    """
    is_ours = keras.config.backend() == "tensorflow" and not accelerators()
    products: Products = "bfloat16" if is_ours and multiplies_bfloat16() else "float32"
    if precision != "auto":
        products = precision
    own: dict[str, Any] = {}
    if is_ours:
        config = _changed(model.get_config(), partial(_own_lstm, products))
        if config == model.get_config():
            return model, "float32"
        from tasks.training.tensorflow.bilstm import BidirectionalLSTM

        own = {BidirectionalLSTM.__name__: BidirectionalLSTM}
    elif products == "bfloat16":
        config = _mixed(model.get_config())
    else:
        return model, products
    fast = keras.Model.from_config(config, custom_objects=own)
    fast.set_weights(model.get_weights())
    return fast, products


def adam(learning_rate: float, clip_norm: float) -> keras.optimizers.Adam:
    """Adam, by TensorFlow's own kernel where that is the backend."""
    if keras.config.backend() != "tensorflow":
        return keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm)
    from tasks.training.tensorflow.adam import Adam

    return Adam(learning_rate, global_clipnorm=clip_norm)


def multiplies_bfloat16(description: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has instructions for products of bfloat16; False where it does not say."""
    try:
        lines = description.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(_BFLOAT16 & set(line.split()) for line in lines if line.startswith("flags"))


def _own_lstm(products: Products, config: dict[str, Any]) -> dict[str, Any]:
    if config.get("class_name") != "Bidirectional":
        return config
    name = "BidirectionalLSTM"
    return {
        **config,
        "class_name": name,
        "registered_name": name,
        "module": None,
        "config": {**config["config"], "products": products},
    }


def _mixed(config: dict[str, Any]) -> dict[str, Any]:
    """Mixed precision in all layers but the last: a probability needs more digits than bfloat16 has."""
    *layers, last = config["layers"]
    return {**config, "layers": [*(_changed(layer, _mixed_policy) for layer in layers), last]}


def _mixed_policy(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "config": {"name": "mixed_bfloat16"}} if config.get("class_name") == "DTypePolicy" else config


def _changed(config: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A configuration in which each part is changed, from the outside in."""
    if isinstance(config, dict):
        return {key: _changed(value, change) for key, value in change(config).items()}
    if isinstance(config, list | tuple):
        return type(config)(_changed(value, change) for value in config)
    return config
