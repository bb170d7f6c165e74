"""What the readers of texts share: rows are gathered into bounded batches, and numbers are written as text.

Nothing is opened here, and no row is judged: that is `tasks.sources.contents`.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from decimal import Decimal

from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows

# A row: where it stands, and its values, or what is wrong with it.
Row = tuple[str, Sequence[str | None] | str]

BATCH_ROWS = 1000
# Long texts make shorter batches, so that memory does not depend on how long a text may be.
_BATCH_CHARACTERS = 8_000_000
_WHOLE_IN_A_FLOAT = 2**53


def gather(rows: Generator[Row, None, None], columns: Sequence[str], limits: Limits, origin: str) -> Iterator[RawRows]:
    """Put rows into batches, in their order.

    Args:
        rows: Taken one at a time, and closed at the end, however it comes, so that no file or connection stays open.
        columns: Names of a row's values.
        limits: Of rows, and of characters: no text has more of them than bytes.
        origin: What is read, for a message.

    Raises:
        SourceError: There are more rows, or longer ones, than the limits allow.
    """
    batch: list[Row] = []
    num_characters = waiting = 0
    with closing(rows):
        for num_rows, row in enumerate(rows, start=1):
            check_num_rows(num_rows, limits, origin)
            size = 0 if isinstance(row[1], str) else sum(len(value) for value in row[1] if value)
            num_characters, waiting = num_characters + size, waiting + size
            check_size(num_characters, limits, origin)
            batch.append(row)
            if len(batch) == BATCH_ROWS or waiting >= _BATCH_CHARACTERS:
                yield _raw_rows(batch, columns)
                batch, waiting = [], 0
    if batch:
        yield _raw_rows(batch, columns)


def _raw_rows(batch: Sequence[Row], columns: Sequence[str]) -> RawRows:
    missing = (None,) * len(columns)
    faults = {position: row for position, (_, row) in enumerate(batch) if isinstance(row, str)}
    values = zip(*(missing if isinstance(row, str) else row for _, row in batch), strict=True)
    return RawRows([place for place, _ in batch], dict(zip(columns, values, strict=True)), faults)


def check_num_rows(num_rows: int, limits: Limits, origin: str) -> None:
    """Hold a number of rows against its limit.

    Raises:
        SourceError: There are more rows than are allowed.
    """
    if num_rows > limits.rows:
        raise SourceError(
            f"{origin} has more than the {limits.rows:,} rows that are allowed: "
            "raise data.max_rows if all of them are meant to be read."
        )


def check_size(size: int, limits: Limits, origin: str) -> None:
    """Hold a size, unpacked, against its limit.

    Raises:
        SourceError: It is larger than is allowed.
    """
    if size > limits.bytes:
        raise SourceError(
            f"{origin} unpacks to more than the {limits.bytes:,} bytes that are allowed: "
            "raise data.max_uncompressed_bytes if it can be trusted."
        )


def check_names(names: Sequence[str], origin: str) -> tuple[str, ...]:
    """The names of columns, if each can be told from the others.

    Raises:
        SourceError: A name is empty, or is there twice.
    """
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise SourceError(f"{origin}: column {number} has no name: expected one for each column.")
        if name in seen:
            raise SourceError(f"{origin} has two columns named {name!r}: rename one of them.")
        seen.add(name)
    return tuple(names)


def as_text(value: bool | int | float | Decimal) -> str:
    """A number as a person writes it: a label that some tool has turned into 1.0 is `1` again; true is `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or not math.isfinite(value) or not -_WHOLE_IN_A_FLOAT < value < _WHOLE_IN_A_FLOAT:
        return str(value)
    return str(int(value)) if value == int(value) else str(value)


def one_line(error: BaseException) -> str:
    """What a library says of an error, in one line of bounded length."""
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
