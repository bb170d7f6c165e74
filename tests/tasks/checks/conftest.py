"""A checked model without Keras, with which nothing is wrong: the tests of the model's checks break one thing of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from storage.bundles import Predictions
from storage.records import Epoch
from storage.sequences import Sequences
from tasks.checks.base import CheckedData, CheckedModel, Features, Probabilities
from tasks.evaluation.metrics import evaluate


@pytest.fixture(scope="session")
def checked_model(checked_data: CheckedData) -> CheckedModel:
    """It knows each test review by its tokens, wherever it stands, and is right about most."""
    matrix = checked_data.matrices["test"]
    random = np.random.default_rng(8)
    known = (2.0 * matrix.labels - 1 + random.normal(0, 0.8, len(matrix))).astype(np.float32)
    by_tokens = {matrix.sequences.row(row).tobytes(): known[row] for row in range(len(matrix))}
    assert len(by_tokens) == len(matrix)

    def logits(sequences: Sequences, features: Features, width: int) -> npt.NDArray[np.float32]:
        return np.array([by_tokens[sequences.row(row).tobytes()] for row in range(len(sequences))], dtype=np.float32)

    def predict(sequences: Sequences, features: Features) -> Probabilities:
        return (1 / (1 + np.exp(-logits(sequences, features, 0)))).astype(np.float32)

    probabilities = predict(matrix.sequences, matrix.features)
    predictions = Predictions(matrix.sequence_ids, matrix.labels, probabilities)
    test = evaluate("test", matrix.labels, probabilities)
    losses = (0.6, 0.5, 0.55)
    return CheckedModel(
        matrix=matrix,
        predictions=predictions,
        validation=test,
        test=test,
        epochs=tuple(Epoch(number, loss, 0.7, loss, 0.7, 1e-3, 1.0) for number, loss in enumerate(losses, 1)),
        max_epochs=12,
        predict=predict,
        logits=logits,
        reload=lambda positions: probabilities[positions],
    )
