from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.sequences import Sequences
from tasks.checks.counts import presence


@given(st.lists(st.lists(st.integers(-2, 9), max_size=8), max_size=6))
def test_a_word_is_marked_where_a_review_has_it_and_nowhere_else(reviews: list[list[int]]) -> None:
    matrix = presence(Sequences.from_lists(reviews), 7)
    assert (matrix.shape, matrix.dtype) == ((len(reviews), 7), np.float32)
    assert matrix.toarray().tolist() == [[float(word in review) for word in range(7)] for review in reviews]
    assert matrix.has_sorted_indices


def test_the_sequences_stay_as_they_are() -> None:
    sequences = Sequences.from_lists([[3, 1, 3], [2]])
    presence(sequences, 5)
    assert sequences.values.tolist() == [3, 1, 3, 2]
