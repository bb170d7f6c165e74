"""Lines of a UTF-8 file, plain or gzip, with a bound on how much of one is held. What they mean is not known here."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from storage.errors import SourceError
from tasks.sources.base import Limits
from tasks.sources.rows import check_size, one_line

_BUFFER = 1 << 16
_OTHER_UNICODE = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", codecs.BOM_UTF32_BE: "UTF-32"}
# With errors="surrogateescape", byte 0x80 + n is read as the surrogate U+DC80 + n.
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


class TooLongError(Exception):
    """A row is longer than the bound; never leaves the readers."""


class _Capped(io.RawIOBase):
    """A stream that ends in an error once more came out of it than is allowed: a small file may unpack to much."""

    def __init__(self, stream: IO[bytes], limits: Limits, origin: str) -> None:
        self._stream, self._limits, self._origin = stream, limits, origin
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        content = self._stream.read(len(buffer))
        self._size += len(content)
        check_size(self._size, self._limits, self._origin)
        buffer[: len(content)] = content
        return len(content)


@contextmanager
def open_text(path: Path, limits: Limits, *, newline: str) -> Iterator[TextIO]:
    """Open a file of text; whatever goes wrong while it is open is said of the file.

    Args:
        path: The file; it is unpacked if its name ends in .gz.
        limits: Of the size, unpacked.
        newline: As in `open`.

    Raises:
        SourceError: The file is missing, larger than it may be, damaged, or another encoding than UTF-8.
    """
    try:
        check_size(path.stat().st_size, limits, str(path))
        with path.open("rb") as file, _unpacked(path, file) as stream:
            buffered = io.BufferedReader(_Capped(stream, limits, str(path)), _BUFFER)
            _check_encoding(buffered.peek(4)[:4], path)
            with io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="surrogateescape", newline=newline) as text:
                yield text
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path} cannot be read ({one_line(error)}): it may be truncated or damaged.") from error


def _unpacked(path: Path, file: IO[bytes]) -> IO[bytes]:
    return gzip.GzipFile(fileobj=file, mode="rb") if path.suffix.lower() == ".gz" else file  # type: ignore[return-value]


def _check_encoding(start: bytes, path: Path) -> None:
    for mark, name in _OTHER_UNICODE.items():
        if start.startswith(mark):
            raise SourceError(f"{path} begins with the mark of {name}: expected UTF-8; save it as UTF-8.")
    if b"\0" in start:
        raise SourceError(f"{path} begins with NUL characters: expected text in UTF-8, received UTF-16 or no text.")


class BoundedLines:
    """Iterates over the lines of a stream, and keeps an account of the row that they belong to.

    Attributes:
        number: Lines read so far.
        num_quotes: Quotation marks of the row so far.
        flaw: What is wrong with the row as far as it was read; empty if nothing is.
        ended: Whether the stream has no more lines.
    """

    def __init__(self, stream: TextIO, limit: int) -> None:
        """Read `stream`, whose rows may have `limit` characters."""
        self._stream, self._limit = stream, limit
        self.number = 0
        self.ended = False
        self.begin_row()

    def begin_row(self) -> None:
        """The next line begins a row."""
        self._length = self.num_quotes = 0
        self.flaw = ""

    def __iter__(self) -> Iterator[str]:
        """Itself."""
        return self

    def __next__(self) -> str:
        """The next line, with its end.

        Raises:
            TooLongError: The row is longer than the bound. The rest of its line was read, and thrown away.
        """
        line = self._stream.readline(self._limit - self._length + 1)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self._length += len(line)
        self.num_quotes += line.count('"')
        if self._length > self._limit:
            self._throw_away_after(line)
            self.flaw = f"it is longer than {self._limit:,} characters"
            raise TooLongError
        if not self.flaw:
            self.flaw = _flaw(line)
        return line

    def skip_line(self) -> None:
        """Throw the next line away, of whatever length."""
        line = self._stream.readline(_BUFFER)
        self.ended = not line
        self.number += bool(line)
        self.num_quotes += line.count('"')
        self._throw_away_after(line)

    def _throw_away_after(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._stream.readline(_BUFFER)
            self.num_quotes += line.count('"')


def _flaw(line: str) -> str:
    if "\0" in line:
        return "it holds a NUL character"
    byte = None if line.isascii() else _ESCAPED_BYTE.search(line)
    return f"the byte 0x{ord(byte.group()) - 0xDC00:02X} is not UTF-8" if byte else ""
