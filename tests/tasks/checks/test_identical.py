from __future__ import annotations

from storage.sequences import Sequences
from tasks.checks.identical import identical, numbered


def test_equal_rows_have_equal_numbers_in_the_order_in_which_they_are_first_met() -> None:
    # The last two would be the same if only their tokens counted, not where one row ends.
    rows = Sequences.from_lists([[7, 8], [], [7], [7, 8], [], [8, 7], [256], [0, 1]])

    assert identical(rows).tolist() == [0, 1, 2, 0, 1, 3, 4, 5]


def test_rows_that_come_in_pieces_have_the_same_numbers() -> None:
    rows = Sequences.from_lists([[1], [2], [1], [3], [2]])

    assert numbered(rows.between(start, start + 1) for start in range(5)).tolist() == identical(rows).tolist()
    assert numbered([]).tolist() == []
