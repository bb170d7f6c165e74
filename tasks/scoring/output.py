"""A file of scored rows: .parquet, .csv or .jsonl. It appears under its name when it is complete, or not at all.

The rows are made elsewhere. While they are written they stand in a hidden file beside the output, which only takes the
name, and the place of a file that was there before, once everything is on the disk.
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import OptionError

SCHEMA = pa.schema(
    {
        "source": pa.string(),
        "row": pa.int64(),
        "id": pa.string(),
        "probability": pa.float32(),
        "label": pa.int8(),
        "champion": pa.string(),
        "refused": pa.string(),
    }
)


class _Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _CsvRows:
    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(SCHEMA.names)

    def write(self, table: pa.Table) -> None:
        columns = [column.to_pylist() for column in _shortest(table).columns]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._text.detach()


class _JsonRows:
    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")

    def write(self, table: pa.Table) -> None:
        rows = _shortest(table).to_pylist()
        self._text.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)

    def close(self) -> None:
        self._text.detach()


def _shortest(table: pa.Table) -> pa.Table:
    """Probabilities as the shortest numbers that are the same float32: 0.1, not 0.10000000149011612."""
    place = SCHEMA.get_field_index("probability")
    return table.set_column(place, "probability", table["probability"].cast(pa.string()).cast(pa.float64()))


def _parquet_rows(file: BinaryIO) -> _Writer:
    writer: _Writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
    return writer


_WRITERS = {".parquet": _parquet_rows, ".csv": _CsvRows, ".jsonl": _JsonRows}
OUTPUT_ENDINGS = tuple(_WRITERS)


class Output:
    """Takes rows of `SCHEMA`, one table after the other."""

    def __init__(self, path: Path, writer: _Writer) -> None:
        """What `complete_or_nothing` has opened."""
        self._path, self._writer = path, writer

    def write(self, table: pa.Table) -> None:
        """Add rows.

        Raises:
            OptionError: They cannot be written.
        """
        with _explained(self._path):
            self._writer.write(table)


def check_output(path: Path, *origins: str) -> None:
    """Say at once that an output cannot be written.

    Args:
        path: The output.
        origins: Where the rows are read from, once that is known.

    Raises:
        OptionError: Its ending is unknown, its folder is not there or not to be written to, or it is no file, or the
            very one that is read.
    """
    if path.suffix.lower() not in OUTPUT_ENDINGS:
        raise OptionError(f"the output {path} must end in {', '.join(OUTPUT_ENDINGS)}.")
    with _explained(path):
        if not path.parent.is_dir():
            raise OptionError(f"the folder {path.parent} of the output is not there: make it, or name another one.")
        if path.exists() and not path.is_file():
            raise OptionError(f"the output {path} is there already, and is not a file: name another one.")
        if path.exists() and any(origin and Path(origin).exists() and path.samefile(origin) for origin in origins):
            raise OptionError(f"the output {path} is the file that is read: name another one.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise OptionError(f"the folder {path.parent} of the output cannot be written to: name another one.")


@contextmanager
def complete_or_nothing(path: Path) -> Iterator[Output]:
    """An output that is there in the end, unless something is raised.

    Raises:
        OptionError: It cannot be written.
    """
    unfinished = path.with_name(f".unfinished-{secrets.token_hex(4)}-{path.name}")
    with _explained(path):
        # Exclusive: what somebody else has put at that name, such as a link, is not followed.
        file = unfinished.open("xb")
    writer = None
    try:
        with _explained(path):
            writer = _WRITERS[path.suffix.lower()](file)
        yield Output(path, writer)
        with _explained(path):
            writer.close()
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)
    finally:
        # After a failure there is nothing to be saved; what is already closed does not mind.
        with suppress(OSError, ValueError):
            if writer is not None:
                writer.close()
        with suppress(OSError):
            file.close()
        unfinished.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OptionError(f"the output {path} cannot be written: {error.strerror or error}.") from error
