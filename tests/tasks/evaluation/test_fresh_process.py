from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from storage.bundles import MODEL_FILE, Predictions, load_bundle, publish_bundle
from storage.content import make_staging
from storage.errors import ContentError
from storage.sequences import Sequences
from tasks.checks.base import CheckedData
from tasks.evaluation.fresh_process import FreshProcess, score_in_fresh_process

pytestmark = pytest.mark.usefixtures("keras_prepared")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def digest(bundles: Path, checked_data: CheckedData) -> str:
    """A published model with random weights."""
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(6)
    model = build_model("advanced_bilstm_features", num_words=1000, num_features=6)
    folder = make_staging(bundles)
    model.save(folder / MODEL_FILE)
    matrix = checked_data.matrices["test"]
    return publish_bundle(
        folder,
        encoder=checked_data.encoder.to_json(),
        scaler=checked_data.scaler.to_json(),
        predictions=Predictions(matrix.sequence_ids, matrix.labels, np.zeros(len(matrix), dtype=np.float32)),
        manifest={},
    )


@pytest.fixture
def tokens(checked_data: CheckedData) -> Sequences:
    return checked_data.rows["test"].tokens


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """The living processes that this test has started; those of earlier tests may be there still."""
    before = {child.pid for child in psutil.Process().children()}

    def started() -> list[psutil.Process]:
        now = [child for child in psutil.Process().children() if child.pid not in before]
        return [child for child in now if child.status() != psutil.STATUS_ZOMBIE]

    return started


def test_a_fresh_process_gives_the_same_probabilities_wherever_it_is_started(
    bundles: Path,
    digest: str,
    tokens: Sequences,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from tasks.evaluation.scoring import score

    # What lies in the working folder under our names, or those of Python's own modules, is not ours.
    for name in ("tasks", "storage", "random"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a stranger')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    found = score_in_fresh_process(Path(os.path.relpath(bundles)), digest, tokens)
    # Before TensorFlow is asked in this process: there it has a word to say about some processors.
    assert capfd.readouterr() == ("", "")
    expected = score(load_bundle(bundles, digest), tokens)
    assert (found.shape, str(found.dtype)) == ((60,), "float32")
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_bundle_that_is_not_there_is_named_in_one_sentence(bundles: Path, tokens: Sequences) -> None:
    with pytest.raises(ContentError, match=r"^a fresh process could not score the bundle: .*has no readable manifest"):
        score_in_fresh_process(bundles, "0" * 64, tokens)


def test_the_child_has_this_process_backend_and_its_last_line_is_what_is_said(
    bundles: Path, digest: str, tokens: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    with pytest.raises(ContentError, match=r"could not score the bundle: ValueError: .*abacus") as caught:
        score_in_fresh_process(bundles, digest, tokens)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_child_that_takes_too_long_is_killed(
    bundles: Path, digest: str, tokens: Sequences, children: Callable[[], list[psutil.Process]]
) -> None:
    with pytest.raises(ContentError, match=r"within 0\.2 seconds"):
        score_in_fresh_process(bundles, digest, tokens, timeout=0.2)
    assert children() == []


def test_a_child_that_leaves_no_result_is_no_success(
    bundles: Path, digest: str, tokens: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.evaluation.fresh_process.sys.executable", "/bin/true")
    with pytest.raises(ContentError, match="ended without a result"):
        score_in_fresh_process(bundles, digest, tokens)
    monkeypatch.setattr("tasks.evaluation.fresh_process.sys.executable", "/bin/false")
    with pytest.raises(ContentError, match="exit status 1"):
        score_in_fresh_process(bundles, digest, tokens)
    monkeypatch.setattr("tasks.evaluation.fresh_process.sys.executable", "/nowhere/python")
    with pytest.raises(ContentError, match="no fresh process could be started"):
        score_in_fresh_process(bundles, digest, tokens)


def test_the_child_is_killed_when_this_process_is_interrupted(
    bundles: Path,
    digest: str,
    tokens: Sequences,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    children: Callable[[], list[psutil.Process]],
) -> None:
    never_ending = tmp_path / "python"
    never_ending.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    never_ending.chmod(0o700)
    monkeypatch.setattr("tasks.evaluation.fresh_process.sys.executable", str(never_ending))

    def interrupt() -> None:
        while not children():
            time.sleep(0.01)
        # A process is there before whoever starts it knows it; nothing can be killed in between.
        time.sleep(0.5)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        score_in_fresh_process(bundles, digest, tokens)
    thread.join()
    assert time.monotonic() - started < 60
    assert children() == []


def test_a_process_that_was_started_before_gives_the_same(bundles: Path, digest: str, tokens: Sequences) -> None:
    with FreshProcess() as fresh:
        fresh.start()
        found = fresh.score(bundles, digest, tokens)
    assert np.array_equal(found, score_in_fresh_process(bundles, digest, tokens))


def test_a_process_answers_one_question_after_the_other(
    bundles: Path, digest: str, tokens: Sequences, checked_data: CheckedData
) -> None:
    from tasks.features.batching import logits, predict, without_sigmoid

    model = load_bundle(bundles, digest).model
    matrix = checked_data.matrices["test"]
    rows = np.arange(5)
    few, features = matrix.sequences.take(rows), matrix.features[rows]
    with FreshProcess() as fresh:
        scored = fresh.score(bundles, digest, tokens)
        waited = fresh.seconds
        predicted = fresh.predict(bundles, digest, matrix.sequences, matrix.features)
        before_sigmoid = fresh.logits(bundles, digest, few, features, 90)

    assert 0 < waited < fresh.seconds
    assert fresh.peak_memory_bytes > 2**26
    np.testing.assert_allclose(predicted, predict(model, matrix.sequences, matrix.features), rtol=0, atol=1e-6)
    np.testing.assert_allclose(scored, predicted, rtol=0, atol=1e-6)
    expected = logits(without_sigmoid(model), few, features, 90)
    np.testing.assert_allclose(before_sigmoid, expected, rtol=0, atol=1e-5)


def test_after_a_failure_a_new_process_answers(bundles: Path, digest: str, tokens: Sequences) -> None:
    with FreshProcess() as fresh:
        with pytest.raises(ContentError, match="no readable manifest"):
            fresh.score(bundles, "0" * 64, tokens)
        assert len(fresh.score(bundles, digest, tokens)) == len(tokens)


def test_a_process_that_nothing_is_asked_of_is_killed(children: Callable[[], list[psutil.Process]]) -> None:
    with FreshProcess() as fresh:
        fresh.start()
        assert len(children()) == 1
    assert children() == []


def test_a_process_whose_parent_is_gone_ends_by_itself() -> None:
    command = [sys.executable, "-m", "tasks.evaluation.fresh_process"]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], stdin=subprocess.DEVNULL, timeout=180, check=False)
    assert done.returncode == 0
