"""Texts in a .parquet file. What it would unpack to is known from its metadata, before a row is read."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.content import sha256_of_file
from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.rows import Row, as_text, check_names, check_num_rows, check_size, gather, one_line

_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
_ROWS_AT_ONCE, _BUFFER = 256, 1 << 16
# A column that takes so much room for so few bytes a value repeats long values.
_REPEATED_BYTES, _BYTES_PER_VALUE = 1_000_000, 64


@dataclass(frozen=True)
class ParquetSource:
    """A parquet file, whose columns are strings and numbers.

    Attributes:
        path: The file.
        limits: How much of it may be read.
    """

    path: Path
    limits: Limits

    @property
    def origin(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def sha256(self) -> str:
        """Of the file as it is."""
        return sha256_of_file(self.path)

    def column_names(self) -> tuple[str, ...]:
        """Names of the columns.

        Raises:
            SourceError: There is no such file, it is damaged, or two columns have one name.
        """
        with self._explained(), pq.ParquetFile(self.path) as file:
            return check_names(file.schema_arrow.names, self.origin)

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        """The rows in their order; one with bytes that are not UTF-8 is at fault.

        Raises:
            SourceError: The file is damaged, larger than it may be, or a column is of a type that is no text or number.
        """
        yield from gather(self._rows(columns), columns, self.limits, self.origin)

    def _rows(self, columns: Sequence[str]) -> Generator[Row, None, None]:
        with self._explained():
            repeated = self._check(columns)
            with pq.ParquetFile(self.path, read_dictionary=repeated, buffer_size=_BUFFER, pre_buffer=False) as file:
                number = 0
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns), use_threads=False):
                    for row in _rows_of(batch, columns):
                        number += 1
                        yield f"row {number}", row

    def _check(self, columns: Sequence[str]) -> list[str]:
        """Hold the metadata against the limits, and name the columns that repeat long values."""
        with pq.ParquetFile(self.path) as file:
            metadata = file.metadata
            check_num_rows(metadata.num_rows, self.limits, self.origin)
            groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
            check_size(sum(group.total_byte_size for group in groups), self.limits, self.origin)
            for name in columns:
                self._check_type(name, file.schema_arrow.field(name).type)
            sizes = dict.fromkeys(columns, 0)
            for group in groups:
                for index in range(group.num_columns):
                    column = group.column(index)
                    if column.path_in_schema in sizes:
                        sizes[column.path_in_schema] += column.total_uncompressed_size
        most = _BYTES_PER_VALUE * metadata.num_rows
        return [name for name, size in sizes.items() if _REPEATED_BYTES < size < most]

    def _check_type(self, name: str, data_type: Any) -> None:
        values = data_type.value_type if pa.types.is_dictionary(data_type) else data_type
        if not any(is_type(values) for is_type in (*_STRINGS, *_NUMBERS)):
            raise SourceError(
                f"{self.path}: the column {name!r} is of the type {data_type}: "
                "expected strings, whole numbers, floats or booleans."
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise SourceError(f"there is no file {self.path}.") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a damaged name of a column
            raise SourceError(
                f"{self.path} is not a complete .parquet file ({one_line(error)}): it may be truncated; write it again."
            ) from error


def _rows_of(batch: Any, columns: Sequence[str]) -> Iterator[list[str | None] | str]:
    try:
        yield from map(list, zip(*(_texts(batch.column(name)) for name in columns), strict=True))
    except UnicodeDecodeError:
        for row in range(batch.num_rows):
            yield _one_row(batch.slice(row, 1), columns)


def _one_row(batch: Any, columns: Sequence[str]) -> list[str | None] | str:
    try:
        return [_texts(batch.column(name))[0] for name in columns]
    except UnicodeDecodeError as error:
        return f"the byte 0x{error.object[error.start]:02X} is not UTF-8"


def _texts(array: Any) -> list[str | None]:
    if pa.types.is_dictionary(array.type):
        # Each value is made once, however often it is repeated: a file of a few bytes may repeat a long one.
        distinct = pc.unique(array.indices.drop_null())
        texts = dict(zip(distinct.to_pylist(), _texts(array.dictionary.take(distinct)), strict=True))
        return [None if index is None else texts[index] for index in array.indices.to_pylist()]
    values: list[Any] = array.to_pylist()
    if any(is_type(array.type) for is_type in _STRINGS):
        return values
    return [None if value is None or value != value else as_text(value) for value in values]
