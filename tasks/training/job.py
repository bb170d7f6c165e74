"""One training as references: where its rows are and where its model goes, so that any process can do it.

Whoever trains also scores the validation and the test rows, with the model as it was saved: Keras is loaded there.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from storage.bundles import MODEL_FILE, Predictions, load_model, stage_predictions
from storage.matrices import Matrix, read_matrix
from storage.options import TrainingOptions
from storage.processes import peak_memory_bytes
from storage.records import Epoch, ModelName
from tasks.evaluation.alignment import join_by_id
from tasks.training.progress import TrainingProgress
from tasks.training.runtime import device_name, prepare_keras

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

STREAMS: dict[ModelName, int] = {"advanced_bilstm_features": 2}
"""Equal parts of a model that are computed side by side: both directions of its LSTMs."""


class PredictionJob(BaseModel):
    """A saved model, and the rows that it is to score.

    Attributes:
        matrices: Folder of all matrices.
        matrices_id: Those to work on, verified by whoever gives the job.
        folder: The staging folder of the model, where what it says goes, too.
    """

    model_config = ConfigDict(frozen=True)

    model: ModelName
    matrices: Path
    matrices_id: str
    folder: Path


class TrainingJob(PredictionJob):
    """What to train; the model is saved into the staging folder.

    Attributes:
        num_words: Rows of the embedding.
        checkpoint: Where the state is kept after each epoch, named after the training's key.
    """

    options: TrainingOptions
    epochs: int
    seed: int
    num_words: int
    checkpoint: Path


class PredictionResult(BaseModel):
    """What scoring took.

    Attributes:
        seconds: Wall time, without that of starting a process.
        peak_memory_bytes: Of the process that scored, whatever it had done before.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    peak_memory_bytes: int


class TrainingResult(BaseModel):
    """What came of it, beside the saved model.

    Attributes:
        best_epoch: The epoch whose weights were kept, from 1.
        seconds: Wall time of the training, without that of starting a process.
        peak_memory_bytes: Of the process that trained, up to the end of the training.
        prediction: What it then took to score the validation and the test rows.
    """

    model_config = ConfigDict(frozen=True)

    device: str
    num_parameters: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    peak_memory_bytes: int
    prediction: PredictionResult


def train_here(job: TrainingJob, progress: TrainingProgress) -> TrainingResult:
    """Train in this process, then score.

    Raises:
        TrainingError: The loss became NaN or infinite.
    """
    prepare_keras(STREAMS.get(job.model, 1))
    from tasks.training.loop import train_model

    logger.info("training %s on %s", job.model, device_name())
    validation = read_matrix(job.matrices, job.matrices_id, "validation")
    trained = train_model(
        job.model,
        read_matrix(job.matrices, job.matrices_id, "train"),
        validation,
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
        prediction=_score(job, validation),
    )


def predict_here(job: PredictionJob) -> PredictionResult:
    """Score in this process.

    Raises:
        ContentError: Keras cannot read the model.
    """
    prepare_keras(STREAMS.get(job.model, 1))
    return _score(job, read_matrix(job.matrices, job.matrices_id, "validation"))


def _score(job: PredictionJob, validation: Matrix) -> PredictionResult:
    started = time.monotonic()
    model = load_model(job.folder / MODEL_FILE)
    test = read_matrix(job.matrices, job.matrices_id, "test")
    stage_predictions(job.folder, validation=_predictions(model, validation), test=_predictions(model, test))
    return PredictionResult(seconds=time.monotonic() - started, peak_memory_bytes=peak_memory_bytes())


def _predictions(model: keras.Model, matrix: Matrix) -> Predictions:
    from tasks.features.batching import predict

    labels = join_by_id(matrix.sequence_ids, matrix.label_ids, matrix.labels)
    return Predictions(matrix.sequence_ids, labels, predict(model, matrix.sequences, matrix.features))
