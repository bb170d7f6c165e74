"""A model and all that it needs to score raw text, in one published folder.

    model.keras              architecture and weights, in Keras' own format (its loader refuses code)
    encoder.json             encoding constants and the maximum length
    scaler.json              mean and standard deviation of the training rows' features
    vocabulary.json          words by rank, and how text becomes words; missing where there never was any text
    test_predictions.parquet row id, label and probability of each test row, as scored before publication; how many
                             words the review has and, where it is known, its rating
    account.json             what people are told of the reviews (`storage.accounts`); missing in early bundles
    manifest.json            what it is, how it was made, and the SHA-256 of each file

Bundles know nothing of features and metrics: scoring is done with them elsewhere.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.content import MANIFEST, canonical_json, publish, read_manifest
from storage.errors import ContentError

if TYPE_CHECKING:
    import keras

MODEL_FILE = "model.keras"
_ENCODER_FILE = "encoder.json"
_SCALER_FILE = "scaler.json"
_VOCABULARY_FILE = "vocabulary.json"
_PREDICTIONS_FILE = "test_predictions.parquet"
_VALIDATION_FILE = "validation_predictions.parquet"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model said about labelled rows.

    Attributes:
        row_ids: Arrow strings `(rows,)`.
        labels: uint8 `(rows,)`.
        probabilities: float32 `(rows,)`, of label 1.
        num_words: int32 `(rows,)`, of the review before it was cut; None where nobody counted.
        ratings: Arrow int8 `(rows,)`, null where a review has none; None where no review has one.
    """

    row_ids: pa.StringArray
    labels: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    num_words: npt.NDArray[np.int32] | None = None
    ratings: pa.Int8Array | None = None


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle, its model loaded.

    Attributes:
        vocabulary: As plain JSON; None where the model was trained on word ranks without words.
    """

    digest: str
    model: keras.Model
    encoder: dict[str, Any]
    scaler: dict[str, Any]
    manifest: dict[str, Any]
    vocabulary: dict[str, Any] | None = None


def publish_bundle(
    folder: Path,
    *,
    encoder: Mapping[str, Any],
    scaler: Mapping[str, Any],
    predictions: Predictions,
    manifest: Mapping[str, Any],
    vocabulary: Mapping[str, Any] | None = None,
) -> str:
    """Complete a staging folder that holds the saved model, and publish it.

    Returns:
        The bundle's digest, which is its folder's name.
    """
    (folder / _ENCODER_FILE).write_text(canonical_json(dict(encoder)), encoding="utf-8")
    (folder / _SCALER_FILE).write_text(canonical_json(dict(scaler)), encoding="utf-8")
    if vocabulary is not None:
        (folder / _VOCABULARY_FILE).write_text(canonical_json(dict(vocabulary)), encoding="utf-8")
    _write_predictions(folder / _PREDICTIONS_FILE, predictions)
    return publish(folder, manifest).name


def stage_predictions(folder: Path, *, validation: Predictions, test: Predictions) -> None:
    """Lay what a saved model says of the validation and the test rows beside it, in its staging folder."""
    _write_predictions(folder / _VALIDATION_FILE, validation)
    _write_predictions(folder / _PREDICTIONS_FILE, test)


def take_predictions(folder: Path) -> tuple[Predictions, Predictions]:
    """What was staged of the validation and of the test rows; the former is no part of a bundle, and is removed."""
    validation, test = (_read_predictions(folder / name) for name in (_VALIDATION_FILE, _PREDICTIONS_FILE))
    (folder / _VALIDATION_FILE).unlink()
    return validation, test


def _write_predictions(path: Path, predictions: Predictions) -> None:
    pq.write_table(_table(predictions), path, compression="zstd")


def _table(predictions: Predictions) -> pa.Table:
    columns = {
        "row_id": predictions.row_ids,
        "label": pa.array(predictions.labels, pa.uint8()),
        "probability": pa.array(predictions.probabilities, pa.float32()),
    }
    if predictions.num_words is not None:
        columns["num_words"] = pa.array(predictions.num_words, pa.int32())
    if predictions.ratings is not None:
        columns["rating"] = predictions.ratings
    return pa.table(columns)


def sweep_unrecorded(root: Path, dead_runs: Collection[str], recorded: Collection[str]) -> list[Path]:
    """Remove the bundles that dead runs had published but not yet recorded, and say which.

    Args:
        root: Folder of the bundles.
        dead_runs: Ids of runs that will not come back. Bundles of any other run are left alone, whoever made them.
        recorded: Digests that the store knows.
    """
    orphans = [
        path.parent
        for path in root.glob(f"*/{MANIFEST}")
        if path.parent.name not in recorded and _run_of(path) in dead_runs
    ]
    for folder in orphans:
        shutil.rmtree(folder, ignore_errors=True)
    return orphans


def _run_of(manifest: Path) -> str | None:
    """The run that made a bundle; None where its manifest cannot be read, and nobody knows whose it is."""
    try:
        run_id: str | None = json.loads(manifest.read_text(encoding="utf-8")).get("run_id")
    except (OSError, ValueError, AttributeError):
        return None
    return run_id


def load_bundle(root: Path, digest: str) -> Bundle:
    """Verify a bundle against its digest, then load its model.

    Raises:
        ContentError: The bundle is missing, damaged, or Keras cannot read its model.
    """
    folder = root / digest
    manifest = read_manifest(folder, digest=digest)
    return Bundle(
        digest=digest,
        model=load_model(folder / MODEL_FILE),
        encoder=_read_json(folder / _ENCODER_FILE),
        scaler=_read_json(folder / _SCALER_FILE),
        manifest=manifest,
        vocabulary=_read_json(folder / _VOCABULARY_FILE) if _VOCABULARY_FILE in manifest["files"] else None,
    )


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def load_model(path: Path) -> keras.Model:
    """Load a saved model for inference only; code inside the file is refused.

    Raises:
        ContentError: Keras cannot read it.
    """
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise ContentError(f"{path} cannot be loaded by Keras {keras.__version__}: {error}") from error


def read_test_predictions(root: Path, digest: str) -> Predictions:
    """The test rows as the bundle scored them before it was published.

    Raises:
        ContentError: The bundle is missing or damaged.
    """
    read_manifest(root / digest, digest=digest)
    return _read_predictions(root / digest / _PREDICTIONS_FILE)


def _read_predictions(path: Path) -> Predictions:
    # `read_table` would load pandas, for a file of one part.
    with pq.ParquetFile(path) as file:
        table = file.read()
    return Predictions(
        row_ids=table["row_id"].combine_chunks(),
        labels=table["label"].to_numpy(),
        probabilities=table["probability"].to_numpy(),
        num_words=table["num_words"].to_numpy() if "num_words" in table.column_names else None,
        ratings=table["rating"].combine_chunks() if "rating" in table.column_names else None,
    )
