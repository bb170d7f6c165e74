"""From the name of a source to its reviews. `auto` looks for the best that is there, and says why it took it."""

from __future__ import annotations

import logging
from pathlib import Path

from storage.errors import SourceError
from storage.options import RunOptions
from storage.settings import Settings
from tasks.sources import keras_imdb, synthetic
from tasks.sources.base import Reviews

logger = logging.getLogger(__name__)

IMDB_LINE = "imdb"


def check_source(options: RunOptions, settings: Settings) -> None:
    """Say at once what would only be found out later: an unknown source, a file that is not there.

    Raises:
        SourceError: The source's name or path cannot be used.
    """
    if options.source in ("auto", "imdb"):
        path = settings.imdb_file
    elif options.source == "synthetic":
        path = None
    else:
        path = _path(options.source)
    if path is not None and not path.is_file():
        raise SourceError(f"there is no file {path}: expected an .npz file in the layout of Keras' imdb.npz.")


def load_reviews(options: RunOptions, settings: Settings) -> Reviews:
    """Read the source that the options name.

    Raises:
        SourceError: It cannot be read. `auto` never hides a fault of a file that is there: only an absent file and an
            absent network lead it on to the next source.
    """
    if options.source == "synthetic":
        return synthetic.generate(options.synthetic, reason="the synthetic corpus was asked for")
    if options.source in ("auto", "imdb"):
        return _imdb_or_synthetic(options, settings)
    path = _path(options.source)
    return _read(path, path.stem, "this file was asked for", options)


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
            raise SourceError(f"{before}; {error}: download it elsewhere and name it in RETRAIN_IMDB_FILE.") from error
        return synthetic.generate(options.synthetic, reason=f"{before}; {error}")
    return _read(path, IMDB_LINE, f"{before}; downloaded, and its SHA-256 is the one that Keras gives", options)


def _path(source: str) -> Path:
    path = Path(source).expanduser().absolute()
    if path.suffix != ".npz":
        raise SourceError(
            f"unknown source {source!r}: expected auto, imdb, synthetic, or the path of an .npz file "
            "in the layout of Keras' imdb.npz."
        )
    return path


def _read(path: Path, line: str, reason: str, options: RunOptions) -> Reviews:
    return keras_imdb.read_imdb(path, line=line, reason=reason, max_bytes=options.data.max_uncompressed_bytes)
