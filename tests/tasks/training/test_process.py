from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from storage.bundles import MODEL_FILE, load_model, take_predictions
from storage.errors import ContentError, TrainingError
from storage.matrices import Matrix, write_matrices
from storage.processes import peak_memory_bytes
from storage.records import MODEL_NAMES, ModelName
from tasks.training.job import PredictionJob, TrainingJob
from tasks.training.process import end_trainings, predict_in_child, train_in_child
from tasks.training.runtime import device_name
from tests.trainings import NUM_WORDS, OPTIONS, TRAIN, VALIDATION, Recording, train, weights

pytestmark = pytest.mark.usefixtures("keras_prepared")

# So many that a test can do what it does while it trains, whatever else the machine is doing.
MANY = 1000
PATIENT = OPTIONS.model_copy(update={"early_stopping_patience": 100, "learning_rate": 1e-6})


def written(root: Path, train: Matrix) -> dict[str, Any]:
    splits = {"train": train, "validation": VALIDATION, "test": VALIDATION}
    matrices_id = write_matrices(root, splits, snapshot_id="s", encoder={}, scaler={}, tables=[])  # type: ignore[arg-type]
    return {"matrices": root, "matrices_id": matrices_id}


@pytest.fixture(scope="module")
def matrices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return written(tmp_path_factory.mktemp("matrices"), TRAIN)


@pytest.fixture
def make_job(matrices: dict[str, Any], tmp_path: Path) -> Callable[..., TrainingJob]:
    def make(**changes: Any) -> TrainingJob:
        folder = tmp_path / "staging"
        folder.mkdir(exist_ok=True)
        given: dict[str, Any] = {
            "model": "baseline_avgpool",
            **matrices,
            "options": OPTIONS,
            "epochs": 3,
            "seed": 7,
            "num_words": NUM_WORDS,
            "folder": folder,
            "checkpoint": tmp_path / "checkpoints" / f"{'a' * 64}.npz",
        }
        return TrainingJob(**{**given, **changes})

    return make


@pytest.fixture
def endless(make_job: Callable[..., TrainingJob]) -> TrainingJob:
    return make_job(epochs=MANY, options=PATIENT)


def trainings(of: int | None = None) -> list[psutil.Process]:
    """The training processes that a process, by default this one, has started."""
    return [child for child in psutil.Process(of).children() if _is_training(child)]


def _is_training(process: psutil.Process) -> bool:
    try:
        return "tasks.training.child" in process.cmdline()
    except psutil.NoSuchProcess:
        # Gone, or a zombie: other tests have children, too.
        return False


class Doing(Recording):
    """A progress that does something once, when the first epoch is done."""

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__()
        self.do = do

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        super().epoch(epoch, logs)
        if epoch == 1:
            self.do()


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    """Whatever a test does to a child, it is gone when the parent has its answer."""
    yield
    assert trainings() == []


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_child_trains_as_this_process_does(
    make_job: Callable[..., TrainingJob], caplog: pytest.LogCaptureFixture, name: ModelName
) -> None:
    epochs = 2
    job = make_job(model=name, epochs=epochs)
    here, told = Recording(), Recording()
    trained = train(name, epochs=epochs, progress=here)
    with caplog.at_level(logging.INFO, logger="tasks.training"):
        result = train_in_child(job, told)
    model = load_model(job.folder / MODEL_FILE)
    assert b"".join(weight.tobytes() for weight in model.get_weights()) == weights(trained)
    assert [epoch.validation_loss for epoch in result.epochs] == [epoch.validation_loss for epoch in trained.epochs]
    assert (result.best_epoch, result.num_parameters) == (trained.best_epoch, trained.model.count_params())
    # All that the progress of this process hears, in the same order; that nothing more comes, it hears in any case.
    assert told.calls == [*here.calls, ("stop",)]
    assert caplog.messages[0] == f"training {name} on {device_name()}"
    assert caplog.records[0].name == "tasks.training.job"


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_child_scores_with_the_model_that_it_saved(make_job: Callable[..., TrainingJob], name: ModelName) -> None:
    from tasks.features.batching import predict

    job = make_job(model=name, epochs=1)
    result = train_in_child(job, Recording())
    model = load_model(job.folder / MODEL_FILE)
    validation, test = take_predictions(job.folder)
    for said in (validation, test):
        assert (said.row_ids.to_pylist(), said.labels.tolist()) == (
            VALIDATION.sequence_ids.to_pylist(),
            VALIDATION.labels.tolist(),
        )
        expected = predict(model, VALIDATION.sequences, VALIDATION.features)
        np.testing.assert_allclose(said.probabilities, expected, rtol=0, atol=1e-6)
    assert result.prediction.seconds > 0
    assert result.prediction.peak_memory_bytes >= result.peak_memory_bytes

    # As where a model was trained before.
    given = job.model_dump(include=set(PredictionJob.model_fields))
    assert predict_in_child(PredictionJob(**given)).seconds > 0
    for again, said in zip(take_predictions(job.folder), (validation, test), strict=True):
        np.testing.assert_allclose(again.probabilities, said.probabilities, rtol=0, atol=1e-6)


def test_a_model_that_cannot_be_read_is_an_error_in_the_same_words(make_job: Callable[..., TrainingJob]) -> None:
    job = make_job()
    (job.folder / MODEL_FILE).write_bytes(b"no model")
    given = job.model_dump(include=set(PredictionJob.model_fields))
    with pytest.raises(ContentError, match=r"model\.keras cannot be loaded by Keras"):
        predict_in_child(PredictionJob(**given))


def test_scoring_that_dies_is_an_error_that_says_so(make_job: Callable[..., TrainingJob]) -> None:
    given = make_job().model_dump(include=set(PredictionJob.model_fields))
    with pytest.raises(TrainingError, match=r"^scoring with baseline_avgpool ended without an answer, .*nowhere"):
        predict_in_child(PredictionJob(**given | {"matrices": Path("/nowhere")}))


def test_the_memory_is_the_childs(make_job: Callable[..., TrainingJob]) -> None:
    ballast = bytearray(b"x") * (peak_memory_bytes() + 2**28)
    result = train_in_child(make_job(epochs=1), Recording())
    assert 2**26 < result.peak_memory_bytes < len(ballast)


def test_an_error_of_ours_comes_back_in_the_same_words(make_job: Callable[..., TrainingJob], tmp_path: Path) -> None:
    broken = replace(TRAIN, features=np.full_like(TRAIN.features, np.nan))
    name: ModelName = "advanced_bilstm_features"
    job = make_job(model=name, epochs=1, **written(tmp_path / "broken", broken))
    words = (
        r"^training advanced_bilstm_features stopped in epoch 1: its loss is not finite .* look for broken features\.$"
    )
    with pytest.raises(TrainingError, match=words):
        train_in_child(job, Recording())
    assert not (job.folder / MODEL_FILE).exists()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (signal.SIGKILL, r"signal 9 \(Killed\), perhaps because memory ran out"),
        (signal.SIGSEGV, r"signal 11 \(Segmentation fault\)"),
    ],
)
def test_a_child_that_dies_is_an_error_that_says_how(endless: TrainingJob, how: signal.Signals, words: str) -> None:
    progress = Doing(lambda: trainings()[0].send_signal(how))
    with pytest.raises(
        TrainingError, match=f"^training baseline_avgpool ended without a model, its process with {words}"
    ):
        train_in_child(endless, progress)
    assert progress.calls[-1] == ("stop",)
    assert not (endless.folder / MODEL_FILE).exists()


def test_a_child_that_fails_is_an_error_with_its_last_line(
    make_job: Callable[..., TrainingJob], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TrainingError, match=r"exit status 1, its last line: FileNotFoundError: .*nowhere"):
        train_in_child(make_job(matrices=Path("/nowhere")), Recording())
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_whatever_interrupts_the_wait_kills_the_child(endless: TrainingJob, error: type[BaseException]) -> None:
    progress = Recording(error=error, after=1)
    with pytest.raises(error):
        train_in_child(endless, progress)
    assert progress.calls[-1] == ("stop",)


def test_a_signal_interrupts_the_wait(endless: TrainingJob) -> None:
    # A shell that starts the tests in the background has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_in_child(endless, Doing(lambda: os.kill(os.getpid(), signal.SIGINT)))
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_training_that_takes_too_long_is_stopped(make_job: Callable[..., TrainingJob]) -> None:
    job = make_job(epochs=MANY, options=PATIENT.model_copy(update={"timeout_minutes": 0.001}))
    with pytest.raises(TrainingError, match=r"not done within 0\.001 minutes.*training\.timeout_minutes"):
        train_in_child(job, Recording())


def test_another_thread_can_end_all_trainings(endless: TrainingJob) -> None:
    started = threading.Event()
    said: list[str] = []

    def wait() -> None:
        try:
            train_in_child(endless, Doing(started.set))
        except TrainingError as error:
            said.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(180)
    end_trainings()
    thread.join(180)
    assert not thread.is_alive()
    assert "signal 15 (Terminated)" in said[0]


def test_a_killed_parent_takes_its_child_with_it(endless: TrainingJob) -> None:
    code = """
import sys
from tasks.training.job import TrainingJob
from tasks.training.process import train_in_child
from tests.trainings import Recording

class Saying(Recording):
    def epoch(self, epoch, logs):
        print("epoch", flush=True)

train_in_child(TrainingJob.model_validate_json(sys.argv[1]), Saying())
"""
    command = [sys.executable, "-c", code, endless.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"epoch\n"
        (child,) = trainings(parent.pid)
        parent.kill()
    deadline = time.monotonic() + 180
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_killed_child_is_taken_up_by_the_next_one(
    make_job: Callable[..., TrainingJob], caplog: pytest.LogCaptureFixture
) -> None:
    slow = OPTIONS.model_copy(update={"learning_rate": 0.002})
    job = make_job(options=slow)
    whole = train(options=slow)
    assert whole.best_epoch == 3

    def kill() -> None:
        # What an epoch came to is said before it is kept.
        deadline = time.monotonic() + 180
        while not job.checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        trainings()[0].kill()

    with pytest.raises(TrainingError, match="signal 9"):
        train_in_child(job, Doing(kill))
    with caplog.at_level(logging.INFO, logger="tasks.training"):
        result = train_in_child(job, Recording())
    assert any("baseline_avgpool: taken up after epoch " in line for line in caplog.messages)
    model = load_model(job.folder / MODEL_FILE)
    assert b"".join(weight.tobytes() for weight in model.get_weights()) == weights(whole)
    assert [(one.number, one.loss, one.validation_loss) for one in result.epochs] == [
        (one.number, one.loss, one.validation_loss) for one in whole.epochs
    ]
