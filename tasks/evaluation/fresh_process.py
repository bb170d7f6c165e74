"""Scoring with a published bundle in a process of its own, which shares nothing with this one but the bundle's files.

The child runs `python -m tasks.evaluation.fresh_process BUNDLES DIGEST FOLDER`: it reads raw reviews from the folder,
texts or word ranks, as Parquet or `.npy` without pickle, and writes the probabilities there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.bundles import load_bundle
from storage.errors import ContentError, RetrainError
from storage.sequences import Sequences
from storage.snapshots import Raw
from tasks.training.runtime import prepare_keras

# Loading TensorFlow takes seconds; this is for a machine on its knees.
_TIMEOUT_SECONDS = 600.0
_ROOT = Path(__file__).resolve().parents[2]
_TEXTS, _VALUES, _OFFSETS, _PROBABILITIES = "texts.parquet", "values.npy", "offsets.npy", "probabilities.npy"


def score_in_fresh_process(
    bundles: Path, digest: str, reviews: Raw, *, timeout: float = _TIMEOUT_SECONDS
) -> npt.NDArray[np.float32]:
    """Probabilities of label 1, float32 `(rows,)`, as a process that starts now computes them.

    The child has this one's environment, `KERAS_BACKEND` included, and dies with this one's interruption.

    Args:
        bundles: Folder of the published bundles.
        digest: The bundle.
        reviews: Texts, `(rows,)`, or word ranks, `(rows, ragged)`, as a snapshot holds them.
        timeout: Seconds after which the child is killed.

    Raises:
        ContentError: The child failed, took too long, or left no result; in its own last words.
    """
    with tempfile.TemporaryDirectory(prefix="retrain-reload-") as name:
        folder = Path(name)
        _write(folder, reviews)
        _run([str(bundles.absolute()), digest, name], timeout)
        try:
            probabilities: npt.NDArray[np.float32] = np.load(folder / _PROBABILITIES, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ContentError("a fresh process ended without a result.") from error
        return probabilities


def _run(arguments: list[str], timeout: float) -> None:
    """Run the child to its end, well or not; whatever interrupts the wait kills it."""
    # -P: a folder named `tasks` where the user happens to stand is not ours.
    command = [sys.executable, "-P", "-m", "tasks.evaluation.fresh_process", *arguments]
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    quiet, heard = subprocess.DEVNULL, subprocess.PIPE
    try:
        with subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=heard) as child:
            try:
                _, said = child.communicate(timeout=timeout)
            except BaseException:
                child.kill()
                child.wait()
                raise
    except subprocess.TimeoutExpired as error:
        raise ContentError(f"a fresh process did not score the bundle within {timeout:g} seconds.") from error
    except OSError as error:
        raise ContentError(f"no fresh process could be started: {error}.") from error
    if child.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit status {child.returncode}"
        raise ContentError(f"a fresh process could not score the bundle: {last}")


def _write(folder: Path, reviews: Raw) -> None:
    if isinstance(reviews, Sequences):
        np.save(folder / _VALUES, reviews.values)
        np.save(folder / _OFFSETS, reviews.offsets)
    else:
        pq.write_table(pa.table({"text": reviews}), folder / _TEXTS)


def _read(folder: Path) -> Raw:
    if (folder / _TEXTS).is_file():
        return pq.read_table(folder / _TEXTS)["text"].combine_chunks()
    values, offsets = (np.load(folder / name, allow_pickle=False) for name in (_VALUES, _OFFSETS))
    return Sequences(values, offsets)


def main(bundles: str, digest: str, folder: str) -> None:
    """The child: score what is in the folder.

    Raises:
        ContentError: The bundle cannot be loaded.
    """
    prepare_keras()
    from tasks.evaluation.scoring import score

    probabilities = score(load_bundle(Path(bundles), digest), _read(Path(folder)))
    np.save(Path(folder) / _PROBABILITIES, probabilities)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except RetrainError as error:
        # In one line, since the parent reads the last one.
        sys.exit(" ".join(str(error).split()))
