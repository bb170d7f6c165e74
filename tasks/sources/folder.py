"""Texts in a folder tree like aclImdb: `train/pos/3_9.txt`, or `pos/3_9.txt` without a split."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from storage.errors import SourceError
from storage.options import ColumnOptions
from tasks.sources.base import Limits, RawRows
from tasks.sources.rows import Row, check_num_rows, check_size, gather

CLASSES = ("neg", "pos")
_ENDING = ".txt"
_RATED = re.compile(r"\d+_(\d+)", re.ASCII)
_LONGEST_CHARACTER, _SLACK = 4, 65_536


def has_classes(folder: Path) -> bool:
    """Whether reviews would be found in a folder: `pos` and `neg`, in it or in folders of it."""
    return bool(_class_folders(folder))


@dataclass(frozen=True)
class FolderSource:
    """A folder whose subfolders say what the reviews in them are. A list of all file names is held while it is read.

    Attributes:
        path: The folder.
        columns: What the columns are to be called.
        limits: How much of it may be read.
    """

    path: Path
    columns: ColumnOptions
    limits: Limits

    @property
    def origin(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def sha256(self) -> str:
        """There is no single file, so it is empty."""
        return ""

    def column_names(self) -> tuple[str, ...]:
        """Text, label and id, the split if there is such a level, the rating if a file's name has one.

        Raises:
            SourceError: There is no such folder, or none of the classes in it.
        """
        files = self._files()
        names = [self.columns.text, self.columns.label, self.columns.id]
        if files and _split(files[0]):
            names.append(self.columns.split)
        if any(_rating(file) for file in files):
            names.append(self.columns.rating)
        return tuple(names)

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        """The files in the order of a hash of their names; one that cannot be read as UTF-8 is at fault.

        Raises:
            SourceError: The folder holds more files, or larger ones, than the limits allow.
        """
        yield from gather(self._rows(columns), columns, self.limits, self.origin)

    def _rows(self, columns: Sequence[str]) -> Generator[Row, None, None]:
        read: dict[str, Callable[[PurePosixPath], str | None]] = {
            self.columns.label: lambda file: file.parent.name,
            self.columns.id: lambda file: _printable(file)[: -len(_ENDING)],
            self.columns.split: _split,
            self.columns.rating: _rating,
        }
        for file in self._files():
            place = _printable(file)
            try:
                text = self._text(file)
            except UnicodeDecodeError as error:
                yield place, f"the byte 0x{error.object[error.start]:02X} is not UTF-8"
            except OSError as error:
                yield place, f"it cannot be read ({error.strerror})"
            else:
                yield place, [text if name == self.columns.text else read[name](file) for name in columns]

    def _text(self, file: PurePosixPath) -> str:
        # A longer text is refused, so that it does not matter where it is cut, if only between two characters.
        with (self.path / file).open(encoding="utf-8-sig", newline="") as stream:
            return stream.read(_LONGEST_CHARACTER * self.limits.text_length + _SLACK)

    def _files(self) -> list[PurePosixPath]:
        """Relative paths, in the order of their hashes.

        A folder has no order of its own. In that of the names, all of one class come before all of the other, as no
        random split of one whole would have it. A hash mixes them, is the same on every machine, and a new file
        changes nothing in the order of the others.
        """
        folders = _class_folders(self.path)
        if not folders:
            raise SourceError(
                f"{self.path} has no folders pos and neg, and no train/pos and train/neg: expected the reviews as .txt "
                "files in such folders, as in aclImdb."
            )
        files: list[PurePosixPath] = []
        size = 0
        for folder in folders:
            for entry in _entries(self.path / folder):
                if entry.name.endswith(_ENDING) and entry.is_file(follow_symlinks=False):
                    size += entry.stat(follow_symlinks=False).st_size
                    files.append(folder / entry.name)
                    check_num_rows(len(files), self.limits, self.origin)
                    check_size(size, self.limits, self.origin)
        return sorted(files, key=lambda file: blake2b(os.fsencode(file), digest_size=16).digest())


def _class_folders(root: Path) -> list[PurePosixPath]:
    here = [PurePosixPath(name) for name in _folders(root) if name in CLASSES]
    below = [
        PurePosixPath(name, inner) for name in _folders(root) for inner in _folders(root / name) if inner in CLASSES
    ]
    if here and below:
        raise SourceError(
            f"{root} has {here[0]} and {below[0]}: expected the classes either in the folder itself or in folders "
            "for the splits, not both."
        )
    return here or below


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise SourceError(f"the folder {folder} cannot be read: {error.strerror}.") from error


def _printable(file: PurePosixPath) -> str:
    # Linux allows any bytes in a name; what is stored is text.
    return os.fsencode(file).decode(errors="backslashreplace")


def _split(file: PurePosixPath) -> str | None:
    return _printable(file.parents[1]) if len(file.parts) == 3 else None


def _rating(file: PurePosixPath) -> str | None:
    rated = _RATED.fullmatch(file.stem)
    return rated.group(1) if rated else None
