from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from storage.sequences import Sequences
from tasks.checks.effects import Effect
from tasks.checks.vocabulary import vocabulary_distances


def vocabulary_distance(train: Sequences, other: Sequences) -> Effect:
    (found,) = vocabulary_distances(train, [other])
    return found


def zipf(num_rows: int, seed: int, end: int = 5000) -> Sequences:
    random = np.random.default_rng(seed)
    lengths = random.integers(20, 300, num_rows)
    shares = 1 / np.arange(1, end)
    values = random.choice(np.arange(1, end), size=lengths.sum(), p=shares / shares.sum())
    return Sequences.from_lengths(values.astype(np.int32), lengths)


def test_reviews_without_a_common_word_are_at_distance_1() -> None:
    first, second = Sequences.from_lists([[1, 2]] * 50), Sequences.from_lists([[3]] * 50)
    effect = vocabulary_distance(first, second)
    assert effect.size == pytest.approx(1)
    assert effect.least > 0.9


@pytest.mark.parametrize("num_rows", [5, 30, 300])
def test_a_small_split_of_the_same_words_is_apart_by_chance_alone(num_rows: int) -> None:
    # Measured on IMDB: 0.25, 0.09 and 0.03 between as many test reviews and nine times as many of train.
    assert vocabulary_distance(zipf(9 * num_rows, 0), zipf(num_rows, 1)).least < 0.05


def test_a_permuted_vocabulary_is_far_away() -> None:
    other = zipf(30, 1)
    values = np.random.default_rng(2).permutation(5000).astype(np.int32)[other.values]
    assert vocabulary_distance(zipf(270, 0), Sequences(values, other.offsets)).least > 0.4


def test_equal_reviews_are_at_distance_0() -> None:
    reviews = zipf(40, 0)
    assert vocabulary_distance(reviews, reviews).size == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("empty", [[], [[]], [[], []]])
def test_without_words_there_is_no_distance(empty: list[list[int]]) -> None:
    other = Sequences.from_lists([[1, 2], []])
    assert vocabulary_distance(Sequences.from_lists(empty), other).least == 0
    assert vocabulary_distance(other, Sequences.from_lists(empty)).least == 0


def test_several_splits_are_each_held_against_train_alone() -> None:
    train, near, far = zipf(270, 0), zipf(30, 1), zipf(40, 2, end=50)
    alone = [vocabulary_distance(train, near), vocabulary_distance(train, far)]
    assert vocabulary_distances(train, [near, Sequences.from_lists([[]]), far]) == [
        alone[0],
        Effect(0.0, 0.0),
        alone[1],
    ]
    assert alone[0] != alone[1]


@pytest.mark.parametrize("change", [lambda values: values * 400_000, lambda values: 5 - values, lambda values: -values])
def test_the_distance_does_not_depend_on_how_words_are_numbered(change: Callable[[Any], Any]) -> None:
    splits = [zipf(270, 0), zipf(30, 1, end=1000)]
    numbered = [Sequences(change(split.values).astype(np.int32), split.offsets) for split in splits]
    assert vocabulary_distance(*numbered).size == pytest.approx(vocabulary_distance(*splits).size, abs=1e-9)
