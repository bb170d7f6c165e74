"""Keras' IMDB layout: an .npz with `x_train, y_train, x_test, y_test`, rows of word ranks in pickled object arrays.

Read through a restricted unpickler after its unpacked size was checked; never with `allow_pickle=True`. Keras has such
a reader too, but as a private function without a bound on the size, behind an import that takes seconds.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pooch
import pyarrow as pa

from storage.content import sha256_of_file
from storage.errors import SourceError, UnavailableSourceError
from storage.sequences import Sequences
from tasks.sources.base import LabelledReviews, Reviews

# Keras' own address and hash of the file (keras.datasets.imdb.load_data).
DOWNLOAD_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz"
DOWNLOAD_SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_CONNECT_AND_READ_SECONDS = (3.05, 30)

_KEYS = ("x_train", "y_train", "x_test", "y_test")
# Rebuilding an object array needs these and nothing else; numpy 1 and 2 spell the module differently.
_ALLOWED_GLOBALS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED_GLOBALS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no list of reviews needs")


def keras_cache() -> Path:
    """Where Keras keeps its copy of the file."""
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    return Path(home) / "datasets" / "imdb.npz"


def download(folder: Path) -> Path:
    """Fetch Keras' file into `folder`, unless it is there; either way its SHA-256 is Keras' published one.

    Raises:
        UnavailableSourceError: There is no network, or the server is in trouble.
        SourceError: It is not there, what came is another file, or the file cannot be written.
    """
    pooch.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            DOWNLOAD_URL,
            known_hash=f"sha256:{DOWNLOAD_SHA256}",
            fname="imdb.npz",
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=_CONNECT_AND_READ_SECONDS),
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        kind = UnavailableSourceError if _may_pass(error) else SourceError
        raise kind(f"the download from {DOWNLOAD_URL} failed ({type(error).__name__})") from error
    return Path(path)


def _may_pass(error: Exception) -> bool:
    """Whether the same request may be answered later. Of all errors, only those of requests know of a response."""
    if not hasattr(error, "response"):
        return False
    if error.response is None:
        return True
    # Whoever raises it leaves the connection open.
    error.response.close()
    return error.response.status_code in (408, 429) or error.response.status_code >= 500


def read_imdb(path: Path, *, line: str, reason: str, max_bytes: int) -> Reviews:
    """Read and validate an .npz file in Keras' layout.

    Args:
        path: The file.
        line: The dataset's name.
        reason: Why this file is read, for the record.
        max_bytes: Bound on the unpacked size.

    Raises:
        SourceError: The file is missing, not such a file, too large, or its contents are not labelled reviews.
    """
    if not path.is_file():
        raise SourceError(f"there is no file {path}: expected an .npz file in the layout of Keras' imdb.npz.")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, max_bytes)
            arrays = {key: _read_array(path, key, archive) for key in _KEYS}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise SourceError(
            f"{path} is not a complete .npz file ({_one_line(error)}): it may be truncated; fetch it again."
        ) from error
    return Reviews(
        line=line,
        origin=str(path),
        reason=reason,
        sha256=sha256_of_file(path),
        train=_labelled(path, "train", arrays["x_train"], arrays["y_train"]),
        test=_labelled(path, "test", arrays["x_test"], arrays["y_test"]),
    )


def _check_members(path: Path, archive: zipfile.ZipFile, max_bytes: int) -> None:
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    missing = [key for key in _KEYS if f"{key}.npy" not in sizes]
    if missing:
        found = ", ".join(sorted(name.removesuffix(".npy") for name in sizes)[:10]) or "nothing"
        raise SourceError(f"{path} has no {', '.join(missing)}: expected the arrays {', '.join(_KEYS)}, found {found}.")
    total = sum(sizes[f"{key}.npy"] for key in _KEYS)
    if total > max_bytes:
        raise SourceError(
            f"{path} would unpack to {total:,} bytes, more than the {max_bytes:,} that are allowed: "
            "raise data.max_uncompressed_bytes if the file can be trusted."
        )


def _read_array(path: Path, key: str, archive: zipfile.ZipFile) -> npt.NDArray[Any]:
    try:
        with archive.open(f"{key}.npy") as member:
            return _read_npy(member)
    except (zipfile.BadZipFile, EOFError):
        raise
    except Exception as error:
        # Whatever a damaged or hostile stream makes its decoder raise, it is the file that is wrong.
        raise SourceError(f"{path}: {key} is not an array of numbers or of lists ({_one_line(error)}).") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _read_npy(member: IO[bytes]) -> npt.NDArray[Any]:
    version = np.lib.format.read_magic(member)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _fortran, dtype = reader(member)
    if not dtype.hasobject:
        array = np.frombuffer(member.read(), dtype=dtype)
    else:
        array = _RestrictedUnpickler(io.BytesIO(member.read())).load()
        if not isinstance(array, np.ndarray) or array.dtype != object:
            raise ValueError(f"expected an object array, found {type(array).__name__}")
    if len(shape) != 1 or array.shape != shape:
        raise ValueError(f"expected one dimension of {shape} entries, found {array.shape}")
    return array


def _labelled(path: Path, split: str, rows: npt.NDArray[Any], labels: npt.NDArray[Any]) -> LabelledReviews:
    if len(rows) != len(labels):
        raise SourceError(
            f"{path}: x_{split} has {len(rows):,} reviews and y_{split} {len(labels):,} labels: "
            "each review needs exactly one label."
        )
    if len(rows) == 0:
        raise SourceError(f"{path}: x_{split} is empty: expected at least one review.")
    return LabelledReviews(_tokens(path, split, rows), _labels(path, split, labels))


def _tokens(path: Path, split: str, rows: npt.NDArray[Any]) -> Sequences:
    try:
        tokens = Sequences.from_lists(rows)
    except (pa.ArrowException, OverflowError) as error:
        raise SourceError(f"{path}: x_{split} must hold lists of whole numbers ({_one_line(error)}).") from error
    empty = np.flatnonzero(tokens.lengths == 0)
    if len(empty):
        raise SourceError(
            f"{path}: {len(empty):,} reviews of x_{split} are empty, the first is row {empty[0]}: "
            "remove them, or give them their words."
        )
    low = np.flatnonzero(tokens.values < 1)
    if len(low):
        row = int(tokens.row_numbers[low[0]])
        raise SourceError(
            f"{path}: row {row} of x_{split} has the word rank {tokens.values[low[0]]}: ranks begin at 1."
        )
    return tokens


def _labels(path: Path, split: str, labels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    wrong = np.flatnonzero(~np.isin(labels, (0, 1)))
    if len(wrong):
        raise SourceError(
            f"{path}: row {wrong[0]} of y_{split} has the label {labels[wrong[0]]}, and {len(wrong):,} rows have "
            "a label other than 0 (negative) and 1 (positive)."
        )
    return labels.astype(np.uint8)
