"""Ragged token sequences: one flat array and the offsets of its rows. No encoding and no padding policy live here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]


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
        return self._gather(self.offsets[indices], self.lengths[indices])

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
