"""Task: train one model and leave it in a staging folder, where evaluation takes it up."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE
from rich.console import Console

from storage.bundles import MODEL_FILE
from storage.content import make_staging, read_manifest, sha256_of_json
from storage.errors import ContentError
from storage.matrices import read_featurized, read_matrix
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import ModelName, RunOptions
from storage.records import TrainedReference
from storage.settings import Settings
from storage.versions import code_digest, library_versions
from tasks.training.progress import duration_words, progress_for
from tasks.training.runtime import device_name, prepare_keras

logger = logging.getLogger(__name__)


@task(task_run_name="train {model}", cache_policy=NO_CACHE)
def train(run_id: str, model: ModelName, matrices_id: str, options: RunOptions) -> TrainedReference:
    """Train a model from fresh weights on the training rows, watched on the validation rows.

    A candidate that was trained on the same features with the same options, seed, code and libraries is not trained
    again, unless the run is forced: its weights are taken, and measured anew.

    Raises:
        TrainingError: The loss became NaN or infinite.
    """
    prepare_keras()
    from tasks.training.loop import train_model

    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    key = _training_key(model, matrices_id, options)
    with measured_stage(store, run_id, f"train {model}"):
        reused = None if options.force else _reuse(settings, key)
        if reused is not None:
            logger.info("%s: as trained for %s: same features, options, seed and code", model, reused.reused_from)
            return reused
        encoder = read_featurized(settings.matrices, matrices_id).encoder
        device = device_name()
        logger.info("training %s on %s", model, device)
        trained = train_model(
            model,
            read_matrix(settings.matrices, matrices_id, "train"),
            read_matrix(settings.matrices, matrices_id, "validation"),
            options.training,
            epochs=options.epochs,
            seed=options.seed,
            num_words=encoder["num_words"],
            progress=progress_for(Console(stderr=True)),
        )
        folder = make_staging(settings.bundles)
        trained.model.save(folder / MODEL_FILE)
    logger.info(
        "%s: %d epochs in %s, kept the weights of epoch %d",
        *(model, len(trained.epochs), duration_words(trained.seconds), trained.best_epoch),
    )
    return TrainedReference(
        model=model,
        folder=str(folder),
        device=device,
        num_parameters=trained.model.count_params(),
        best_epoch=trained.best_epoch,
        training_seconds=trained.seconds,
        epochs=trained.epochs,
        training_key=key,
    )


def _training_key(model: ModelName, matrices_id: str, options: RunOptions) -> str:
    return sha256_of_json(
        {
            "model": model,
            "features": matrices_id,
            "options": options.training.model_dump(mode="json"),
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
        except ContentError as error:
            logger.warning("the training of %s cannot be used again: %s", trained.reused_from, error)
            continue
        folder = make_staging(settings.bundles)
        shutil.copyfile(settings.bundles / bundle / MODEL_FILE, folder / MODEL_FILE)
        return replace(trained, folder=str(folder))
    return None
