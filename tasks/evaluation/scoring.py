"""Scoring raw reviews with a bundle: its own encoder, its own scaler, its own model, and no training data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from storage.bundles import Bundle
from storage.sequences import Sequences
from tasks.features.batching import predict
from tasks.features.encoding import Encoder
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler


def score(bundle: Bundle, tokens: Sequences) -> npt.NDArray[np.float32]:
    """Probabilities of label 1, float32 `(rows,)`.

    Args:
        bundle: A loaded bundle.
        tokens: Word ranks, `(rows, ragged)`, as a snapshot holds them.
    """
    encoder = Encoder.from_json(bundle.encoder)
    encoded = encoder.encode(tokens)
    features = Scaler.from_json(bundle.scaler).transform(review_features(encoded, encoder.num_words))
    return predict(bundle.model, encoder.truncate(encoded), features)
