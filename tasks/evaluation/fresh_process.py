"""Scoring with a published bundle in a process of its own, which shares nothing with this one but the bundle's files.

The child runs `python -m tasks.evaluation.fresh_process`, loads Keras, and waits for one line of JSON: the folder of
bundles, a digest, and a folder. From that it reads raw reviews, texts or word ranks, as Parquet or `.npy` without
pickle, and writes the probabilities there. Where no line comes before its input ends, it ends, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

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


class FreshProcess:
    """A process that may be started before there is anything to score: Keras takes seconds to load.

        with FreshProcess() as fresh:
            fresh.start()
            ...
            probabilities = fresh.score(bundles, digest, reviews)

    The child has this one's environment, `KERAS_BACKEND` included, and dies with this one's interruption.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._child: subprocess.Popen[bytes] | None = None
        self._problem: OSError | None = None

    def __enter__(self) -> Self:
        """Begin with nothing started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the child, if it is there still."""
        if self._child is not None:
            with self._child as child:
                child.kill()

    def start(self) -> None:
        """Let the child begin to load; that it cannot be started is told when it is to score."""
        # -P: a folder named `tasks` where the user happens to stand is not ours.
        command = [sys.executable, "-P", "-m", "tasks.evaluation.fresh_process"]
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        quiet, pipe = subprocess.DEVNULL, subprocess.PIPE
        try:
            self._child = subprocess.Popen(command, env=environment, stdin=pipe, stdout=quiet, stderr=pipe)
        except OSError as error:
            self._problem = error

    def score(
        self, bundles: Path, digest: str, reviews: Raw, *, timeout: float = _TIMEOUT_SECONDS
    ) -> npt.NDArray[np.float32]:
        """Probabilities of label 1, float32 `(rows,)`; can be called once.

        Args:
            bundles: Folder of the published bundles.
            digest: The bundle.
            reviews: Texts, `(rows,)`, or word ranks, `(rows, ragged)`, as a snapshot holds them.
            timeout: Seconds after which the child is killed.

        Raises:
            ContentError: The child failed, took too long, or left no result; in its own last words.
        """
        if self._child is None:
            self.start()
        with tempfile.TemporaryDirectory(prefix="retrain-reload-") as name:
            folder = Path(name)
            _write(folder, reviews)
            self._run([str(bundles.absolute()), digest, name], timeout)
            try:
                probabilities: npt.NDArray[np.float32] = np.load(folder / _PROBABILITIES, allow_pickle=False)
            except (OSError, ValueError) as error:
                raise ContentError("a fresh process ended without a result.") from error
            return probabilities

    def _run(self, told: list[str], timeout: float) -> None:
        """Tell the child what to do, and wait for its end, well or not."""
        child = self._child
        if child is None:
            raise ContentError(f"no fresh process could be started: {self._problem}.") from self._problem
        try:
            _, said = child.communicate(json.dumps(told).encode(), timeout)
        except subprocess.TimeoutExpired as error:
            raise ContentError(f"a fresh process did not score the bundle within {timeout:g} seconds.") from error
        if child.returncode != 0:
            lines = said.decode(errors="replace").strip().splitlines()
            last = lines[-1] if lines else f"exit status {child.returncode}"
            raise ContentError(f"a fresh process could not score the bundle: {last}")


def score_in_fresh_process(
    bundles: Path, digest: str, reviews: Raw, *, timeout: float = _TIMEOUT_SECONDS
) -> npt.NDArray[np.float32]:
    """`FreshProcess.score` of a process that starts now; the arguments, the result and the error are its."""
    with FreshProcess() as fresh:
        return fresh.score(bundles, digest, reviews, timeout=timeout)


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


def main() -> None:
    """The child: load Keras, and score what it is told to.

    Raises:
        ContentError: The bundle cannot be loaded.
    """
    prepare_keras()
    from tasks.evaluation.scoring import score

    line = sys.stdin.read()
    if not line:
        # Whoever started it needs it no more.
        return
    bundles, digest, folder = json.loads(line)
    probabilities = score(load_bundle(Path(bundles), digest), _read(Path(folder)))
    np.save(Path(folder) / _PROBABILITIES, probabilities)


if __name__ == "__main__":
    try:
        main()
    except RetrainError as error:
        # In one line, since the parent reads the last one.
        sys.exit(" ".join(str(error).split()))
