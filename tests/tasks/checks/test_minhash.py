from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sequences import Sequences
from tasks.checks.minhash import near_pairs, shingles

# From few words, so that shingles repeat within a review and between reviews.
REVIEWS = st.lists(st.lists(st.integers(1, 3), max_size=9), min_size=2, max_size=8)


def jaccard(first: list[int], second: list[int]) -> float:
    sets = [
        {tuple(review[start : start + 5]) for start in range(max(1, len(review) - 4))} for review in (first, second)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def each_by_itself(num_rows: int) -> npt.NDArray[np.bool_]:
    """Groups of one row: all pairs are asked for."""
    return np.eye(num_rows, dtype=bool)


def found(reviews: list[list[int]], similarity: float = 0.8) -> set[tuple[int, int]]:
    first, second = near_pairs(Sequences.from_lists(reviews), similarity, each_by_itself(len(reviews)))
    return set(zip(first.tolist(), second.tolist(), strict=True))


def rewritten(review: npt.NDArray[np.int32], num_changes: int, random: np.random.Generator) -> list[int]:
    """A review with words changed far enough from each other that each changes five shingles."""
    changed = review.copy()
    places = 10 * random.permutation(len(review) // 10 - 1)[:num_changes] + 5
    changed[places] += 100_000
    return [int(word) for word in changed]


@given(REVIEWS)
def test_a_review_has_the_hashes_of_its_word_sequences(reviews: list[list[int]]) -> None:
    hashes, offsets = shingles(Sequences.from_lists(reviews))
    told = [
        tuple(review[start : start + 5]) for review in reviews if review for start in range(max(1, len(review) - 4))
    ]
    assert offsets[-1] == len(hashes) == len(told)
    assert len(set(hashes.tolist())) == len(set(told)) == len(set(zip(hashes.tolist(), told, strict=True)))


@given(REVIEWS, st.sampled_from([0.5, 0.8, 1.0]))
def test_no_pair_that_is_found_is_false(reviews: list[list[int]], similarity: float) -> None:
    for one, other in found(reviews, similarity):
        assert one < other
        assert jaccard(reviews[one], reviews[other]) >= similarity


@given(st.lists(st.integers(1, 99), min_size=1, max_size=30), REVIEWS)
def test_equal_reviews_are_found_among_others(review: list[int], others: list[list[int]]) -> None:
    assert (0, len(others) + 1) in found([review, *others, review]) or review in others


@pytest.mark.parametrize(("num_changes", "is_near"), [(1, True), (4, True), (5, False), (12, False)])
def test_the_similarity_is_a_bound_on_both_sides(num_changes: int, is_near: bool) -> None:
    # 204 words are 200 shingles: 4 changes leave 180 of 220, 0.818; 5 changes leave 175 of 225, 0.778.
    review = np.arange(1, 205, dtype=np.int32)
    other = rewritten(review, num_changes, np.random.default_rng(num_changes))
    assert (found([review.tolist(), other]) == {(0, 1)}) == is_near


def test_hardly_a_pair_at_the_bound_is_missed() -> None:
    random = np.random.default_rng(0)
    reviews = [random.integers(1, 90_000, 204).astype(np.int32) for _ in range(500)]
    doubles = [rewritten(review, 4, random) for review in reviews]
    pairs = found([*(review.tolist() for review in reviews), *doubles])
    assert pairs <= {(index, 500 + index) for index in range(500)}
    assert len(pairs) >= 495


def test_short_reviews_are_like_none_but_their_equals() -> None:
    assert found([[7], [7, 7], [7, 7, 7, 7], [7, 7, 7, 7, 7], [8], [], [7], [7, 7, 7, 7, 7, 7]]) == {(0, 6), (3, 7)}


def test_pairs_within_a_group_are_not_asked_for() -> None:
    tokens = Sequences.from_lists([[1, 2, 3, 4, 5]] * 3)
    groups = np.array([[True, True, False], [False, False, True]])
    first, second = near_pairs(tokens, 0.8, groups)
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {(0, 2), (1, 2)}


@pytest.mark.parametrize("reviews", [[], [[]], [[], []], [[1]]])
def test_without_two_reviews_there_is_no_pair(reviews: list[list[int]]) -> None:
    assert found(reviews) == set()


def test_a_crowd_of_nearly_equal_reviews_grows_with_the_rows_not_with_their_square() -> None:
    num_rows, random = 6000, np.random.default_rng(0)
    values = np.tile(np.arange(1, 101, dtype=np.int32), (num_rows, 1))
    values[np.arange(num_rows), random.integers(0, 100, num_rows)] = random.integers(1000, 90_000, num_rows)
    groups = np.eye(2, dtype=bool)[:, random.integers(0, 2, num_rows)]
    first, second = near_pairs(Sequences.from_lengths(values.ravel(), np.full(num_rows, 100)), 0.8, groups)
    assert len(first) < 20 * num_rows
    assert len(np.union1d(first, second)) > 0.99 * num_rows
