"""Task: train one model and leave it in a staging folder, where evaluation takes it up."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE
from rich.console import Console

from storage.bundles import MODEL_FILE
from storage.content import make_staging
from storage.matrices import read_featurized, read_matrix
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import ModelName, RunOptions
from storage.records import TrainedReference
from storage.settings import Settings
from tasks.training.progress import duration_words, progress_for
from tasks.training.runtime import device_name, prepare_keras

logger = logging.getLogger(__name__)


@task(task_run_name="train {model}", cache_policy=NO_CACHE)
def train(run_id: str, model: ModelName, matrices_id: str, options: RunOptions) -> TrainedReference:
    """Train a model from fresh weights on the training rows, watched on the validation rows.

    Raises:
        TrainingError: The loss became NaN or infinite.
    """
    prepare_keras()
    from tasks.training.loop import train_model

    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, f"train {model}"):
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
    )
