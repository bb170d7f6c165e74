"""What a report tells of a snapshot and of a model's mistakes. Nothing here decides anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.accounts import Mistake, SplitTable, Spread
from storage.bundles import Predictions
from storage.records import Split
from storage.sequences import Sequences
from storage.snapshots import Raw, Rows, take_raw
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.metrics import predicted_labels
from tasks.features.encoding import Encoder
from tasks.features.matrices import features_in_pieces
from tasks.features.review_features import FEATURE_NAMES

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
NUM_MISTAKES, MAX_CHARACTERS = 20, 500


def describe_split(split: Split, rows: Rows, encoder: Encoder, scratch: Path | None = None) -> SplitTable:
    """The tables of one split, which has at least one review.

    Args:
        split: Its name.
        rows: All of it.
        encoder: What makes indices of its word ranks.
        scratch: On whose disk the features wait; by default that of temporary files.
    """
    features = features_in_pieces(rows.tokens, encoder, scratch)
    return SplitTable(
        split=split,
        num_rows=len(rows.labels),
        num_positive=int(rows.labels.sum()),
        num_cut=int((rows.tokens.lengths + 1 > encoder.max_length).sum()),  # with the start token
        words=_spread(rows.tokens.lengths.astype(np.float64)),
        features={name: _spread(column) for name, column in zip(FEATURE_NAMES, features.T, strict=True)},
    )


def positions_of_mistakes(predictions: Predictions) -> npt.NDArray[np.int64]:
    """Rows whose predicted label is wrong, `(mistakes,)`, the most confident first; a NaN is no confidence at all."""
    wrong = np.flatnonzero(predicted_labels(predictions.probabilities) != predictions.labels)
    confidence = np.nan_to_num(np.abs(predictions.probabilities[wrong].astype(np.float64) - 0.5))
    return wrong[np.argsort(-confidence, kind="stable")]


def describe_mistakes(predictions: Predictions, rows: Rows, raw: Raw) -> tuple[Mistake, ...]:
    """The most confident mistakes, with their words where there are any.

    Args:
        predictions: Of the test rows. One that is no number is left out.
        rows: The test rows, in any order.
        raw: What they say, in the order of `rows`.
    """
    places = positions_of_mistakes(predictions)
    places = places[np.isfinite(predictions.probabilities[places])][:NUM_MISTAKES]
    found = join_by_id(predictions.row_ids.take(pa.array(places)), rows.ids, np.arange(len(rows.labels)))
    taken, said = rows.take(found), take_raw(raw, found)
    texts = [None] * len(places) if isinstance(said, Sequences) else said.to_pylist()
    ratings = [None] * len(places) if taken.ratings is None else taken.ratings.to_pylist()
    return tuple(
        Mistake(
            row_id=row_id,
            label=int(label),
            # As many digits as a float32 has.
            probability=float(f"{predictions.probabilities[place]:.9g}"),
            num_words=int(num_words),
            text=None if text is None else text[:MAX_CHARACTERS],
            is_cut=text is not None and len(text) > MAX_CHARACTERS,
            rating=rating,
        )
        for place, row_id, label, num_words, text, rating in zip(
            places, taken.ids.to_pylist(), taken.labels, taken.tokens.lengths, texts, ratings, strict=True
        )
    )


def _spread(values: npt.NDArray[np.float64]) -> Spread:
    return Spread(float(values.mean()), float(values.std()), tuple(np.quantile(values, QUANTILES).tolist()))
