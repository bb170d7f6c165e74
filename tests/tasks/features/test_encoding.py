from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.options import FeatureOptions
from storage.sequences import Sequences
from tasks.features.encoding import Encoder
from tasks.sources.base import Reviews

ENCODER = Encoder(num_words=50_000, start_index=1, oov_index=2, index_from=3, max_length=467)

reviews = st.lists(st.lists(st.integers(1, 300) | st.integers(1, 2**31 - 1), min_size=1, max_size=30), max_size=12)
encoders = st.builds(
    Encoder,
    num_words=st.integers(10, 400),
    start_index=st.integers(1, 9),
    oov_index=st.integers(1, 9),
    index_from=st.integers(0, 10),
    max_length=st.integers(1, 40),
)


def lists(sequences: Sequences) -> list[list[int]]:
    return [sequences.row(index).tolist() for index in range(len(sequences))]


def load_data_rule(row: list[int], encoder: Encoder) -> list[int]:
    """What keras.datasets.imdb.load_data does to one review, word by word."""
    shifted = [encoder.start_index] + [rank + encoder.index_from for rank in row]
    return [index if index < encoder.num_words else encoder.oov_index for index in shifted]


@given(reviews, encoders)
def test_encoding_is_the_rule_of_keras_load_data(rows: list[list[int]], encoder: Encoder) -> None:
    encoded = encoder.encode(Sequences.from_lists(rows))
    assert lists(encoded) == [load_data_rule(row, encoder) for row in rows]
    assert encoded.values.dtype == np.int32


@given(reviews, encoders)
def test_truncation_keeps_the_end(rows: list[list[int]], encoder: Encoder) -> None:
    truncated = encoder.truncate(encoder.encode(Sequences.from_lists(rows)))
    assert lists(truncated) == [load_data_rule(row, encoder)[-encoder.max_length :] for row in rows]


@pytest.mark.parametrize(("rank", "index"), [(1, 4), (49_996, 49_999), (49_997, 2), (2**31 - 1, 2)])
def test_the_vocabulary_ends_below_num_words(rank: int, index: int) -> None:
    assert lists(ENCODER.encode(Sequences.from_lists([[rank]]))) == [[1, index]]


@pytest.mark.parametrize(("words", "kept"), [(465, 466), (466, 467), (467, 467)])
def test_a_review_is_cut_only_above_the_maximum_length(words: int, kept: int) -> None:
    truncated = lists(ENCODER.truncate(ENCODER.encode(Sequences.from_lists([list(range(1, words + 1))]))))[0]
    assert len(truncated) == kept
    assert (truncated[0] == 1) == (words < 467)
    assert truncated[-1] == words + 3


def test_encoding_leaves_the_ranks_as_they_are() -> None:
    tokens = Sequences.from_lists([[5, 60_000], [7]])
    ENCODER.encode(tokens)
    assert lists(tokens) == [[5, 60_000], [7]]


@pytest.mark.parametrize(
    ("lengths", "percentile", "expected"),
    [
        (range(0, 101), 90.0, 91),
        (range(0, 101), 100.0, 101),
        (range(0, 101), 50.0, 51),
        ([9], 90.0, 10),
        ([1, 2], 90.0, 2),  # 2.9 tokens: rounded down
    ],
)
def test_the_maximum_length_is_a_percentile_of_the_lengths_with_their_start_token(
    lengths: range | list[int], percentile: float, expected: int
) -> None:
    options = FeatureOptions(max_length_percentile=percentile)
    assert Encoder.fit(np.array(lengths), options).max_length == expected


def test_the_constants_are_those_of_the_options() -> None:
    options = FeatureOptions(num_words=1000, start_index=4, oov_index=5, index_from=6)
    assert Encoder.fit(np.array([9]), options) == Encoder(1000, 4, 5, 6, max_length=10)


@given(encoders)
def test_an_encoder_survives_json(encoder: Encoder) -> None:
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder
    assert again.digest == encoder.digest


@pytest.mark.parametrize("name", ["num_words", "start_index", "oov_index", "index_from", "max_length"])
def test_the_digest_changes_with_every_constant(name: str) -> None:
    assert replace(ENCODER, **{name: getattr(ENCODER, name) + 1}).digest != ENCODER.digest


@pytest.mark.parametrize("name", ["start_index", "oov_index"])
def test_an_index_outside_the_vocabulary_is_not_an_option(name: str) -> None:
    with pytest.raises(ValueError, match="num_words"):
        FeatureOptions.model_validate({"num_words": 10, name: 10})


def test_the_real_reviews_are_cut_to_467_tokens(imdb_reviews: Reviews) -> None:
    encoder = Encoder.fit(imdb_reviews.train.tokens.lengths, FeatureOptions())
    assert encoder == ENCODER
    assert encoder.truncate(encoder.encode(imdb_reviews.train.tokens)).lengths.max() == 467
