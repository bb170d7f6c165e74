from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from storage.errors import TrainingError
from storage.matrices import Matrix
from storage.options import TrainingOptions
from storage.records import ModelName
from storage.sequences import Sequences
from tests.trainings import CONTRARY, OPTIONS, TRAIN, VALIDATION, Recording, matrix, train, weights

if TYPE_CHECKING:
    from tasks.training.loop import TrainedModel

pytestmark = pytest.mark.usefixtures("keras_prepared")


def evaluate(trained: TrainedModel, data: Matrix) -> dict[str, float]:
    import keras

    from tasks.features.batching import LengthBatches

    batches = LengthBatches(
        data.sequences, data.features, data.labels, inputs=tuple(trained.model.input), batch_size=OPTIONS.batch_size
    )
    model = keras.models.clone_model(trained.model)
    model.set_weights(trained.model.get_weights())
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    measured: dict[str, float] = model.evaluate(batches, verbose=0, return_dict=True)
    return measured


@pytest.fixture(scope="module")
def progress() -> Recording:
    return Recording()


@pytest.fixture(scope="module")
def trained(keras_prepared: None, progress: Recording) -> TrainedModel:
    return train(progress=progress)


def test_a_model_learns_what_can_be_learnt(trained: TrainedModel) -> None:
    assert [epoch.number for epoch in trained.epochs] == [1, 2, 3]
    assert trained.epochs[-1].validation_accuracy > 0.95
    assert trained.epochs[-1].loss < trained.epochs[0].loss
    assert 0 < sum(epoch.seconds for epoch in trained.epochs) <= trained.seconds


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(trained: TrainedModel) -> None:
    random.seed(99)
    np.random.seed(99)
    # Other threads use the global random numbers meanwhile.
    again = train(progress=Recording(draws=True))
    assert weights(again) == weights(trained)
    for first, second in zip(trained.epochs, again.epochs, strict=True):
        assert replace(first, seconds=0) == replace(second, seconds=0)


def test_another_seed_gives_other_weights(trained: TrainedModel) -> None:
    assert weights(train(seed=8)) != weights(trained)


def test_a_trained_model_carries_no_optimizer(trained: TrainedModel) -> None:
    assert not trained.model.compiled
    assert getattr(trained.model, "optimizer", None) is None


def test_training_batches_are_drawn_with_the_seed_and_validation_batches_are_not_drawn(
    small_model: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.features.batching import LengthBatches
    from tasks.training import loop

    drawn: list[tuple[int, int | None]] = []

    def draw(sequences: Sequences, *parts: Any, seed: int | None = None, **options: Any) -> LengthBatches:
        drawn.append((len(sequences), seed))
        return LengthBatches(sequences, *parts, seed=seed, **options)

    monkeypatch.setattr(loop, "LengthBatches", draw)
    train(seed=11, epochs=1)
    assert drawn == [(300, 11), (60, None)]


def test_training_leaves_its_data_as_they_are(trained: TrainedModel) -> None:
    fresh = matrix(300, 0)
    assert TRAIN.sequences.values.tobytes() == fresh.sequences.values.tobytes()
    assert TRAIN.features.tobytes() == fresh.features.tobytes()


# The best weights.


@pytest.mark.parametrize(("patience", "num_epochs"), [(1, 2), (2, 3), (4, 5)])
def test_training_stops_after_so_many_epochs_without_a_better_validation_loss(patience: int, num_epochs: int) -> None:
    options = OPTIONS.model_copy(update={"early_stopping_patience": patience})
    stopped = train(validation=CONTRARY, options=options, epochs=9)
    assert len(stopped.epochs) == num_epochs
    assert stopped.best_epoch == 1


def test_a_model_keeps_the_weights_of_the_epoch_with_the_smallest_validation_loss() -> None:
    stopped = train(validation=CONTRARY, epochs=9)
    losses = [epoch.validation_loss for epoch in stopped.epochs]
    best = stopped.epochs[stopped.best_epoch - 1]
    assert best.validation_loss == min(losses) < losses[-1]
    measured = evaluate(stopped, CONTRARY)
    assert measured["loss"] == pytest.approx(best.validation_loss, abs=1e-6)
    assert measured["accuracy"] == pytest.approx(best.validation_accuracy, abs=1e-6)


def test_a_model_that_got_better_to_the_end_keeps_its_last_weights(trained: TrainedModel) -> None:
    best = trained.epochs[trained.best_epoch - 1]
    assert best.validation_loss == min(epoch.validation_loss for epoch in trained.epochs)
    assert evaluate(trained, VALIDATION)["loss"] == pytest.approx(best.validation_loss, abs=1e-6)


def test_the_learning_rate_is_halved_where_the_validation_loss_does_not_get_better() -> None:
    options = OPTIONS.model_copy(update={"early_stopping_patience": 4, "plateau_patience": 2})
    stopped = train(validation=CONTRARY, options=options, epochs=9)
    rates = [epoch.learning_rate for epoch in stopped.epochs]
    np.testing.assert_allclose(rates, [0.05, 0.05, 0.05, 0.025, 0.025], rtol=1e-6)


def test_a_step_is_no_larger_than_its_gradient_may_be() -> None:
    # So small that Adam's epsilon swallows it: nothing is learnt.
    stuck = train(options=OPTIONS.model_copy(update={"clip_norm": 1e-12}), epochs=2)
    assert stuck.epochs[-1].validation_loss == pytest.approx(math.log(2), abs=0.01)


def test_the_advanced_model_learns_too() -> None:
    advanced = train("advanced_bilstm_features", epochs=2)
    assert advanced.model.name == "advanced_bilstm_features"
    assert advanced.epochs[-1].validation_accuracy > 0.8


# What cannot be scored.


@pytest.fixture
def small_model(keras_prepared: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the architecture with features: it compiles in no time."""
    import keras

    from tasks.training import loop

    def build(name: ModelName, *, num_words: int, num_features: int) -> Any:
        feat = keras.Input((num_features,), dtype="float32", name="feat")
        return keras.Model({"feat": feat}, keras.layers.Dense(1, activation="sigmoid")(feat))

    monkeypatch.setattr(loop, "build_model", build)


def with_feature(data: Matrix, value: float) -> Matrix:
    """One feature of one review has this value."""
    features = data.features.copy()
    features[17, 3] = value
    return replace(data, features=features)


def test_finite_features_train(small_model: None) -> None:
    assert len(train(epochs=1).epochs) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["data", "validation"])
def test_one_broken_feature_is_an_error(small_model: None, where: str, value: float) -> None:
    broken = with_feature(TRAIN if where == "data" else VALIDATION, value)
    progress = Recording()
    with pytest.raises(TrainingError) as caught:
        train(progress=progress, **{where: broken})  # type: ignore[arg-type]
    message = str(caught.value)
    assert "training baseline_avgpool stopped in epoch 1: its loss is not finite" in message
    assert "nan" in message or "inf" in message
    assert "look for broken features." in message
    assert progress.calls[-1] == ("stop",)
    # A loss that is lost does not come back: nothing is trained any further.
    assert where == "validation" or len(progress.told("epoch")) == 1


def test_a_learning_rate_that_is_far_too_large_is_an_error() -> None:
    options = TrainingOptions.model_construct(**{**OPTIONS.model_dump(), "learning_rate": 1e38})
    with pytest.raises(TrainingError, match=r"its loss is not finite .* Lower training\.learning_rate"):
        train(options=options)


# Progress.


def test_the_progress_hears_of_the_start_and_of_the_end(progress: Recording, trained: TrainedModel) -> None:
    assert progress.calls[0] == ("start", "baseline_avgpool", 3, 10, 0)
    assert progress.calls[-1] == ("stop",)
    assert len(progress.told("start")) == len(progress.told("stop")) == 1


def test_the_progress_hears_of_every_batch_counted_from_1(progress: Recording, trained: TrainedModel) -> None:
    batches = progress.told("batch")
    assert [call[:2] for call in batches] == [(epoch, batch) for epoch in (1, 2, 3) for batch in range(1, 11)]
    assert all(isinstance(call[2], float) and math.isfinite(call[2]) for call in batches)
    # The loss is the epoch's mean so far: after the last batch it is the epoch's.
    for epoch in trained.epochs:
        assert batches[epoch.number * 10 - 1][2] == pytest.approx(epoch.loss, rel=1e-6)


def test_the_progress_hears_of_every_epoch_after_its_batches(progress: Recording, trained: TrainedModel) -> None:
    epochs = progress.told("epoch")
    assert [number for number, _ in epochs] == [1, 2, 3]
    for (_, logs), epoch in zip(epochs, trained.epochs, strict=True):
        assert logs["loss"] == epoch.loss
        assert logs["val_loss"] == epoch.validation_loss
        assert logs["val_accuracy"] == epoch.validation_accuracy
    assert [call[0] for call in progress.calls[1:12]] == ["batch"] * 10 + ["epoch"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_the_progress_is_stopped_when_training_breaks_off(error: type[BaseException]) -> None:
    # Else a bar goes on drawing, and hides the cursor.
    broken = Recording(error=error)
    with pytest.raises(error):
        train(progress=broken)
    assert broken.calls[-1] == ("stop",)
