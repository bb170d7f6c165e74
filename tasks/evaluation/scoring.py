"""Scoring raw reviews with a bundle: its own vocabulary, encoder, scaler and model, and no training data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from storage.bundles import Bundle
from storage.errors import ContentError
from storage.sequences import Sequences
from storage.snapshots import Raw
from tasks.features.batching import predict
from tasks.features.encoding import Encoder
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler
from tasks.features.vocabulary import Vocabulary


def score(bundle: Bundle, reviews: Raw) -> npt.NDArray[np.float32]:
    """Probabilities of label 1, float32 `(rows,)`.

    Args:
        bundle: A loaded bundle.
        reviews: Texts, `(rows,)`, for a bundle that has a vocabulary; else word ranks, `(rows, ragged)`.

    Raises:
        ContentError: The bundle cannot read reviews of that kind.
    """
    encoder = Encoder.from_json(bundle.encoder)
    encoded = encoder.encode(_ranks(bundle, reviews))
    features = Scaler.from_json(bundle.scaler).transform(review_features(encoded, encoder.num_words))
    return predict(bundle.model, encoder.truncate(encoded), features)


def _ranks(bundle: Bundle, reviews: Raw) -> Sequences:
    """Word ranks under the bundle's own vocabulary, `(rows, ragged)`."""
    has_words = bundle.vocabulary is not None
    if isinstance(reviews, Sequences):
        if has_words:
            raise ContentError("the model reads text, and these reviews are word ranks of another vocabulary.")
        return reviews
    if not has_words:
        raise ContentError(
            f"the model was trained on the word ranks of {bundle.manifest.get('line', 'its source')}, which come "
            "without their words, and cannot read text: train one on reviews as text, with `retrain run --source`."
        )
    return Vocabulary.from_json(bundle.vocabulary or {}).ranks(reviews)
