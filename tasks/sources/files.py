"""From a path to the reader of what is there. Nothing is read here."""

from __future__ import annotations

from pathlib import Path

from storage.errors import SourceError
from storage.options import ColumnOptions
from tasks.sources.base import Limits, TextSource
from tasks.sources.delimited import DelimitedSource
from tasks.sources.folder import FolderSource, has_classes
from tasks.sources.json_lines import JsonLinesSource
from tasks.sources.parquet import ParquetSource

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_PACKED = ".gz"
TEXT_ENDINGS = (*_DELIMITERS, *_JSON_LINES, ".parquet", *(f"{name}{_PACKED}" for name in (*_DELIMITERS, *_JSON_LINES)))


def open_path(path: Path, columns: ColumnOptions, limits: Limits) -> TextSource:
    """The reader of a file of texts, or of a folder of them.

    Args:
        path: Its ending says what it is.
        columns: What a folder's columns are to be called.
        limits: How much may be read.

    Raises:
        SourceError: There is nothing at that path, or nothing that is known.
    """
    if path.is_dir():
        return _open_folder(path, columns, limits)
    ending = _ending(path)
    if ending not in TEXT_ENDINGS:
        raise SourceError(
            f"{path} has an unknown ending: expected one of {', '.join(TEXT_ENDINGS)}, or a folder like aclImdb."
        )
    # A pipe or a device would keep the reader waiting, or never end.
    if not path.is_file():
        raise SourceError(f"{path} is not a file." if path.exists() else f"there is no file {path}.")
    kind = ending.removesuffix(_PACKED)
    if kind in _DELIMITERS:
        return DelimitedSource(path, limits, _DELIMITERS[kind])
    return JsonLinesSource(path, limits) if kind in _JSON_LINES else ParquetSource(path, limits)


def _open_folder(path: Path, columns: ColumnOptions, limits: Limits) -> TextSource:
    if not has_classes(path):
        raise SourceError(
            f"the folder {path} has no folders pos and neg, and none like train/pos: expected reviews as .txt files "
            "in such folders, as in aclImdb, or the path of a single file."
        )
    return FolderSource(path, columns, limits)


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    return "".join(suffixes) if suffixes[-1:] == [_PACKED] else "".join(suffixes[-1:])
