"""From the names of sources to what is read. `auto` looks for the best that is there, and says why it took it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from storage.errors import SourceError
from storage.options import RunOptions
from storage.settings import Settings
from tasks.sources import keras_imdb, synthetic
from tasks.sources.base import Limits, Reviews
from tasks.sources.contents import check_columns
from tasks.sources.files import TEXT_ENDINGS, open_path
from tasks.sources.named import RESERVED, NamedSource, read_named
from tasks.sources.sql import SqlSource
from tasks.sources.texts import TextPart

logger = logging.getLogger(__name__)

IMDB_LINE = "imdb"


@dataclass(frozen=True)
class OpenedTexts:
    """Sources of texts, found but not yet read.

    Attributes:
        line: The dataset's name, that of the first source.
        reason: Why these sources are used, one sentence.
        parts: In the order in which they are read.
    """

    line: str
    reason: str
    parts: tuple[TextPart, ...]

    @property
    def origin(self) -> str:
        """Where the reviews are from."""
        return ", ".join(part.source.origin for part in self.parts)

    @property
    def sha256(self) -> str:
        """Of the file, where there is one file and no more."""
        return self.parts[0].source.sha256 if len(self.parts) == 1 else ""


def check_source(options: RunOptions, settings: Settings) -> None:
    """Say at once what would only be found out later: an unknown source, a file that is not there.

    Raises:
        SourceError: The source's name or path cannot be used.
    """
    if _is_ranks(options.source):
        _refuse_append(options)
        path = settings.imdb_file if options.source in ("auto", "imdb") else _npz(options.source)
        if path is not None and not path.is_file():
            raise SourceError(f"there is no file {path}: expected an .npz file in the layout of Keras' imdb.npz.")
    else:
        for part in open_texts(options, settings).parts:
            check_columns(part.source, part.columns, labelled=True)


def check_is_named(options: RunOptions, settings: Settings) -> None:
    """Refuse paths, where sources are chosen by people who may choose, but not open files.

    Raises:
        SourceError: A source is none of the names.
    """
    names = [*RESERVED, *read_named(settings.sources_file)]
    for source in (options.source, *options.append):
        if source not in names:
            raise SourceError(
                f"a deployment reads named sources only, and {source!r} is none of {', '.join(names)}: give it a name "
                f"in {settings.sources_file}, or run `retrain run --source` on the machine itself."
            )


def open_source(options: RunOptions, settings: Settings) -> Reviews | OpenedTexts:
    """Read the token ranks that the options name, or find the texts.

    Raises:
        SourceError: It cannot be read. `auto` never hides a fault of a file that is there: only an absent file and an
            absent network lead it on to the next source.
    """
    if not _is_ranks(options.source):
        return open_texts(options, settings)
    _refuse_append(options)
    if options.source == "synthetic":
        return synthetic.generate(options.synthetic, reason="the synthetic corpus was asked for")
    if options.source in ("auto", "imdb"):
        return _imdb_or_synthetic(options, settings)
    path = _npz(options.source)
    assert path is not None
    return _read(path, path.stem, "this file was asked for", options)


def open_texts(options: RunOptions, settings: Settings) -> OpenedTexts:
    """Find sources of texts, by name or by path.

    Raises:
        SourceError: One of them is not there, or is none of texts.
    """
    named = read_named(settings.sources_file)
    sources = (options.source, *options.append)
    parts = [part for source in sources for part in _parts(source, named, options, settings)]
    by_name = options.source in named
    line = options.source if by_name else _path(options.source).stem
    if line in RESERVED:
        raise SourceError(f"the line {line!r} is taken by a source of that name: rename {options.source}.")
    reason = f"{settings.sources_file} names it" if by_name else "it was asked for"
    return OpenedTexts(line, reason, tuple(parts))


def _parts(source: str, named: dict[str, NamedSource], options: RunOptions, settings: Settings) -> list[TextPart]:
    limits = Limits(options.data.max_uncompressed_bytes, options.data.max_rows, options.data.max_text_length)
    if source not in named:
        path = _path(source)
        if path.suffix == ".npz" or source in RESERVED:
            raise SourceError(f"{source} holds no texts, and cannot be put together with other sources.")
        if not path.exists() and path.suffix not in TEXT_ENDINGS and "/" not in source:
            raise _unknown(source, named)
        return [TextPart(path.stem, open_path(path, options.columns, limits), options.columns)]
    one = named[source]
    if one.query:
        return [TextPart(source, SqlSource(one.database_url(source), one.query, limits, source), one.columns)]
    assert settings.sources_file is not None
    files = one.files(source, settings.sources_file.parent)
    return [TextPart(path.stem, open_path(path, one.columns, limits), one.columns) for path in files]


def _unknown(source: str, named: dict[str, NamedSource]) -> SourceError:
    return SourceError(
        f"unknown source {source!r}: expected {', '.join([*RESERVED, *named])}, a file that ends in "
        f"{', '.join(TEXT_ENDINGS)} or .npz, or a folder of reviews."
    )


def _is_ranks(source: str) -> bool:
    return source in RESERVED or source.endswith(".npz")


def _npz(source: str) -> Path | None:
    return _path(source) if source.endswith(".npz") else None


def _refuse_append(options: RunOptions) -> None:
    if options.append:
        raise SourceError(f"{options.source} holds no texts, and cannot be put together with {options.append[0]}.")


def _imdb_or_synthetic(options: RunOptions, settings: Settings) -> Reviews:
    if settings.imdb_file is not None:
        return _read(settings.imdb_file, IMDB_LINE, "RETRAIN_IMDB_FILE names it", options)
    cached = keras_imdb.keras_cache()
    if cached.is_file():
        return _read(cached, IMDB_LINE, "RETRAIN_IMDB_FILE is not set, and Keras has it in its cache", options)
    before = f"RETRAIN_IMDB_FILE is not set and {cached} is not there"
    try:
        logger.info("%s: asking %s", before, keras_imdb.DOWNLOAD_URL)
        path = keras_imdb.download(settings.downloads)
    except SourceError as error:
        if options.source == "imdb":
            # Of the same kind: one that may pass is tried again.
            raise type(error)(f"{before}; {error}: download it elsewhere and name it in RETRAIN_IMDB_FILE.") from error
        return synthetic.generate(options.synthetic, reason=f"{before}; {error}")
    return _read(path, IMDB_LINE, f"{before}; downloaded, and its SHA-256 is the one that Keras gives", options)


def _path(source: str) -> Path:
    return Path(source).expanduser().absolute()


def _read(path: Path, line: str, reason: str, options: RunOptions) -> Reviews:
    return keras_imdb.read_imdb(path, line=line, reason=reason, max_bytes=options.data.max_uncompressed_bytes)
