from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from storage.bundles import Bundle
from storage.sequences import Sequences
from tasks.features.encoding import Encoder
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler

pytestmark = pytest.mark.usefixtures("keras_prepared")

ENCODER = Encoder(num_words=500, start_index=1, oov_index=2, index_from=3, max_length=20)


class Seen:
    """A model whose probability is a review's scaled length, and that remembers what it was fed."""

    def __init__(self) -> None:
        self.input = {"seq": None, "feat": None}
        self.tokens: set[tuple[int, ...]] = set()

    def predict_on_batch(self, inputs: Any) -> npt.NDArray[np.float32]:
        self.tokens |= {tuple(row[row > 0].tolist()) for row in inputs["seq"]}
        probabilities: npt.NDArray[np.float32] = inputs["feat"][:, :1]
        return probabilities


def scored(model: Seen, encoder: Encoder, scaler: Scaler, tokens: Sequences) -> npt.NDArray[np.float32]:
    from tasks.evaluation.scoring import score

    return score(Bundle("digest", model, encoder.to_json(), scaler.to_json(), {}), tokens)


@pytest.fixture
def tokens(make_sequences: Callable[..., Sequences]) -> Sequences:
    return make_sequences([3, 40, 12, 25, 7], end=900)


def test_raw_reviews_are_encoded_cut_and_scaled_with_what_the_bundle_holds(tokens: Sequences) -> None:
    model = Seen()
    scaler = Scaler((10.0, 0, 0, 0, 0, 0), (4.0, 1, 1, 1, 1, 1))
    lengths = tokens.lengths + 1
    np.testing.assert_allclose(scored(model, ENCODER, scaler, tokens), (lengths - 10) / 4, rtol=1e-6)
    fed = ENCODER.truncate(ENCODER.encode(tokens))
    assert model.tokens == {tuple(fed.row(index).tolist()) for index in range(len(fed))}


def test_a_review_has_the_same_score_alone_as_among_others(tokens: Sequences) -> None:
    # The scaler is the bundle's: what else is scored has no part in it.
    scaler = Scaler.fit(review_features(ENCODER.encode(tokens), 500))
    together = scored(Seen(), ENCODER, scaler, tokens)
    for index in range(len(tokens)):
        assert scored(Seen(), ENCODER, scaler, tokens.take(np.array([index])))[0] == together[index]
