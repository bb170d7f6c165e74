from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from storage.options import Precision
from storage.records import ModelName

if TYPE_CHECKING:
    import keras

pytestmark = pytest.mark.usefixtures("keras_prepared")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say what GPUs and backend there are."""
    from tasks.training import acceleration

    def there_is(*, gpus: tuple[str, ...] = (), backend: str = "tensorflow") -> None:
        monkeypatch.setattr(acceleration, "accelerators", lambda: list(gpus))
        monkeypatch.setattr("keras.config.backend", lambda: backend)

    return there_is


def plain(name: ModelName = "advanced_bilstm_features") -> keras.Model:
    from tasks.models import build_model

    return build_model(name, num_words=60, num_features=6)


def kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def predictions(model: keras.Model) -> Any:
    random = np.random.default_rng(1)
    tokens = random.integers(1, 60, (7, 12)).astype(np.int32) * (np.arange(12) < random.integers(1, 13, 7)[:, None])
    return model.predict_on_batch({"seq": tokens, "feat": random.normal(size=(7, 6)).astype(np.float32)})


@pytest.mark.parametrize(
    ("precision", "expected"), [("auto", "float32"), ("float32", "float32"), ("bfloat16", "bfloat16")]
)
def test_a_processors_lstms_are_our_own_and_round_only_if_they_are_told_to(
    processor: Any, precision: Precision, expected: str
) -> None:
    from tasks.training.acceleration import accelerated

    processor()
    model = plain()
    fast, products = accelerated(model, precision)

    assert products == expected
    assert kinds(fast).count("BidirectionalLSTM") == 2
    assert fast.count_params() == model.count_params()
    assert [tuple(weight.shape) for weight in fast.weights] == [tuple(weight.shape) for weight in model.weights]
    np.testing.assert_allclose(predictions(fast), predictions(model), atol=1e-6 if expected == "float32" else 0.01)


def test_seeds_of_dropout_are_kept(processor: Any) -> None:
    from tasks.training.acceleration import accelerated
    from tasks.training.loop import seeded

    processor()
    model = seeded(plain(), 3)
    fast, _ = accelerated(model, "auto")
    seeds = [[layer.seed for layer in one.layers if "Dropout" in type(layer).__name__] for one in (model, fast)]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3


def test_a_model_without_lstms_is_left_as_it_is(processor: Any) -> None:
    from tasks.training.acceleration import accelerated

    processor()
    model = plain("baseline_avgpool")
    assert accelerated(model, "bfloat16") == (model, "float32")


@pytest.mark.parametrize(
    ("gpus", "backend"), [(("gpu:0",), "tensorflow"), ((), "jax"), ((), "torch"), (("gpu:0",), "torch")]
)
def test_keras_layers_and_float32_are_kept_where_nothing_else_was_measured(
    processor: Any, gpus: tuple[str, ...], backend: str
) -> None:
    from tasks.training.acceleration import accelerated

    processor(gpus=gpus, backend=backend)
    model = plain()
    assert accelerated(model, "auto") == (model, "float32")


def test_a_gpu_gets_keras_mixed_precision_if_it_is_asked_for(processor: Any) -> None:
    from tasks.training.acceleration import accelerated

    processor(gpus=("gpu:0",))
    model = plain()
    fast, products = accelerated(model, "bfloat16")

    assert products == "bfloat16"
    assert kinds(fast) == kinds(model)
    policies = {layer.name: layer.dtype_policy.name for layer in fast.layers if layer.weights}
    assert policies.pop(fast.layers[-1].name) == "float32"
    assert set(policies.values()) == {"mixed_bfloat16"}
    assert {weight.dtype for weight in fast.trainable_weights} == {"float32"}
    np.testing.assert_allclose(predictions(fast), predictions(model), atol=0.01)


@pytest.mark.parametrize(
    ("rows", "memory", "expected"),
    [
        (22_500, 60, 1024),
        (22_500, 43, 512),
        (22_500, 21, 256),
        (22_500, 0, 256),
        (20_480, 60, 1024),
        (20_479, 60, 512),
        (10_239, 60, 256),
        (100, 60, 256),
    ],
)
def test_batches_grow_on_a_gpu_as_its_memory_and_the_steps_of_an_epoch_allow(
    processor: Any, monkeypatch: pytest.MonkeyPatch, rows: int, memory: int, expected: int
) -> None:
    import jax

    from tasks.training.acceleration import accelerated, batch_size

    processor()
    model, _ = accelerated(plain(), "float32")
    assert batch_size(model, rows, 467) == 256

    processor(gpus=("gpu:0 a card",), backend="jax")
    card = SimpleNamespace(memory_stats=lambda: {"bytes_limit": memory * 2**30} if memory else None)
    monkeypatch.setattr(jax, "local_devices", lambda: [card])
    assert batch_size(model, rows, 467) == expected
    assert batch_size(plain("baseline_avgpool"), rows, 467) == 256


def test_the_saved_model_is_of_keras_own_layers_whatever_trained_it(processor: Any) -> None:
    from tests.trainings import OPTIONS, train

    processor()
    options = OPTIONS.model_copy(update={"precision": "bfloat16"})
    trained = train("advanced_bilstm_features", options=options, epochs=1)
    assert trained.products == "bfloat16"
    assert kinds(trained.model) == kinds(plain())
    assert {layer.dtype_policy.name for layer in trained.model.layers} == {"float32"}
