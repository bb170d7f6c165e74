from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from storage.bundles import MODEL_FILE
from storage.checkpoints import Checkpoint, checkpoint_file, write_checkpoint
from storage.content import publish
from storage.errors import TrainingError
from storage.matrices import write_matrices
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import Candidate, ConfusionMatrix, Epoch, Evaluation, RunStart, TrainedReference
from storage.settings import Settings
from tasks import train as module
from tasks.training.job import PredictionJob, PredictionResult, TrainingJob, TrainingResult
from tasks.training.progress import BarProgress, LineProgress, TrainingProgress
from tests.trainings import NUM_WORDS, TRAIN, VALIDATION

RESULT = TrainingResult(
    device="cpu",
    num_parameters=3,
    epochs=(Epoch(1, 0.5, 0.8, 0.6, 0.7, 1e-3, 2.0),),
    best_epoch=1,
    seconds=2.0,
    peak_memory_bytes=17,
    prediction=PredictionResult(seconds=1e-6, peak_memory_bytes=18),
)


class Bench:
    """A home with matrices, in which the child is a function that a test gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.settings = Settings.from_environment()
        self.settings.prepare()
        splits = {"train": TRAIN, "validation": VALIDATION, "test": VALIDATION}
        self.matrices_id = write_matrices(
            self.settings.matrices,
            splits,  # type: ignore[arg-type]
            snapshot_id="s",
            encoder={"num_words": NUM_WORDS},
            tables=[],
            scaler={},
        )

    def train(self, child: Callable[[TrainingJob, TrainingProgress], TrainingResult], **options: Any) -> Any:
        self._monkeypatch.setattr(module, "train_in_child", child)
        start = RunStart("retrain", "-", "command line", {}, 7, False, {}, None)
        self.run_id = MetricsStore(self.settings.database_url).start_run(start)
        found: TrainedReference = module.train.fn(
            self.run_id, "baseline_avgpool", self.matrices_id, RunOptions.parse(**options)
        )
        return found

    def staged(self) -> list[Path]:
        return list(self.settings.bundles.iterdir())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    return Bench(monkeypatch)


def test_the_child_is_told_references_and_the_stages_have_its_time_and_memory(bench: Bench) -> None:
    jobs: list[TrainingJob] = []

    def child(job: TrainingJob, _: TrainingProgress) -> TrainingResult:
        jobs.append(job)
        return RESULT

    trained = bench.train(child, epochs=5, seed=3)
    (job,) = jobs
    assert (job.model, job.epochs, job.seed, job.num_words) == ("baseline_avgpool", 5, 3, NUM_WORDS)
    assert (job.matrices, job.matrices_id) == (bench.settings.matrices, bench.matrices_id)
    assert job.checkpoint == checkpoint_file(bench.settings.checkpoints, trained.training_key)
    assert [str(path) for path in bench.staged()] == [trained.folder] == [str(job.folder)]
    assert (trained.best_epoch, trained.training_seconds, trained.epochs) == (1, 2.0, RESULT.epochs)
    training, prediction = MetricsReader(bench.settings.database_url).run(bench.run_id)["stages"]
    assert (training["name"], training["peak_memory_bytes"]) == ("train baseline_avgpool", 17)
    assert (prediction["name"], prediction["peak_memory_bytes"]) == ("predict baseline_avgpool", 18)
    assert prediction["seconds"] == 1e-6


@pytest.mark.parametrize("error", [TrainingError("it died"), KeyboardInterrupt()])
def test_a_training_that_does_not_end_well_leaves_no_folder(bench: Bench, error: BaseException) -> None:
    def child(job: TrainingJob, _: TrainingProgress) -> TrainingResult:
        (job.folder / "model.keras").write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        bench.train(child)
    assert bench.staged() == []


def test_what_cannot_change_the_weights_is_not_in_the_key(bench: Bench) -> None:
    def key(**options: Any) -> str:
        found: str = bench.train(lambda *_: RESULT, **options).training_key
        return found

    assert key(training={"timeout_minutes": 5, "at_once": True}, dry_run=True, force=True) == key()
    assert key(training={"batch_size": 5}) != key()


@pytest.mark.parametrize(("force", "is_there"), [(False, True), (True, False)])
def test_a_forced_training_takes_nothing_up(bench: Bench, force: bool, is_there: bool) -> None:
    key = bench.train(lambda *_: RESULT).training_key
    write_checkpoint(checkpoint_file(bench.settings.checkpoints, key), Checkpoint({}, {}))
    seen: list[bool] = []

    def child(job: TrainingJob, _: TrainingProgress) -> TrainingResult:
        seen.append(job.checkpoint.exists())
        return RESULT

    bench.train(child, force=force)
    assert seen == [is_there]


# How it is shown.


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, BarProgress),
        ({"training": {"at_once": True}}, LineProgress),
        ({"training": {"at_once": True}, "models": ["baseline_avgpool"]}, BarProgress),
    ],
)
def test_two_bars_do_not_share_a_terminal(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], shown: type
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert type(module._shown(RunOptions.parse(**options))) is shown


class Prefect:
    """What is asked of Prefect's artifacts; it may refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deployment: str | None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.id = uuid4()
        monkeypatch.setattr(module, "create_progress_artifact", self.create)
        monkeypatch.setattr(module, "update_progress_artifact", self.update)
        monkeypatch.setattr("prefect.runtime.deployment.id", deployment, raising=False)

    def create(self, percent: float, key: str, description: str) -> Any:
        self.calls.append(("create", key, percent, description))
        return self.id

    def update(self, artifact: Any, percent: float, description: str) -> None:
        self.calls.append(("update", artifact, percent, description))
        if self.error is not None:
            raise self.error


def child_with_progress(_: TrainingJob, progress: TrainingProgress) -> TrainingResult:
    progress.start("baseline_avgpool", 4, 10)
    progress.stop()
    return RESULT


def test_a_deployments_run_shows_how_far_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    prefect = Prefect(monkeypatch, "d")
    bench.train(child_with_progress)
    assert prefect.calls == [
        ("create", "training-baseline-avgpool", 0.0, "epoch 1 of at most 4"),
        ("update", prefect.id, 100.0, "1 epochs in 2 s, kept the weights of epoch 1"),
    ]


def test_a_run_of_the_command_line_has_no_page(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    prefect = Prefect(monkeypatch, None)
    bench.train(child_with_progress)
    assert prefect.calls == []


def test_a_server_that_does_not_answer_is_told_no_more_and_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prefect = Prefect(monkeypatch, "d")
    page = module._Page("baseline_avgpool")
    page.report(0.0, "begins")
    prefect.error = OSError("no route")
    with caplog.at_level(logging.WARNING, logger="tasks.train"):
        for percent in (10.0, 20.0, 30.0):
            page.report(percent, "goes on")
    assert len(prefect.calls) == 2
    assert caplog.messages == ["training goes on without showing its progress in Prefect: no route"]


def write_model(job: TrainingJob, _: TrainingProgress) -> TrainingResult:
    (job.folder / MODEL_FILE).write_text("weights")
    return RESULT


@pytest.fixture
def bundle(bench: Bench) -> Path:
    """The published bundle of a training that has ended."""
    trained = bench.train(write_model)
    folder = publish(Path(trained.folder), {"run_id": bench.run_id})
    matrix = ConfusionMatrix(1, 0, 0, 1)
    MetricsStore(bench.settings.database_url).record_candidate(
        Candidate(
            id=f"{bench.run_id}/{trained.model}",
            run_id=bench.run_id,
            model=trained.model,
            bundle=folder.name,
            device=trained.device,
            num_parameters=trained.num_parameters,
            best_epoch=trained.best_epoch,
            training_seconds=trained.training_seconds,
            epochs=trained.epochs,
            validation=Evaluation("validation", matrix, 1.0, 0.0, ()),
            test=Evaluation("test", matrix, 1.0, 0.0, ()),
            training_key=trained.training_key,
        )
    )
    return folder


def test_a_training_of_the_same_is_taken_from_its_bundle_and_scores_anew(
    bench: Bench, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = bench.run_id
    jobs: list[PredictionJob] = []

    def score(job: PredictionJob) -> PredictionResult:
        jobs.append(job)
        return PredictionResult(seconds=2e-6, peak_memory_bytes=19)

    monkeypatch.setattr(module, "predict_in_child", score)
    again = bench.train(lambda *_: pytest.fail("it was trained again"))

    assert again.reused_from == f"{of}/baseline_avgpool"
    assert (Path(again.folder) / MODEL_FILE).read_text() == "weights"
    (job,) = jobs
    assert (job.folder, job.matrices, job.matrices_id) == (
        Path(again.folder),
        bench.settings.matrices,
        bench.matrices_id,
    )
    training, prediction = MetricsReader(bench.settings.database_url).run(bench.run_id)["stages"]
    assert (training["name"], prediction["name"]) == ("train baseline_avgpool", "predict baseline_avgpool")
    assert (prediction["seconds"], prediction["peak_memory_bytes"]) == (2e-6, 19)


@pytest.mark.parametrize("error", [TrainingError("it died"), KeyboardInterrupt()])
def test_a_model_that_was_taken_and_cannot_score_leaves_no_folder(
    bench: Bench, bundle: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_: PredictionJob) -> PredictionResult:
        raise error

    monkeypatch.setattr(module, "predict_in_child", fail)
    with pytest.raises(type(error)):
        bench.train(lambda *_: pytest.fail("it was trained again"))
    assert bench.staged() == [bundle]


@pytest.mark.parametrize("meanwhile", [False, True])
def test_what_was_pruned_is_trained_again(
    bench: Bench, bundle: Path, meanwhile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prune_after_a_look(folder: Path, digest: str) -> None:
        assert (folder, digest) == (bundle, bundle.name)
        shutil.rmtree(folder)

    if meanwhile:
        monkeypatch.setattr(module, "read_manifest", prune_after_a_look)
    else:
        shutil.rmtree(bundle)

    again = bench.train(write_model)

    assert again.reused_from == ""
    assert [str(path) for path in bench.staged()] == [again.folder]
