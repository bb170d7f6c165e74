"""One training as references: where its rows are and where its model goes, so that any process can do it."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from storage.bundles import MODEL_FILE
from storage.matrices import read_matrix
from storage.options import TrainingOptions
from storage.processes import peak_memory_bytes
from storage.records import Epoch, ModelName
from tasks.training.progress import TrainingProgress
from tasks.training.runtime import device_name, prepare_keras

logger = logging.getLogger(__name__)

STREAMS: dict[ModelName, int] = {"advanced_bilstm_features": 2}
"""Equal parts of a model that are computed side by side: both directions of its LSTMs."""


class TrainingJob(BaseModel):
    """What to train.

    Attributes:
        matrices: Folder of all matrices.
        matrices_id: Those to train on, verified by whoever gives the job.
        num_words: Rows of the embedding.
        folder: The staging folder that the model is saved into.
        checkpoint: Where the state is kept after each epoch, named after the training's key.
    """

    model_config = ConfigDict(frozen=True)

    model: ModelName
    matrices: Path
    matrices_id: str
    options: TrainingOptions
    epochs: int
    seed: int
    num_words: int
    folder: Path
    checkpoint: Path


class TrainingResult(BaseModel):
    """What came of it, beside the saved model.

    Attributes:
        best_epoch: The epoch whose weights were kept, from 1.
        seconds: Wall time of the training, without that of starting a process.
        peak_memory_bytes: Of the process that trained.
    """

    model_config = ConfigDict(frozen=True)

    device: str
    num_parameters: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    peak_memory_bytes: int


def train_here(job: TrainingJob, progress: TrainingProgress) -> TrainingResult:
    """Do a job in this process.

    Raises:
        TrainingError: The loss became NaN or infinite.
    """
    prepare_keras(STREAMS.get(job.model, 1))
    from tasks.training.loop import train_model

    logger.info("training %s on %s", job.model, device_name())
    trained = train_model(
        job.model,
        read_matrix(job.matrices, job.matrices_id, "train"),
        read_matrix(job.matrices, job.matrices_id, "validation"),
        job.options,
        epochs=job.epochs,
        seed=job.seed,
        num_words=job.num_words,
        progress=progress,
        checkpoint=job.checkpoint,
    )
    trained.model.save(job.folder / MODEL_FILE)
    return TrainingResult(
        device=device_name(trained.products),
        num_parameters=trained.model.count_params(),
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        seconds=trained.seconds,
        peak_memory_bytes=peak_memory_bytes(),
    )
