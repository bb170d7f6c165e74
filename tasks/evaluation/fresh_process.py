"""Scoring with published bundles in a process of its own, which shares nothing with this one but the bundles' files.

The child runs `python -m tasks.evaluation.fresh_process`, loads Keras, and answers lines of JSON, each a list: what is
asked (`score`, `predict` or `logits`), the folder of bundles, a digest, a folder, and how wide to pad for logits. From
that folder it reads raw reviews, texts or word ranks, or what the model is fed with, as Parquet or `.npy` without
pickle, and writes the answers there; then it says in a line how much memory it has taken. Where its input ends, it
ends, too.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.bundles import load_bundle
from storage.errors import ContentError, RetrainError
from storage.processes import peak_memory_bytes
from storage.sequences import Sequences
from storage.snapshots import Raw
from tasks.training.runtime import prepare_keras

# Loading TensorFlow takes seconds; this is for a machine on its knees.
_TIMEOUT_SECONDS = 600.0
_ROOT = Path(__file__).resolve().parents[2]
_TEXTS, _VALUES, _OFFSETS, _FEATURES = "texts.parquet", "values.npy", "offsets.npy", "features.npy"
_ANSWERS = "answers.npy"

Floats = npt.NDArray[np.float32]


class FreshProcess:
    """A process that may be started before there is anything to score: Keras takes seconds to load.

        with FreshProcess() as fresh:
            fresh.start()
            ...
            probabilities = fresh.score(bundles, digest, reviews)

    The child has this one's environment, `KERAS_BACKEND` included, and dies with this one's interruption. If it fails,
    what was asked is an error, and what is asked next is asked of a new one.

    Attributes:
        seconds: How long this process has waited for answers.
        peak_memory_bytes: The most that the child had taken when it last answered.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.seconds, self.peak_memory_bytes = 0.0, 0
        self._child: subprocess.Popen[bytes] | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (what leaves the process closes it)

    def __enter__(self) -> Self:
        """Begin with nothing started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the child, if it is there still."""
        self._end()
        self._words.close()

    def start(self) -> None:
        """Let the child begin to load; that it cannot be started is told when it is to answer."""
        with suppress(ContentError):
            self._start()

    def score(self, bundles: Path, digest: str, reviews: Raw, *, timeout: float = _TIMEOUT_SECONDS) -> Floats:
        """Probabilities of label 1, float32 `(rows,)`.

        Args:
            bundles: Folder of the published bundles.
            digest: The bundle.
            reviews: Texts, `(rows,)`, or word ranks, `(rows, ragged)`, as a snapshot holds them.
            timeout: Seconds after which the child is killed.

        Raises:
            ContentError: The child failed, took too long, or left no result; in its own last words.
        """
        return self._ask("score", bundles, digest, reviews, timeout=timeout)

    def predict(self, bundles: Path, digest: str, sequences: Sequences, features: Floats) -> Floats:
        """Probabilities of label 1, float32 `(rows,)`, of what the model is fed with; errors are those of `score`."""
        return self._ask("predict", bundles, digest, sequences, features)

    def logits(self, bundles: Path, digest: str, sequences: Sequences, features: Floats, width: int) -> Floats:
        """Logits, float32 `(rows,)`, of one batch that is padded to a width; errors are those of `score`."""
        return self._ask("logits", bundles, digest, sequences, features, width=width)

    def _ask(
        self,
        what: str,
        bundles: Path,
        digest: str,
        reviews: Raw,
        features: Floats | None = None,
        *,
        width: int = 0,
        timeout: float = _TIMEOUT_SECONDS,
    ) -> Floats:
        started = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="retrain-reload-") as name:
                _write(Path(name), reviews, features)
                self._exchange([what, str(bundles.absolute()), digest, name, width], timeout)
                answers: Floats = np.load(Path(name) / _ANSWERS, allow_pickle=False)
                return answers
        finally:
            self.seconds += time.monotonic() - started

    def _exchange(self, question: list[Any], timeout: float) -> None:
        """Ask, and wait until it is answered.

        Raises:
            ContentError: It was not.
        """
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        # Why a child is gone, it tells below.
        with suppress(BrokenPipeError):
            child.stdin.write(f"{json.dumps(question)}\n".encode())
        try:
            said = _line(child.stdout, timeout)
        except TimeoutError as error:
            self._end()
            raise ContentError(f"a fresh process did not score the bundle within {timeout:g} seconds.") from error
        if not said:
            child.wait()
            self._end()
            raise ContentError(_last_words(child.returncode, self._words))
        self.peak_memory_bytes = json.loads(said)

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: a folder named `tasks` where the user happens to stand is not ours.
        command = [sys.executable, "-P", "-m", "tasks.evaluation.fresh_process"]
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        pipe = subprocess.PIPE
        self._words.seek(0)
        self._words.truncate()
        try:
            self._child = subprocess.Popen(command, 0, env=environment, stdin=pipe, stdout=pipe, stderr=self._words)
        except OSError as error:
            raise ContentError(f"no fresh process could be started: {error}.") from error
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            with self._child as child:
                child.kill()
            self._child = None


def score_in_fresh_process(bundles: Path, digest: str, reviews: Raw, *, timeout: float = _TIMEOUT_SECONDS) -> Floats:
    """`FreshProcess.score` of a process that starts now; the arguments, the result and the error are its."""
    with FreshProcess() as fresh:
        return fresh.score(bundles, digest, reviews, timeout=timeout)


def _line(pipe: IO[bytes], timeout: float) -> bytes:
    """The next line of a pipe that is not buffered; nothing where the pipe ends first.

    Raises:
        TimeoutError: It did not come in time, in seconds.
    """
    deadline = time.monotonic() + timeout
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not said.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            read = os.read(pipe.fileno(), 2**16)
            if not read:
                return b""
            said += read
    return said


def _last_words(status: int, words: IO[bytes]) -> str:
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    if status == 0:
        return "a fresh process ended without a result."
    return f"a fresh process could not score the bundle: {lines[-1] if lines else f'exit status {status}'}"


def _write(folder: Path, reviews: Raw, features: Floats | None) -> None:
    if features is not None:
        np.save(folder / _FEATURES, features)
    if isinstance(reviews, Sequences):
        np.save(folder / _VALUES, reviews.values)
        np.save(folder / _OFFSETS, reviews.offsets)
    else:
        pq.write_table(pa.table({"text": reviews}), folder / _TEXTS)


def _raw(folder: Path) -> Raw:
    if (folder / _TEXTS).is_file():
        return pq.read_table(folder / _TEXTS)["text"].combine_chunks()
    return _sequences(folder)


def _sequences(folder: Path) -> Sequences:
    return Sequences(*(np.load(folder / name, allow_pickle=False) for name in (_VALUES, _OFFSETS)))


def main() -> None:
    """The child: load Keras, and answer what it is asked.

    Raises:
        ContentError: A bundle cannot be loaded.
    """
    # Whatever a library may print belongs to standard error: this pipe is for our lines alone.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    prepare_keras()
    from tasks.evaluation.scoring import score
    from tasks.features.batching import logits, predict, without_sigmoid

    bundle = lru_cache(1)(load_bundle)
    linear = lru_cache(1)(lambda root, digest: without_sigmoid(bundle(root, digest).model))
    for line in sys.stdin:
        what, bundles, digest, name, width = json.loads(line)
        of, folder = (Path(bundles), digest), Path(name)
        if what == "score":
            answers = score(bundle(*of), _raw(folder))
        else:
            given = _sequences(folder), np.load(folder / _FEATURES, allow_pickle=False)
            answers = predict(bundle(*of).model, *given) if what == "predict" else logits(linear(*of), *given, width)
        np.save(folder / _ANSWERS, answers)
        print(peak_memory_bytes(), file=replies, flush=True)


if __name__ == "__main__":
    try:
        main()
    except RetrainError as error:
        # In one line, since the parent reads the last one.
        sys.exit(" ".join(str(error).split()))
