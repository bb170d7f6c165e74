"""From the rows of a snapshot to what a model is fed: encode, measure, cut, standardise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storage.matrices import Matrix
from storage.options import FeatureOptions
from storage.records import Split
from storage.sequences import Sequences, spooled
from storage.snapshots import Rows
from storage.spool import Spool
from tasks.features.encoding import Encoder
from tasks.features.review_features import FEATURE_NAMES, review_features
from tasks.features.scaler import Scaler
from tasks.features.vocabulary import Vocabulary


def fit_and_featurize(
    splits: Mapping[Split, Rows],
    options: FeatureOptions,
    vocabulary: Vocabulary | None = None,
    *,
    scratch: Path | None = None,
) -> tuple[dict[Split, Matrix], Encoder, Scaler]:
    """Fit the encoder's length on all training reviews and the scaler on the training rows, then make all matrices.

    Args:
        splits: All rows.
        options: Constants, and the percentile of the length.
        vocabulary: What gave the ranks, where there is one.
        scratch: On whose disk the sequences wait; by default that of temporary files.
    """
    labelled = (splits["train"], splits["validation"])
    encoder = Encoder.fit(np.concatenate([rows.tokens.lengths for rows in labelled]), options, vocabulary)
    features = {name: features_in_pieces(rows.tokens, encoder, scratch) for name, rows in splits.items()}
    scaler = Scaler.fit(features["train"])
    matrices = {
        name: Matrix(
            sequences=spooled(_fed(rows.tokens, encoder), scratch),
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


def features_in_pieces(tokens: Sequences, encoder: Encoder, scratch: Path | None = None) -> npt.NDArray[np.float64]:
    """Features of encoded reviews before any truncation, a mapped file, `(rows, features)`.

    Args:
        tokens: Word ranks, `(rows, ragged)`.
        encoder: What makes indices of them.
        scratch: On whose disk they wait; by default that of temporary files.
    """
    features = Spool(np.float64, scratch)
    for _, piece in tokens.pieces():
        features.add(review_features(encoder.encode(piece), encoder.num_words))
    return features.finish().reshape(-1, len(FEATURE_NAMES))


def _fed(tokens: Sequences, encoder: Encoder) -> Iterator[Sequences]:
    for _, piece in tokens.pieces():
        yield encoder.truncate(encoder.encode(piece))
