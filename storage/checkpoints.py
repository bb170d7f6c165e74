"""The state of a training that is not done, in one file that is written anew after each epoch.

A file is a .npz without pickle: arrays, and JSON that says what they are. It is written elsewhere, flushed and renamed,
so that a kill at any moment leaves the state of one epoch or of the next. Zip keeps a CRC-32 of every array, which is
compared before anything is parsed.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.content import canonical_json, staging
from storage.errors import ContentError

# Of the array that says what the file holds.
_CONTENTS = "contents"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a training needs to go on.

    Attributes:
        state: Numbers and words, as plain JSON.
        arrays: By name.
    """

    state: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


def checkpoint_file(root: Path, training_key: str) -> Path:
    """Where the state of a training is, if it has one."""
    return root / f"{training_key}.npz"


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Put a state into the place of the one before.

    Raises:
        OSError: It cannot be written; the one before is as it was.
    """
    contents = canonical_json({"state": checkpoint.state, "arrays": list(checkpoint.arrays)})
    arrays = {_CONTENTS: np.frombuffer(contents.encode(), dtype=np.uint8), **checkpoint.arrays}
    with staging(path.parent) as folder:
        new = folder / path.name
        with new.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The state that was written last; None if there is none.

    Raises:
        ContentError: The file is damaged, or not a checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {entry.filename.removesuffix(".npy"): _read(archive, entry) for entry in archive.infolist()}
        contents = json.loads(arrays.pop(_CONTENTS).tobytes())
        if list(arrays) != contents["arrays"]:
            raise ValueError("not all of its arrays are there")
        return Checkpoint(contents["state"], arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise ContentError(f"{path} is not a whole checkpoint: {error}.") from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename} is compressed, which no array of a checkpoint is")
    # Zip compares the sum at the last byte: a header that is read before may ask for all memory there is.
    content = io.BytesIO(archive.read(entry))
    array: npt.NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    return array
