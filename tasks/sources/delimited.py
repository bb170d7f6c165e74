"""Texts in a .csv or .tsv file, plain or .gz, read strictly by Python's csv module. No value is judged here.

pandas accepts in silence what must not pass: a row with one column too many, a duplicate name, a truncated last row.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.content import sha256_of_file
from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.lines import BoundedLines, TooLongError, open_text
from tasks.sources.rows import Row, check_names, gather

_SLACK = 65_536


@dataclass(frozen=True)
class DelimitedSource:
    """A file of rows of fields, the first of which is the header.

    Attributes:
        path: The file, UTF-8 with or without a byte order mark.
        limits: How much of it may be read.
        delimiter: What stands between two fields.
    """

    path: Path
    limits: Limits
    delimiter: str = ","

    @property
    def origin(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def sha256(self) -> str:
        """Of the file as it is."""
        return sha256_of_file(self.path)

    def column_names(self) -> tuple[str, ...]:
        """The header.

        Raises:
            SourceError: There is no such file, or no header with a different name for each column.
        """
        with open_text(self.path, self.limits, newline="") as stream:
            return self._header(*self._reader(stream))

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        """The rows in their order; one with a missing field, or with bytes that are not UTF-8, is at fault.

        Raises:
            SourceError: The file is too large, or the quotation marks leave open where a row ends.
        """
        yield from gather(self._rows(columns), columns, self.limits, self.origin)

    def _rows(self, columns: Sequence[str]) -> Generator[Row, None, None]:
        with open_text(self.path, self.limits, newline="") as stream:
            lines, reader = self._reader(stream)
            header = self._header(lines, reader)
            wanted = [header.index(name) for name in columns]
            number = 1
            while True:
                place = f"row {number} (line {lines.number + 1})"
                fields = self._next_row(lines, reader, place)
                if lines.ended and not fields:
                    return
                if fields:  # an empty line is no row
                    number += 1
                    yield place, fields if isinstance(fields, str) else _pick(fields, wanted, len(header), lines.flaw)

    def _reader(self, stream: Any) -> tuple[BoundedLines, Iterator[list[str]]]:
        # Within quotation marks, each quotation mark of a text is written twice.
        limit = min(2 * self.limits.text_length + _SLACK, 2**31 - 1)
        # The csv module has one bound for the whole process. It is only ever raised: the lines are what is bounded.
        csv.field_size_limit(max(limit, csv.field_size_limit()))
        lines = BoundedLines(stream, limit)
        return lines, csv.reader(lines, delimiter=self.delimiter, strict=True)

    def _header(self, lines: BoundedLines, reader: Iterator[list[str]]) -> tuple[str, ...]:
        names = self._next_row(lines, reader, "the header")
        if not names:
            raise SourceError(f"{self.path} is empty: expected a header, the names of the columns, in its first line.")
        flaw = names if isinstance(names, str) else lines.flaw
        if flaw:
            raise SourceError(f"{self.path}: the first line is not a header ({flaw}): expected text in UTF-8.")
        return check_names(names, str(self.path))

    def _next_row(self, lines: BoundedLines, reader: Iterator[list[str]], place: str) -> list[str] | str:
        lines.begin_row()
        try:
            return next(reader, [])
        except TooLongError:
            return self._skip_row(lines, place)
        except csv.Error as error:
            if lines.ended:
                raise self._never_closed(place) from error
            # Which fields belong to which row is open from here on: to guess might give a review another one's label.
            raise SourceError(
                f"{self.path}: {place} has a quotation mark in the wrong place ({error}): expected a field with "
                "quotation marks to stand in quotation marks, and each of its own to be written twice."
            ) from error

    def _skip_row(self, lines: BoundedLines, place: str) -> str:
        while lines.num_quotes % 2:  # between an opening and its closing one
            lines.skip_line()
            if lines.ended:
                raise self._never_closed(place)
        return lines.flaw

    def _never_closed(self, place: str) -> SourceError:
        return SourceError(
            f"{self.path} ends inside a quoted field, which begins in {place}: "
            "the file is truncated, or a quotation mark is missing."
        )


def _pick(fields: list[str], wanted: list[int], num_columns: int, flaw: str) -> list[str] | str:
    if flaw:
        return flaw
    if len(fields) != num_columns:
        return f"{len(fields)} field{'s' if len(fields) > 1 else ''}, the header has {num_columns}"
    return [fields[position] for position in wanted]
