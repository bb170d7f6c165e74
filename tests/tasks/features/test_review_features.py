from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.options import FeatureOptions
from storage.sequences import Sequences
from tasks.features.encoding import Encoder
from tasks.features.review_features import FEATURE_NAMES, review_features
from tasks.sources.base import Reviews

# Sizes whose 50 bins begin at numbers that a float holds exactly: elsewhere np.histogram itself may err by one bin.
NUM_WORDS = (50, 100, 1000, 20_000, 30_000, 50_000)


def one_by_one(row: list[int], num_words: int) -> list[float]:
    values = np.array(row, dtype=np.float64)
    counts, _edges = np.histogram(values, bins=50, range=(0, num_words))
    shares = counts[counts > 0] / counts.sum()
    return [
        len(row),
        sum(index < 500 for index in row) / len(row),
        sum(index >= 20_000 for index in row) / len(row),
        float(np.mean(values)),
        float(np.std(values)),
        -math.fsum(share * math.log(share) for share in shares),
    ]


@st.composite
def encoded_reviews(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    num_words = draw(st.sampled_from(NUM_WORDS))
    indices = st.integers(1, num_words - 1) | st.sampled_from([1, 2, num_words // 50, num_words // 50 * 7, 49])
    return draw(st.lists(st.lists(indices, min_size=1, max_size=40), min_size=1, max_size=8)), num_words


@given(encoded_reviews())
def test_the_features_are_those_of_a_loop_over_the_reviews(case: tuple[list[list[int]], int]) -> None:
    rows, num_words = case
    expected = np.array([one_by_one(row, num_words) for row in rows])
    features = review_features(Sequences.from_lists(rows), num_words)
    assert features.dtype == np.float64
    np.testing.assert_allclose(features, expected, rtol=1e-12, atol=1e-12)


def test_rows_have_the_same_features_whatever_rows_are_beside_them() -> None:
    random = np.random.default_rng(3)
    lengths = random.integers(1, 30, 2500)
    rows = Sequences.from_lengths(random.integers(1, 50_000, lengths.sum()).astype(np.int32), lengths)
    one_by_one = [review_features(rows.take(np.array([row])), 50_000)[0] for row in range(2500)]
    assert np.array_equal(review_features(rows, 50_000), one_by_one)


def column(name: str, rows: list[list[int]]) -> list[float]:
    features = review_features(Sequences.from_lists(rows), 50_000)
    return [float(value) for value in features[:, FEATURE_NAMES.index(name)]]


def test_there_is_a_column_for_each_name() -> None:
    assert review_features(Sequences.from_lists([[1, 5]]), 50_000).shape == (1, len(FEATURE_NAMES)) == (1, 6)


@pytest.mark.parametrize(("index", "expected"), [(499, 1.0), (500, 0.0)])
def test_frequent_words_have_indices_below_500(index: int, expected: float) -> None:
    assert column("share_top_500", [[index]]) == [expected]


@pytest.mark.parametrize(("index", "expected"), [(19_999, 0.0), (20_000, 1.0)])
def test_rare_words_have_indices_from_20_000_on(index: int, expected: float) -> None:
    assert column("share_rare_20000", [[index]]) == [expected]


@pytest.mark.parametrize(("index", "bins"), [(999, 1), (1000, 2)])
def test_a_bin_is_a_fiftieth_of_the_vocabulary(index: int, bins: int) -> None:
    assert column("entropy", [[1, index]]) == pytest.approx([math.log(bins)], abs=1e-15)


def test_one_token_has_no_spread_and_no_entropy() -> None:
    features = review_features(Sequences.from_lists([[7]]), 50_000)
    assert features.tolist() == [[1, 1, 0, 7, 0, 0]]
    assert not np.signbit(features).any()


def test_a_review_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="without tokens"):
        review_features(Sequences.from_lists([[1], [], [2]]), 50_000)


def test_no_reviews_have_no_features() -> None:
    assert review_features(Sequences.from_lists([]), 50_000).shape == (0, 6)


def test_the_neighbours_of_a_review_do_not_change_its_features() -> None:
    rows = [list(range(1, 50)), [3, 40_000], [9] * 30]
    together = review_features(Sequences.from_lists(rows), 50_000)
    alone = [review_features(Sequences.from_lists([row]), 50_000)[0] for row in rows]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


def test_the_real_training_reviews_have_the_features_of_the_reference(imdb_reviews: Reviews) -> None:
    encoder = Encoder.fit(imdb_reviews.train.tokens.lengths, FeatureOptions())
    features = review_features(encoder.encode(imdb_reviews.train.tokens), encoder.num_words)
    assert features.shape == (25_000, 6)
    expected = [238.713640, 0.711543, 0.018881, 1655.698080, 4607.864608]
    np.testing.assert_allclose(features.mean(axis=0)[:5], expected, rtol=0, atol=5e-7)
    assert features[:, 0].std(ddof=1) == pytest.approx(176.497204, abs=5e-7)
