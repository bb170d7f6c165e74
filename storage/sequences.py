"""Ragged token sequences: one flat array and the offsets of its rows. No encoding and no padding policy live here.

The flat array may be larger than memory: then it is a mapped file, and is gone through in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.spool import Spool

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

PIECE_TOKENS = 2**20
"""Tokens that are worked on at once: it bounds what stands beside them in memory."""
_PIECE_ROWS = 2**16


@dataclass(frozen=True, eq=False)
class Sequences:
    """A list of integer sequences without a Python object per row.

    Attributes:
        values: int32 `(tokens,)`, all rows one after the other.
        offsets: int64 `(rows + 1,)`, row `i` is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: Int32Array
    offsets: Int64Array

    @classmethod
    def from_lengths(cls, values: Int32Array, lengths: npt.NDArray[np.integer]) -> Sequences:
        """Build from flat values and the length of each row, int `(rows,)`."""
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(np.ascontiguousarray(values, dtype=np.int32), offsets)

    @classmethod
    def from_lists(cls, rows: Iterable[Iterable[int]]) -> Sequences:
        """Build from Python lists of integers.

        Raises:
            pyarrow.ArrowException: A row is not a list, or an entry is not an integer of 32 bits.
        """
        # Arrow would cut 1.5 to 1 if it were told the type: let it see first what is there.
        found = pa.array(rows)
        if len(found) == 0:
            found = found.cast(pa.list_(pa.int32()))
        element = found.type.value_type if pa.types.is_list(found.type) else None
        if element is None or not (pa.types.is_integer(element) or pa.types.is_null(element)):
            raise pa.ArrowTypeError(f"expected lists of whole numbers, found {found.type}")
        if found.null_count or found.flatten().null_count:
            raise pa.ArrowInvalid("expected lists of whole numbers, found a missing one")
        return cls.from_arrow(found.cast(pa.list_(pa.int32())))

    @classmethod
    def from_arrow(cls, rows: pa.ListArray | pa.ChunkedArray) -> Sequences:
        """Build from an Arrow list column."""
        if isinstance(rows, pa.ChunkedArray):
            rows = rows.combine_chunks()
        lengths = np.diff(rows.offsets.to_numpy())
        return cls.from_lengths(rows.flatten().to_numpy(zero_copy_only=False), lengths)

    def to_arrow(self) -> pa.LargeListArray:
        """The same rows as an Arrow large-list column of int32."""
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.values))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64Array:
        """Tokens in each row, int64 `(rows,)`."""
        return np.diff(self.offsets)

    @property
    def row_numbers(self) -> Int64Array:
        """The row that each token belongs to, int64 `(tokens,)`."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def row(self, index: int) -> Int32Array:
        """Tokens of one row, a view."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def take(self, indices: npt.NDArray[np.integer]) -> Sequences:
        """The rows at `indices`, int `(n,)`, in that order."""
        return self._gather(self.offsets[indices], self.offsets[indices + 1] - self.offsets[indices])

    def between(self, start: int, end: int) -> Sequences:
        """The rows from `start` to before `end`, a view."""
        return Sequences(
            self.values[self.offsets[start] : self.offsets[end]], self.offsets[start : end + 1] - self.offsets[start]
        )

    def pieces(self, num_tokens: int = 0) -> Iterator[tuple[slice, Sequences]]:
        """All rows in their order, as many at a time as have `num_tokens`, or one that has more: places and views.

        Args:
            num_tokens: 0 for `PIECE_TOKENS`.
        """
        for part in _parts(self.lengths, num_tokens):
            yield part, self.between(part.start, part.stop)

    def take_in_pieces(self, indices: npt.NDArray[np.integer]) -> Iterator[Sequences]:
        """The rows at `indices`, as `take` gives them, as many at a time as have `PIECE_TOKENS`."""
        for part in _parts(self.offsets[indices + 1] - self.offsets[indices]):
            yield self.take(indices[part])

    def last(self, max_length: int) -> Sequences:
        """Every row cut to its last `max_length` tokens."""
        lengths = np.minimum(self.lengths, max_length)
        return self._gather(self.offsets[1:] - lengths, lengths)

    def padded(self, width: int) -> Int32Array:
        """Rows side by side, zeros on the right: int32 `(rows, width)`.

        Raises:
            ValueError: A row is longer than `width`.
        """
        lengths = self.lengths
        if len(lengths) and lengths.max() > width:
            raise ValueError(f"a row of {lengths.max()} tokens does not fit into {width} columns")
        matrix = np.zeros((len(self), width), dtype=np.int32)
        matrix[np.arange(width) < lengths[:, None]] = self.values[self.offsets[0] : self.offsets[-1]]
        return matrix

    def _gather(self, starts: Int64Array, lengths: Int64Array) -> Sequences:
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        # Position of each token in the source: its row's start plus its place within the row.
        positions = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
        return Sequences.from_lengths(self.values[positions], lengths)


class SequenceSpool:
    """Takes rows piece by piece; their tokens wait in a file, and the sequences that come of them are a map of it."""

    def __init__(self, folder: Path | None = None) -> None:
        """Begin without rows; `folder` as in `Spool`."""
        self._values = Spool(np.int32, folder)
        self._lengths: list[Int64Array] = []

    def add(self, rows: Sequences) -> None:
        """Append rows."""
        self._values.add(rows.values)
        self._lengths.append(rows.lengths)

    def finish(self) -> Sequences:
        """All rows. Nothing can be added any more."""
        return Sequences.from_lengths(self._values.finish(), np.concatenate([np.empty(0, np.int64), *self._lengths]))


def spooled(pieces: Iterable[Sequences], folder: Path | None = None) -> Sequences:
    """All rows of some pieces, as a map of a file."""
    spool = SequenceSpool(folder)
    for piece in pieces:
        spool.add(piece)
    return spool.finish()


def _parts(lengths: Int64Array, num_tokens: int = 0) -> Iterator[slice]:
    ends = np.cumsum(lengths)
    most = num_tokens or PIECE_TOKENS
    start = before = 0
    while start < len(lengths):
        fitting = int(np.searchsorted(ends, before + most, side="right"))
        end = min(max(start + 1, fitting), start + _PIECE_ROWS)
        yield slice(start, end)
        start, before = end, int(ends[end - 1])
