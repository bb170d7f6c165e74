"""Task: train one model, let it score, and leave both in a staging folder, where evaluation takes them up."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

from prefect import runtime, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from rich.console import Console

from storage.bundles import MODEL_FILE
from storage.checkpoints import checkpoint_file
from storage.content import make_staging, read_manifest, sha256_of_json
from storage.errors import ContentError
from storage.matrices import read_featurized
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import Measured, measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import ModelName, Stage, TrainedReference
from storage.settings import Settings
from storage.versions import code_digest, library_versions
from tasks.training.job import PredictionJob, PredictionResult, TrainingJob
from tasks.training.process import predict_in_child, train_in_child
from tasks.training.progress import LineProgress, ReportingProgress, TrainingProgress, duration_words, progress_for

logger = logging.getLogger(__name__)


@task(task_run_name="train {model}", cache_policy=NO_CACHE)
def train(run_id: str, model: ModelName, matrices_id: str, options: RunOptions) -> TrainedReference:
    """Train a model from fresh weights on the training rows, watched on the validation rows, in a process of its own.

    A candidate that was trained on the same features with the same options, seed, code and libraries is not trained
    again, unless the run is forced: its weights are taken, and measured anew. A training of these that was cut off is
    taken up after its last finished epoch. The process also scores the validation and the test rows, with the model as
    it was saved.

    Raises:
        TrainingError: The loss became NaN or infinite, training took too long, or its process died.
        ContentError: Keras cannot read the model of the earlier training.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    key = _training_key(model, matrices_id, options)
    with measured_stage(store, run_id, f"train {model}") as stage:
        trained = None if options.force else _reuse(settings, key)
        if trained is None:
            trained, prediction = _train(settings, model, matrices_id, options, key, stage)
        else:
            logger.info("%s: as trained for %s: same features, options, seed and code", model, trained.reused_from)
            prediction = _score(settings, trained, matrices_id)
        stage.elsewhere_seconds = prediction.seconds
    store.record_stage(run_id, Stage(f"predict {model}", prediction.seconds, prediction.peak_memory_bytes))
    return trained


def _train(
    settings: Settings, model: ModelName, matrices_id: str, options: RunOptions, key: str, stage: Measured
) -> tuple[TrainedReference, PredictionResult]:
    page = _Page(model)
    with _new_folder(settings) as folder:
        job = _job(settings, model, matrices_id, options, folder, key)
        if options.force:
            job.checkpoint.unlink(missing_ok=True)
        trained = train_in_child(job, ReportingProgress(_shown(options), page.report))
    stage.peak_memory_bytes = trained.peak_memory_bytes
    in_words = (
        f"{len(trained.epochs)} epochs in {duration_words(trained.seconds)}, "
        f"kept the weights of epoch {trained.best_epoch}"
    )
    page.report(100.0, in_words)
    logger.info("%s: %s", model, in_words)
    reference = TrainedReference(
        model=model,
        folder=str(folder),
        device=trained.device,
        num_parameters=trained.num_parameters,
        best_epoch=trained.best_epoch,
        training_seconds=trained.seconds,
        epochs=trained.epochs,
        training_key=key,
    )
    return reference, trained.prediction


def _score(settings: Settings, trained: TrainedReference, matrices_id: str) -> PredictionResult:
    folder = Path(trained.folder)
    with _removed_if_in_vain(folder):
        return predict_in_child(
            PredictionJob(model=trained.model, matrices=settings.matrices, matrices_id=matrices_id, folder=folder)
        )


def _job(
    settings: Settings, model: ModelName, matrices_id: str, options: RunOptions, folder: Path, key: str
) -> TrainingJob:
    return TrainingJob(
        model=model,
        matrices=settings.matrices,
        matrices_id=matrices_id,
        options=options.training,
        epochs=options.epochs,
        seed=options.seed,
        num_words=read_featurized(settings.matrices, matrices_id).encoder["num_words"],
        folder=folder,
        checkpoint=checkpoint_file(settings.checkpoints, key),
    )


class _Page:
    """The progress that Prefect's page of a run shows while it trains; a run of the command line has no such page."""

    def __init__(self, model: ModelName) -> None:
        self._key = f"training-{model.replace('_', '-')}"
        self._artifact: UUID | None = None
        self._is_shown = True

    def report(self, percent: float, words: str) -> None:
        if not self._is_shown:
            return
        try:
            # The server may be asked for it.
            if runtime.deployment.id is None:
                self._is_shown = False
            elif self._artifact is None:
                made = create_progress_artifact(percent, key=self._key, description=words)
                self._artifact = cast(UUID, made)
            else:
                update_progress_artifact(self._artifact, percent, description=words)
        except Exception as error:
            # Whatever it is, training does not need it, nor wait for a server that does not answer twice.
            self._is_shown = False
            logger.warning("training goes on without showing its progress in Prefect: %s", error)


def _shown(options: RunOptions) -> TrainingProgress:
    """A bar is a console's only one: trainings at once are told in lines."""
    together = options.training.at_once and len(options.models) > 1
    return LineProgress() if together else progress_for(Console(stderr=True))


@contextmanager
def _new_folder(settings: Settings) -> Iterator[Path]:
    """A staging folder, which is removed again if no model came into it."""
    folder = make_staging(settings.bundles)
    with _removed_if_in_vain(folder):
        yield folder


@contextmanager
def _removed_if_in_vain(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _training_key(model: ModelName, matrices_id: str, options: RunOptions) -> str:
    return sha256_of_json(
        {
            "model": model,
            "features": matrices_id,
            "options": options.training.what_decides(),
            "epochs": options.epochs,
            "seed": options.seed,
            "code": code_digest(),
            "libraries": library_versions(),
            "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        }
    )


def _reuse(settings: Settings, key: str) -> TrainedReference | None:
    """A finished training of the same key, its weights in a staging folder; None if there is none that is whole."""
    for trained, bundle in MetricsReader(settings.database_url).trained(key):
        try:
            read_manifest(settings.bundles / bundle, digest=bundle)
            with _new_folder(settings) as folder:
                shutil.copyfile(settings.bundles / bundle / MODEL_FILE, folder / MODEL_FILE)
        except (ContentError, FileNotFoundError) as error:
            # It may be pruned at any moment, also after it was read.
            logger.warning("the training of %s cannot be used again: %s", trained.reused_from, error)
            continue
        return replace(trained, folder=str(folder))
    return None
