"""From the rows of a snapshot to what a model is fed: encode, measure, cut, standardise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from storage.matrices import Matrix
from storage.options import FeatureOptions
from storage.records import Split
from storage.snapshots import Rows
from tasks.features.encoding import Encoder
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler
from tasks.features.vocabulary import Vocabulary


def fit_and_featurize(
    splits: Mapping[Split, Rows], options: FeatureOptions, vocabulary: Vocabulary | None = None
) -> tuple[dict[Split, Matrix], Encoder, Scaler]:
    """Fit the encoder's length on all training reviews and the scaler on the training rows, then make all matrices."""
    labelled = (splits["train"], splits["validation"])
    encoder = Encoder.fit(np.concatenate([rows.tokens.lengths for rows in labelled]), options, vocabulary)
    encoded = {name: encoder.encode(rows.tokens) for name, rows in splits.items()}
    features = {name: review_features(part, encoder.num_words) for name, part in encoded.items()}
    scaler = Scaler.fit(features["train"])
    matrices = {
        name: Matrix(
            sequences=encoder.truncate(encoded[name]),
            sequence_ids=rows.ids,
            features=scaler.transform(features[name]),
            feature_ids=rows.ids,
            labels=rows.labels,
            label_ids=rows.ids,
            scaler_digest=scaler.digest,
            encoder_digest=encoder.digest,
        )
        for name, rows in splits.items()
    }
    return matrices, encoder, scaler
