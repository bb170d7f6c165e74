from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.sequences import Sequences, spooled

INT32 = st.integers(-(2**31), 2**31 - 1)
ROWS = st.lists(st.lists(INT32, max_size=6), max_size=8)
moderate = settings(max_examples=60, deadline=None, database=None)


def lists(sequences: Sequences) -> list[list[int]]:
    return [sequences.row(index).tolist() for index in range(len(sequences))]


@moderate
@given(ROWS)
def test_lists_come_back_as_they_went_in(rows: list[list[int]]) -> None:
    sequences = Sequences.from_lists(rows)

    assert len(sequences) == len(rows)
    assert lists(sequences) == rows
    assert sequences.lengths.tolist() == [len(row) for row in rows]
    assert sequences.values.dtype == np.int32
    assert sequences.offsets.dtype == np.int64


@moderate
@given(ROWS, st.data())
def test_take_gives_the_rows_in_the_order_asked_for(rows: list[list[int]], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else []

    taken = Sequences.from_lists(rows).take(np.array(indices, dtype=np.int64))

    assert lists(taken) == [rows[index] for index in indices]
    assert taken.values.dtype == np.int32


@moderate
@given(ROWS, st.integers(0, 7))
def test_last_keeps_the_end_of_every_row(rows: list[list[int]], length: int) -> None:
    assert lists(Sequences.from_lists(rows).last(length)) == [row[len(row) - min(length, len(row)) :] for row in rows]


@moderate
@given(ROWS, st.integers(0, 3))
def test_padding_puts_zeros_on_the_right(rows: list[list[int]], spare: int) -> None:
    width = max(map(len, rows), default=0) + spare

    matrix = Sequences.from_lists(rows).padded(width)

    assert matrix.shape == (len(rows), width)
    assert matrix.dtype == np.int32
    assert matrix.tolist() == [row + [0] * (width - len(row)) for row in rows]


@moderate
@given(ROWS)
def test_every_token_knows_its_row(rows: list[list[int]]) -> None:
    expected = [number for number, row in enumerate(rows) for _ in row]

    assert Sequences.from_lists(rows).row_numbers.tolist() == expected


@moderate
@given(ROWS, st.integers(0, 8), st.integers(0, 8))
def test_a_slice_of_an_arrow_column_is_read_as_its_own_rows(rows: list[list[int]], start: int, length: int) -> None:
    for arrow_type in (pa.list_(pa.int32()), pa.large_list(pa.int32())):
        column = pa.array(rows, type=arrow_type).slice(start, length)

        assert lists(Sequences.from_arrow(column)) == rows[start : start + length]


@moderate
@given(st.lists(ROWS, max_size=4))
def test_a_chunked_arrow_column_is_read_as_one(chunks: list[list[list[int]]]) -> None:
    # Each chunk is a slice of something larger, as Parquet row groups may be.
    arrays = [pa.array([[9, 9], *chunk], type=pa.list_(pa.int32()))[1:] for chunk in chunks]
    column = pa.chunked_array(arrays, type=pa.list_(pa.int32()))

    assert lists(Sequences.from_arrow(column)) == [row for chunk in chunks for row in chunk]


@moderate
@given(ROWS)
def test_arrow_and_back_changes_nothing(rows: list[list[int]]) -> None:
    column = Sequences.from_lists(rows).to_arrow()

    assert column.to_pylist() == rows
    assert lists(Sequences.from_arrow(column)) == rows


@moderate
@given(ROWS)
def test_rows_after_a_cut_can_be_cut_taken_and_padded_again(rows: list[list[int]]) -> None:
    reversed_rows = np.arange(len(rows))[::-1]

    matrix = Sequences.from_lists(rows).last(3).take(reversed_rows).last(2).padded(2)

    assert matrix.tolist() == [[*row[-2:], 0, 0][:2] for row in reversed(rows)]


def test_a_row_as_wide_as_the_matrix_fits_and_a_wider_one_raises() -> None:
    sequences = Sequences.from_lists([[1], [2, 3, 4], []])

    assert sequences.padded(3).tolist() == [[1, 0, 0], [2, 3, 4], [0, 0, 0]]
    with pytest.raises(ValueError, match="a row of 3 tokens does not fit into 2 columns"):
        sequences.padded(2)


def test_a_row_that_is_not_there_raises() -> None:
    with pytest.raises(IndexError):
        Sequences.from_lists([[1], [2]]).take(np.array([2]))


@pytest.mark.parametrize("entry", [2**31 - 1, -(2**31)])
def test_an_integer_of_32_bits_is_kept(entry: int) -> None:
    assert Sequences.from_lists([[entry]]).values.tolist() == [entry]


@pytest.mark.parametrize(
    "rows",
    [[[2**31]], [[-(2**31) - 1]], [[True]], [["1"]], [1]],
    ids=["above 32 bits", "below 32 bits", "a Boolean", "a text", "not a list"],
)
def test_anything_but_lists_of_32_bit_integers_is_refused(rows: Sequence[Any]) -> None:
    with pytest.raises(pa.ArrowException):
        Sequences.from_lists(rows)


def test_a_missing_entry_is_refused() -> None:
    rows: list[Any] = [[1, None]]
    with pytest.raises(pa.ArrowException):
        Sequences.from_lists(rows)


@moderate
@given(ROWS, st.integers(1, 9))
def test_pieces_are_all_rows_in_their_order_and_as_large_as_asked_for(rows: list[list[int]], size: int) -> None:
    sequences = Sequences.from_lists(rows)

    pieces = list(sequences.pieces(size))

    assert [row for _, piece in pieces for row in lists(piece)] == rows
    assert [index for part, _ in pieces for index in range(len(rows))[part]] == list(range(len(rows)))
    for part, piece in pieces:
        assert lists(piece) == lists(sequences.between(part.start, part.stop)) == rows[part]
        assert len(piece) == 1 or len(piece.values) <= size


@moderate
@given(ROWS, st.data())
def test_rows_taken_in_pieces_are_those_taken_at_once(rows: list[list[int]], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else []
    chosen = np.array(indices, dtype=np.int64)
    sequences = Sequences.from_lists(rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.sequences.PIECE_TOKENS", 4)
        pieces = list(sequences.take_in_pieces(chosen))

    assert [row for piece in pieces for row in lists(piece)] == lists(sequences.take(chosen))
    assert all(len(piece) == 1 or len(piece.values) <= 4 for piece in pieces)


def test_spooled_rows_are_those_of_the_pieces(tmp_path: Path) -> None:
    pieces = [Sequences.from_lists(rows) for rows in ([[1, 2], []], [], [[3]])]

    assert lists(spooled(pieces, tmp_path)) == [[1, 2], [], [3]]
    assert lists(spooled([], tmp_path)) == []
