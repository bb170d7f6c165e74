"""Keras architectures, one `build_*` function a file, and nothing else.

Functional API only and nothing of one backend, so that they run on TensorFlow, JAX and PyTorch. Inputs are named:
`seq`, int32 `(batch, time)`, right-padded with 0; `feat`, float32 `(batch, features)`. The output is the probability of
label 1, `(batch, 1)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from storage.records import ModelName

if TYPE_CHECKING:
    import keras


def build_model(name: ModelName, *, num_words: int, num_features: int) -> keras.Model:
    """Build an architecture by its name, with fresh weights.

    Args:
        name: Of the architecture.
        num_words: Rows of the embedding; indices are below it.
        num_features: Width of `feat`, for the architectures that have it.
    """
    from tasks.models.advanced_bilstm_features import build_advanced_bilstm_features
    from tasks.models.baseline_avgpool import build_baseline_avgpool

    builders: dict[ModelName, Callable[[], keras.Model]] = {
        "baseline_avgpool": lambda: build_baseline_avgpool(num_words),
        "advanced_bilstm_features": lambda: build_advanced_bilstm_features(num_words, num_features),
    }
    return builders[name]()
