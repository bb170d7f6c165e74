from __future__ import annotations

import dataclasses
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storage.bundles import (
    MODEL_FILE,
    Predictions,
    load_bundle,
    load_model,
    publish_bundle,
    read_test_predictions,
    stage_predictions,
    sweep_unrecorded,
    take_predictions,
)
from storage.content import MANIFEST, staging
from storage.errors import ContentError

# TensorFlow's arrays, when Keras saves them, do not know NumPy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

Flip = Callable[[Path, int], None]

ENCODER = {"num_words": 100, "max_length": 3}
SCALER = {"mean": [0.1, 1 / 3], "scale": [1.0, 1e-300]}
PREDICTIONS = Predictions(
    row_ids=pa.array(["test/0/aa", "test/1/bb", "test/2/cc"]),
    labels=np.array([0, 1, 1], dtype=np.uint8),
    probabilities=np.array([0.1, 1e-30, 1.0], dtype=np.float32),
)


@dataclasses.dataclass(frozen=True)
class Published:
    root: Path
    digest: str
    model: Any

    @property
    def folder(self) -> Path:
        return self.root / self.digest


def publish(root: Path, save: Callable[[Path], None]) -> str:
    with staging(root) as folder:
        save(folder / MODEL_FILE)
        return publish_bundle(
            folder, encoder=ENCODER, scaler=SCALER, predictions=PREDICTIONS, manifest={"model": "tiny"}
        )


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def original(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Published:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    root = tmp_path_factory.mktemp("bundles")
    return Published(root, publish(root, model.save), model)


@pytest.fixture
def copy(original: Published, tmp_path: Path) -> Published:
    """A bundle that a test may damage."""
    shutil.copytree(original.folder, tmp_path / original.digest)
    return dataclasses.replace(original, root=tmp_path)


def test_a_bundle_loads_with_all_that_scoring_needs(original: Published) -> None:
    bundle = load_bundle(original.root, original.digest)

    assert (bundle.digest, bundle.encoder, bundle.scaler) == (original.digest, ENCODER, SCALER)
    assert bundle.manifest["model"] == "tiny"
    assert sorted(bundle.manifest["files"]) == ["encoder.json", MODEL_FILE, "scaler.json", "test_predictions.parquet"]


def test_a_loaded_model_answers_bit_by_bit_as_the_saved_one(original: Published) -> None:
    rows = np.random.default_rng(7).normal(size=(16, 3)).astype(np.float32)

    loaded = load_bundle(original.root, original.digest).model

    assert [weight.tobytes() for weight in loaded.get_weights()] == [
        weight.tobytes() for weight in original.model.get_weights()
    ]
    assert (loaded.predict_on_batch(rows) == original.model.predict_on_batch(rows)).all()
    assert original.model.compiled
    assert not loaded.compiled


def test_the_test_predictions_come_back_bit_by_bit(original: Published) -> None:
    again = read_test_predictions(original.root, original.digest)

    assert again.row_ids.to_pylist() == PREDICTIONS.row_ids.to_pylist()
    assert again.labels.dtype == np.uint8
    assert again.labels.tolist() == [0, 1, 1]
    assert again.probabilities.dtype == np.float32
    assert again.probabilities.tobytes() == PREDICTIONS.probabilities.tobytes()
    assert (again.num_words, again.ratings) == (None, None)


def test_words_and_ratings_come_back_where_they_were_given(tmp_path: Path) -> None:
    counted = dataclasses.replace(
        PREDICTIONS, num_words=np.array([3, 1, 2], dtype=np.int32), ratings=pa.array([1, None, 9], pa.int8())
    )
    with staging(tmp_path) as folder:
        (folder / MODEL_FILE).write_bytes(b"")
        digest = publish_bundle(folder, encoder=ENCODER, scaler=SCALER, predictions=counted, manifest={})

    again = read_test_predictions(tmp_path, digest)

    assert again.num_words is not None
    assert again.num_words.tolist() == [3, 1, 2]
    assert again.ratings is not None
    assert again.ratings.to_pylist() == [1, None, 9]


def test_what_was_staged_is_taken_once_and_that_of_validation_is_not_published(tmp_path: Path) -> None:
    other = dataclasses.replace(PREDICTIONS, probabilities=np.array([0.5, 0.25, np.nan], dtype=np.float32))
    stage_predictions(tmp_path, validation=other, test=PREDICTIONS)

    validation, test = take_predictions(tmp_path)

    assert validation.probabilities.tobytes() == other.probabilities.tobytes()
    assert test.probabilities.tobytes() == PREDICTIONS.probabilities.tobytes()
    assert test.row_ids.equals(PREDICTIONS.row_ids)
    assert [path.name for path in tmp_path.iterdir()] == ["test_predictions.parquet"]


@pytest.mark.parametrize("name", [MODEL_FILE, "encoder.json", "scaler.json", "test_predictions.parquet", MANIFEST])
def test_a_flipped_bit_of_any_file_is_refused(copy: Published, flip: Flip, name: str) -> None:
    file = copy.folder / name
    size = file.stat().st_size
    chosen = np.random.default_rng(2025).integers(0, size, 25).tolist()

    for position in {0, size // 2, size - 1, *chosen}:
        flip(file, position)
        with pytest.raises(ContentError, match=name):
            load_bundle(copy.root, copy.digest)
        with pytest.raises(ContentError, match=name):
            read_test_predictions(copy.root, copy.digest)
        flip(file, position)
    assert len(read_test_predictions(copy.root, copy.digest).labels) == 3


@pytest.mark.parametrize("name", [MODEL_FILE, "encoder.json", "scaler.json", "test_predictions.parquet", MANIFEST])
def test_a_missing_file_is_refused(copy: Published, name: str) -> None:
    (copy.folder / name).unlink()

    with pytest.raises(ContentError, match=name):
        load_bundle(copy.root, copy.digest)


def test_a_bundle_of_another_digest_is_refused(copy: Published) -> None:
    other = "0" * 64
    copy.folder.rename(copy.root / other)

    with pytest.raises(ContentError, match=f"its hash is not {other}"):
        load_bundle(copy.root, other)
    with pytest.raises(ContentError, match="was removed or damaged"):
        load_bundle(copy.root, copy.digest)


def test_a_model_with_python_code_inside_is_refused(keras: Any, tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda values: values * 2)(inputs))
    digest = publish(tmp_path, model.save)

    with pytest.raises(ContentError, match=f"{MODEL_FILE} cannot be loaded by Keras.*Lambda"):
        load_bundle(tmp_path, digest)


@pytest.mark.parametrize("content", [b"", b"hello"], ids=["empty", "a text"])
def test_a_model_that_is_no_keras_file_is_refused(tmp_path: Path, keras: Any, content: bytes) -> None:
    def save(path: Path) -> None:
        path.write_bytes(content)

    digest = publish(tmp_path, save)

    with pytest.raises(ContentError, match=f"cannot be loaded by Keras {keras.__version__}"):
        load_bundle(tmp_path, digest)


def test_half_a_model_is_refused(original: Published, tmp_path: Path) -> None:
    content = (original.folder / MODEL_FILE).read_bytes()
    (tmp_path / MODEL_FILE).write_bytes(content[: len(content) // 2])

    with pytest.raises(ContentError, match="cannot be loaded by Keras"):
        load_model(tmp_path / MODEL_FILE)


def test_a_model_whose_weights_were_damaged_before_publication_is_refused(copy: Published, flip: Flip) -> None:
    path = copy.folder / MODEL_FILE
    flip(path, path.stat().st_size // 2)

    with pytest.raises(ContentError, match="cannot be loaded by Keras"):
        load_model(path)


def test_a_model_without_its_architecture_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / MODEL_FILE, "w") as file:
        file.writestr("metadata.json", "{}")

    with pytest.raises(ContentError, match="cannot be loaded by Keras"):
        load_model(tmp_path / MODEL_FILE)


def test_only_unrecorded_bundles_of_dead_runs_are_swept(tmp_path: Path) -> None:
    manifests = {
        "left": '{"run_id": "dead"}',
        "recorded": '{"run_id": "dead"}',
        "alive": '{"run_id": "other"}',
        # Half-written or damaged: nobody knows whose they are.
        "torn": '{"run_id": "de',
        "odd": "[]",
        "binary": "\x00",
    }
    for name, text in manifests.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).write_text(text, encoding="utf-8")
    assert [folder.name for folder in sweep_unrecorded(tmp_path, {"dead"}, {"recorded"})] == ["left"]
    assert {folder.name for folder in tmp_path.iterdir()} == set(manifests) - {"left"}
