from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from storage.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from storage.errors import TrainingError
from storage.records import MODEL_NAMES, Epoch, ModelName
from storage.sequences import Sequences
from tests.trainings import CONTRARY, OPTIONS, TRAIN, Recording, train, weights

if TYPE_CHECKING:
    from tasks.training.loop import TrainedModel

pytestmark = pytest.mark.usefixtures("keras_prepared")

# Every epoch is better than the one before.
SLOW = OPTIONS.model_copy(update={"learning_rate": 0.002})
# Early stopping waits, and the learning rate is lowered meanwhile: both have counted before the training is cut off.
PATIENT = OPTIONS.model_copy(update={"early_stopping_patience": 3, "plateau_patience": 2})
OTHERWISE: dict[str, Any] = {"validation": CONTRARY, "options": PATIENT, "epochs": 9}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{'a' * 64}.npz"


@pytest.fixture(scope="module")
def plain(keras_prepared: None) -> TrainedModel:
    """A training that nobody cut off."""
    return train()


@pytest.fixture(scope="module")
def stopped(keras_prepared: None) -> TrainedModel:
    """One that stopped early."""
    return train(**OTHERWISE)


def cut_off(path: Path, after: int, name: ModelName = "baseline_avgpool", **how: Any) -> None:
    """Train, and stop within the epoch after this one."""
    with pytest.raises(KeyboardInterrupt):
        train(name, progress=Recording(error=KeyboardInterrupt, after=after), checkpoint=path, **how)


def epochs(trained: TrainedModel) -> list[Epoch]:
    """Without their seconds, which nothing can repeat."""
    return [replace(epoch, seconds=0) for epoch in trained.epochs]


@pytest.mark.parametrize(("name", "after"), [*((MODEL_NAMES[0], after) for after in (1, 2, 3)), (MODEL_NAMES[1], 2)])
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(
    path: Path, caplog: pytest.LogCaptureFixture, name: ModelName, after: int
) -> None:
    how: dict[str, Any] = {"options": SLOW, "epochs": after + 1}
    whole = train(name, **how)
    # Else the weights that are kept would be older than the interruption.
    assert whole.best_epoch == after + 1
    cut_off(path, after, name, **how)
    progress = Recording()
    with caplog.at_level(logging.INFO, logger="tasks.training"):
        taken_up = train(name, **how, progress=progress, checkpoint=path)
    assert f"{name}: taken up after epoch {after}, where an earlier training was cut off" in caplog.messages
    assert progress.calls[0] == ("start", name, after + 1, 10, after)
    assert [told[:2] for told in progress.told("batch")] == [(after + 1, batch) for batch in range(1, 11)]
    assert weights(taken_up) == weights(whole)
    assert epochs(taken_up) == epochs(whole)
    assert taken_up.best_epoch == whole.best_epoch


@pytest.mark.parametrize("after", [1, 2, 3])
def test_what_the_callbacks_have_counted_is_taken_up_too(path: Path, stopped: TrainedModel, after: int) -> None:
    assert (len(stopped.epochs), stopped.best_epoch) == (4, 1)
    assert stopped.epochs[3].learning_rate < stopped.epochs[0].learning_rate
    cut_off(path, after, **OTHERWISE)
    taken_up = train(**OTHERWISE, checkpoint=path)
    assert weights(taken_up) == weights(stopped)
    assert epochs(taken_up) == epochs(stopped)


@pytest.mark.parametrize("how", [OTHERWISE, {"epochs": 2}], ids=["stopped early", "all epochs trained"])
def test_a_training_that_had_nothing_left_to_do_is_not_trained_on(path: Path, how: dict[str, Any]) -> None:
    whole = train(**how, checkpoint=path)
    progress = Recording()
    taken_up = train(**how, progress=progress, checkpoint=path)
    assert progress.calls == []
    assert weights(taken_up) == weights(whole)
    assert taken_up.epochs == whole.epochs
    assert taken_up.best_epoch == whole.best_epoch


def test_a_training_may_be_cut_off_again_and_again(path: Path) -> None:
    whole = train(options=SLOW, epochs=4)
    for after in (1, 2, 3):
        cut_off(path, after, options=SLOW, epochs=4)
    taken_up = train(options=SLOW, epochs=4, checkpoint=path)
    assert weights(taken_up) == weights(whole)
    assert sum(epoch.seconds for epoch in taken_up.epochs) <= taken_up.seconds


def test_keeping_the_state_changes_nothing(path: Path, plain: TrainedModel) -> None:
    assert weights(train(checkpoint=path)) == weights(plain)


def test_the_batches_after_an_interruption_are_those_of_the_next_epoch(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.features.batching import LengthBatches

    cut_off(path, 2)
    trained_on: list[list[int]] = []
    rows_of_epoch = LengthBatches.rows_of_epoch
    read = LengthBatches.__getitem__

    def listen(batches: LengthBatches, index: int) -> Any:
        if len(batches) == 10:
            trained_on.append(read(batches, index)[0]["seq"][:, 0].tolist())
        return read(batches, index)

    monkeypatch.setattr(LengthBatches, "__getitem__", listen)
    train(checkpoint=path)
    fresh = LengthBatches(
        TRAIN.sequences, TRAIN.features, TRAIN.labels, inputs=("seq",), batch_size=32, epochs=3, seed=7
    )
    expected = [TRAIN.sequences.take(rows).padded(12)[:, 0].tolist() for rows in rows_of_epoch(fresh, 2)]
    # Before it trains, Keras looks at the first ones to learn their shapes.
    assert trained_on[-10:] == expected


# What cannot be taken up.


def starts_afresh(path: Path, caplog: pytest.LogCaptureFixture, because: str, **how: Any) -> TrainedModel:
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="tasks.training"):
        trained = train(checkpoint=path, **how)
    (line,) = caplog.messages
    assert line.startswith("baseline_avgpool: training starts afresh, since it cannot be taken up: ")
    assert because in line
    return trained


def test_a_damaged_state_is_not_taken_up(path: Path, plain: TrainedModel, caplog: pytest.LogCaptureFixture) -> None:
    cut_off(path, 2)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert weights(starts_afresh(path, caplog, "is not a whole checkpoint")) == weights(plain)


def test_the_state_of_another_training_is_not_taken_up(
    path: Path, plain: TrainedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / f"{'b' * 64}.npz"
    cut_off(other, 2, options=OPTIONS.model_copy(update={"learning_rate": 0.01}))
    other.rename(path)
    assert weights(starts_afresh(path, caplog, "was written for another training")) == weights(plain)


def test_variables_of_another_shape_are_not_taken_up(
    path: Path, plain: TrainedModel, caplog: pytest.LogCaptureFixture
) -> None:
    cut_off(path, 2)
    found = read_checkpoint(path)
    assert found is not None
    write_checkpoint(path, Checkpoint(found.state, {**found.arrays, "variable_0": np.ones(3, dtype=np.float32)}))
    assert weights(starts_afresh(path, caplog, "another model's variables")) == weights(plain)


def test_an_epoch_from_which_keras_would_learn_another_width_is_not_begun_with(
    path: Path, plain: TrainedModel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.features.batching import LengthBatches

    cut_off(path, 2)
    with monkeypatch.context() as patched:
        patched.setattr(LengthBatches, "can_begin_with", lambda _, epoch: epoch != 2)
        again = starts_afresh(path, caplog, "all of one width")
    assert weights(again) == weights(plain)


def test_two_batches_of_one_width_show_nothing_where_the_first_ones_differed() -> None:
    from tasks.features.batching import LengthBatches

    def begins(lengths: list[int]) -> set[bool]:
        values = np.ones(sum(lengths), dtype=np.int32)
        sequences = Sequences.from_lengths(values, np.array(lengths, dtype=np.int64))
        features = np.zeros((len(lengths), 6), dtype=np.float32)
        batches = LengthBatches(sequences, features, inputs=("seq",), batch_size=2, epochs=40, seed=1)
        assert batches.can_begin_with(0)
        return {batches.can_begin_with(epoch) for epoch in range(40)}

    # Of nearly one length, so that now the longest two meet, now they do not.
    assert begins([95, 100, 98, 100]) == {True, False}
    assert begins([100, 100, 100, 100]) == begins([5, 6, 99, 100]) == begins([5]) == {True}


# What is not kept.


def test_a_loss_that_is_not_finite_leaves_no_state(path: Path) -> None:
    features = TRAIN.features.copy()
    features[17, 3] = math.nan
    with pytest.raises(TrainingError, match="not finite"):
        train("advanced_bilstm_features", data=replace(TRAIN, features=features), checkpoint=path)
    assert not path.exists()


def test_a_full_disk_does_not_end_a_training(
    path: Path, plain: TrainedModel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.training.checkpoints.write_checkpoint", full)
    assert weights(train(checkpoint=path)) == weights(plain)
    assert [line for line in caplog.messages if "No space left" in line] == [
        f"baseline_avgpool: epoch {number} cannot be taken up later: [Errno 28] No space left on device"
        for number in (1, 2, 3)
    ]
