"""Texts in a .jsonl or .ndjson file, plain or .gz: one JSON object per line. No value is judged here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from storage.content import sha256_of_file
from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.lines import BoundedLines, TooLongError, open_text
from tasks.sources.rows import Row, as_text, check_names, gather, one_line

_ROWS_WITH_ALL_KEYS = 100
# JSON may write any character as \u1234, and some as two of these.
_ESCAPED, _SLACK = 12, 65_536


class _WrongObjectError(ValueError):
    """What is wrong with an object, in words."""


@dataclass(frozen=True)
class JsonLinesSource:
    """A file of JSON objects, one in each line.

    Attributes:
        path: The file, UTF-8 with or without a byte order mark.
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
        """The keys of the first hundred objects, in the order in which they first appear.

        Raises:
            SourceError: There is no such file, or the first hundred lines hold no object.
        """
        first = list(islice(self._objects(), _ROWS_WITH_ALL_KEYS))
        if not first:
            raise SourceError(f"{self.path} is empty: expected a JSON object in each line.")
        objects = [values for _, values in first if isinstance(values, dict)]
        if not objects:
            place, fault = first[0]
            raise SourceError(f"{self.path} does not begin with a JSON object in each line: {place}: {fault}.")
        return check_names(list(dict.fromkeys(key for values in objects for key in values)), self.origin)

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        """The rows in their order; a line that holds no object of plain values is at fault. An absent key is missing.

        Raises:
            SourceError: The file is damaged, or larger than it may be.
        """
        yield from gather(self._rows(columns), columns, self.limits, self.origin)

    def _rows(self, columns: Sequence[str]) -> Generator[Row, None, None]:
        for place, values in self._objects():
            yield place, values if isinstance(values, str) else _pick(values, columns)

    def _objects(self) -> Iterator[tuple[str, dict[str, Any] | str]]:
        with open_text(self.path, self.limits, newline="\n") as stream:
            lines = BoundedLines(stream, _ESCAPED * self.limits.text_length + _SLACK)
            number = 0
            while (line := _next_line(lines)) is not None:
                if line.strip() or lines.flaw:  # an empty line is no row
                    number += 1
                    yield f"row {number} (line {lines.number})", lines.flaw or _parse(line)


def _next_line(lines: BoundedLines) -> str | None:
    """The next line, or None at the end; one that is too long has a flaw and is empty."""
    lines.begin_row()
    try:
        return next(lines, None)
    except TooLongError:
        return ""


def _parse(line: str) -> dict[str, Any] | str:
    try:
        value = json.loads(line, object_pairs_hook=_object, parse_constant=_not_a_number)
    except _WrongObjectError as error:
        return str(error)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({one_line(error)})"
    return value if isinstance(value, dict) else "it is not a JSON object"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _WrongObjectError(f"the key {key!r} is there twice")
    return values


def _not_a_number(name: str) -> NoReturn:
    raise _WrongObjectError(f"it is not JSON, which has no {name}")


def _pick(values: dict[str, Any], columns: Sequence[str]) -> list[str | None] | str:
    picked: list[str | None] = []
    for name in columns:
        value = values.get(name)
        if isinstance(value, dict | list):
            return f"{name!r} is not a text but {'an object' if isinstance(value, dict) else 'a list'}"
        picked.append(value if value is None or isinstance(value, str) else as_text(value))
    return picked
