from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tasks
from storage.records import MODEL_NAMES, ModelName
from storage.sequences import Sequences

pytestmark = pytest.mark.usefixtures("keras_prepared")

Floats = npt.NDArray[np.float32]
MakeSequences = Callable[..., Sequences]


def build(name: ModelName, *, num_words: int = 300, num_features: int = 6) -> Any:
    from tasks.models import build_model

    return build_model(name, num_words=num_words, num_features=num_features)


def build_decided(name: ModelName) -> Any:
    """A model with random weights so large that its answers differ from review to review."""
    import keras

    keras.utils.set_random_seed(3)
    model = build(name)
    random = np.random.default_rng(3)
    for weight in model.weights:
        values = random.normal(0, 0.2, weight.shape)
        weight.assign(np.abs(values) if weight.name == "moving_variance" else values)
    return model


def answer(model: Any, padded: npt.NDArray[np.int32], features: Floats) -> Floats:
    import keras

    given = {"seq": padded, "feat": features}
    probabilities = model({name: given[name] for name in model.input}, training=False)
    result: Floats = keras.ops.convert_to_numpy(probabilities)[:, 0]
    return result


@pytest.fixture(scope="module", params=MODEL_NAMES)
def model(request: pytest.FixtureRequest) -> Any:
    return build_decided(request.param)


@pytest.fixture(scope="module")
def reviews(make_sequences: MakeSequences) -> Sequences:
    return make_sequences([1, 2, 5, 9, 12, 17, 25, 31], end=300)


@pytest.fixture(scope="module")
def features(reviews: Sequences) -> Floats:
    return np.random.default_rng(5).normal(size=(len(reviews), 6)).astype(np.float32)


@pytest.fixture(scope="module")
def alone(model: Any, reviews: Sequences, features: Floats) -> Floats:
    """Each review's probability, alone and without padding."""
    parts = []
    for index, length in enumerate(reviews.lengths):
        row = np.array([index])
        parts.append(answer(model, reviews.take(row).padded(int(length)), features[row]))
    probabilities = np.concatenate(parts)
    assert np.isfinite(probabilities).all()
    return probabilities


@pytest.mark.parametrize(
    ("name", "total", "not_trainable"),
    [("baseline_avgpool", 6_408_321, 0), ("advanced_bilstm_features", 6_550_817, 64)],
)
def test_a_model_has_the_parameters_of_the_notebooks(name: ModelName, total: int, not_trainable: int) -> None:
    built = build(name, num_words=50_000)
    assert built.count_params() == total
    assert sum(int(np.prod(weight.shape)) for weight in built.non_trainable_weights) == not_trainable
    assert sum(int(np.prod(weight.shape)) for weight in built.trainable_weights) == total - not_trainable


@pytest.mark.parametrize(
    ("name", "inputs"), [("baseline_avgpool", ["seq"]), ("advanced_bilstm_features", ["seq", "feat"])]
)
def test_the_inputs_are_named_and_the_output_is_one_probability(name: ModelName, inputs: list[str]) -> None:
    built = build(name)
    assert list(built.input) == inputs
    assert built.name == name
    assert built.output_shape == (None, 1)
    assert built.input["seq"].shape == (None, None)


def test_the_width_of_the_features_is_the_one_that_is_asked_for() -> None:
    assert build("advanced_bilstm_features", num_features=4).input["feat"].shape == (None, 4)


def test_the_answers_of_the_tests_differ_from_review_to_review(alone: Floats) -> None:
    # Without this, the tests of the padding would show nothing.
    assert np.ptp(alone) > 0.05
    assert np.unique(alone.round(4)).size == len(alone)


@pytest.mark.parametrize("padding", [1, 7, 60])
def test_more_padding_does_not_change_a_reviews_probability(
    model: Any, reviews: Sequences, features: Floats, alone: Floats, padding: int
) -> None:
    for index, length in enumerate(reviews.lengths):
        row = np.array([index])
        padded = reviews.take(row).padded(int(length) + padding)
        np.testing.assert_allclose(answer(model, padded, features[row]), alone[row], rtol=0, atol=1e-5)


def test_longer_reviews_beside_it_do_not_change_a_reviews_probability(
    model: Any, reviews: Sequences, features: Floats, alone: Floats
) -> None:
    together = answer(model, reviews.padded(int(reviews.lengths.max())), features)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_only_the_advanced_model_reads_the_order_of_the_words_and_the_features(
    model: Any, reviews: Sequences, features: Floats
) -> None:
    row = np.array([7])
    forwards = reviews.take(row).padded(31)
    straight = answer(model, forwards, features[row])
    is_advanced = model.name == "advanced_bilstm_features"
    assert (abs(answer(model, forwards[:, ::-1].copy(), features[row]) - straight)[0] > 1e-4) == is_advanced
    assert (abs(answer(model, forwards, -features[row]) - straight)[0] > 1e-4) == is_advanced


# Nothing of one backend.


def backend_names(source: str) -> Iterator[str]:
    """Imports of TensorFlow or JAX, and uses of the name `tf`, in a module's source."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Name):
            names = [node.id]
        yield from (name for name in names if name.split(".")[0] in ("tensorflow", "tf", "tf_keras", "jax"))


@pytest.mark.parametrize(
    "source", ["import tensorflow as tf", "from tensorflow import keras", "x = tf.constant(1)", "import jax.numpy"]
)
def test_a_backend_in_a_module_is_seen(source: str) -> None:
    assert list(backend_names(source))


@pytest.mark.parametrize("folder", ["models", "features"])
def test_no_backend_is_named(folder: str) -> None:
    modules = sorted((Path(tasks.__file__).parent / folder).glob("*.py"))
    assert len(modules) > 1
    assert {module.name: list(backend_names(module.read_text(encoding="utf-8"))) for module in modules} == {
        module.name: [] for module in modules
    }
