"""Columns that are longer than memory: written in pieces to a file without a name, read through a map of that file.

What is mapped counts as the system's cache, which it drops where memory is short. The file has no name, so that nothing
is left of it when the process ends, however it ends. What the columns mean is no matter here.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Scalar = TypeVar("Scalar", bound=np.generic)

_ROWS_AT_A_TIME = 4_096
_READ_BUFFER = 2**20


class Spool(Generic[Scalar]):
    """Takes arrays one after the other, and gives them back as one."""

    def __init__(self, dtype: type[Scalar], folder: Path | None = None) -> None:
        """Begin without values.

        Args:
            dtype: Of the values.
            folder: On whose disk they wait; by default that of temporary files.
        """
        self._dtype = np.dtype(dtype)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it is closed when the values are mapped)
        # Where something is raised before, too.
        weakref.finalize(self, self._file.close)

    def add(self, values: npt.NDArray[Any]) -> None:
        """Append values, in C order."""
        if values.size:
            self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)

    def finish(self) -> npt.NDArray[Scalar]:
        """All values, `(n,)`, not to be written to. Nothing can be added any more."""
        self._file.flush()
        with self._file:
            if not self._file.tell():
                return np.empty(0, dtype=self._dtype)
            return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), dtype=self._dtype)


class StringSpool:
    """Takes Arrow strings, and gives them back as one array."""

    def __init__(self, folder: Path | None = None) -> None:
        """Begin without strings; `folder` as in `Spool`."""
        self._bytes = Spool(np.uint8, folder)
        self._ends = Spool(np.int32, folder)
        self._is_valid: list[npt.NDArray[np.bool_]] = []
        self._num_bytes = 0
        self._ends.add(np.zeros(1, np.int32))

    def add(self, strings: pa.StringArray) -> None:
        """Append strings; some may be null.

        Raises:
            pyarrow.ArrowInvalid: All strings together have more than 2 GiB.
        """
        if not len(strings):
            return
        # As one array of its own, wherever it began.
        whole = pa.concat_arrays([strings.cast(pa.large_string())])
        ends = np.frombuffer(whole.buffers()[1], np.int64)[: len(whole) + 1]
        self._bytes.add(np.frombuffer(whole.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]])
        self._ends.add(np.asarray(pa.array(ends[1:] - ends[0] + self._num_bytes, pa.int32())))
        self._num_bytes += int(ends[-1] - ends[0])
        self._is_valid.append(strings.is_valid().to_numpy(zero_copy_only=False))

    def finish(self) -> pa.StringArray:
        """All strings, string `(n,)`. Nothing can be added any more."""
        ends, data = self._ends.finish(), self._bytes.finish()
        is_valid = np.concatenate([np.empty(0, bool), *self._is_valid])
        validity = None if is_valid.all() else pa.array(is_valid).buffers()[1]
        return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data), validity)


def parquet_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, a few thousand at a time, however large its row groups are.

    Args:
        path: The file.
        columns: Which to read; None for all.
    """
    with pq.ParquetFile(path, buffer_size=_READ_BUFFER, pre_buffer=False) as file:
        yield from file.iter_batches(_ROWS_AT_A_TIME, columns=columns)
