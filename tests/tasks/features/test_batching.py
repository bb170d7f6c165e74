from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from storage.records import MODEL_NAMES, ModelName
from storage.sequences import Sequences

if TYPE_CHECKING:
    from tasks.features.batching import LengthBatches

pytestmark = pytest.mark.usefixtures("keras_prepared")

LENGTHS = np.random.default_rng(1).integers(3, 60, 100).tolist()
MakeSequences = Callable[..., Sequences]


def numbered(lengths: list[int]) -> Sequences:
    """Each review says its row's number, again and again."""
    values = np.repeat(np.arange(1, len(lengths) + 1), lengths).astype(np.int32)
    return Sequences.from_lengths(values, np.array(lengths, dtype=np.int64))


def batches_of(
    sequences: Sequences,
    batch_size: int = 16,
    *,
    seed: int | None = 7,
    epochs: int = 3,
    with_labels: bool = True,
    inputs: tuple[str, ...] = ("seq", "feat"),
) -> LengthBatches:
    from tasks.features.batching import LengthBatches

    rows = np.arange(len(sequences))
    features = np.repeat(rows[:, None], 6, axis=1).astype(np.float32)
    labels = (rows % 2).astype(np.uint8) if with_labels else None
    return LengthBatches(sequences, features, labels, inputs=inputs, batch_size=batch_size, epochs=epochs, seed=seed)


def epoch(batches: LengthBatches, number: int = 0) -> list[npt.NDArray[np.int32]]:
    """The tokens of all batches of one epoch, counted from 0."""
    first = number * batches.batches_per_epoch
    return [batches[index][0]["seq"].astype(np.int32) for index in range(first, first + batches.batches_per_epoch)]


def rows_of(tokens: list[npt.NDArray[np.int32]]) -> list[int]:
    """The rows of `numbered` that stand in these batches."""
    return [int(row[0]) - 1 for batch in tokens for row in batch]


def row_numbers(batches: LengthBatches, index: int) -> list[int]:
    """The rows of `numbered` in one batch."""
    return rows_of([batches[index][0]["seq"].astype(np.int32)])


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("batch_size", [1, 7, 20, 99, 100, 101])
def test_every_row_is_in_every_epoch_exactly_once(batch_size: int, seed: int | None) -> None:
    batches = batches_of(numbered(LENGTHS), batch_size, seed=seed)
    for number in range(3):
        tokens = epoch(batches, number)
        assert sorted(rows_of(tokens)) == list(range(100))
        sizes = Counter(len(batch) for batch in tokens)
        assert sizes[batch_size] == 100 // batch_size
        assert len(tokens) == batches.batches_per_epoch == len(batches) / 3 == -(-100 // batch_size)


@pytest.mark.parametrize("seed", [None, 7])
def test_the_tokens_are_those_of_full_padding(make_sequences: MakeSequences, seed: int | None) -> None:
    sequences = make_sequences(LENGTHS)
    full = Counter(tuple(row[row > 0].tolist()) for row in sequences.padded(max(LENGTHS)))
    batches = batches_of(sequences, seed=seed)
    for number in range(2):
        assert Counter(tuple(row[row > 0].tolist()) for batch in epoch(batches, number) for row in batch) == full


@pytest.mark.parametrize("seed", [None, 7])
def test_a_batch_is_as_wide_as_its_longest_review_and_padded_on_the_right(seed: int | None) -> None:
    for tokens in epoch(batches_of(numbered(LENGTHS), seed=seed)):
        lengths = (tokens > 0).sum(axis=1)
        assert lengths.tolist() == [LENGTHS[row] for row in rows_of([tokens])]
        assert tokens.shape[1] == lengths.max()
        assert (tokens[:, 0] > 0).all()
        assert ((tokens > 0) == (np.arange(tokens.shape[1]) < lengths[:, None])).all()


def test_batches_hold_reviews_of_similar_length() -> None:
    padding = sum(int((tokens == 0).sum()) for tokens in epoch(batches_of(numbered(LENGTHS))))
    full = max(LENGTHS) * len(LENGTHS) - sum(LENGTHS)
    assert padding < full / 5


@pytest.mark.parametrize("seed", [None, 7])
def test_features_and_labels_are_of_the_same_rows_as_the_tokens(seed: int | None) -> None:
    batches = batches_of(numbered(LENGTHS), seed=seed)
    for index in range(len(batches)):
        batch = batches[index]
        assert len(batch) == 2
        inputs, labels = batch
        rows = inputs["seq"][:, 0] - 1
        np.testing.assert_array_equal(inputs["feat"], np.repeat(rows[:, None], 6, axis=1))
        np.testing.assert_array_equal(labels, rows[:, None] % 2)
        dtypes = [str(array.dtype) for array in (inputs["seq"], inputs["feat"], labels)]
        assert dtypes == ["int32", "float32", "float32"]


def test_the_same_seed_gives_the_same_batches_in_every_epoch_and_another_seed_others() -> None:
    first, again, other = (batches_of(numbered(LENGTHS), seed=seed) for seed in (7, 7, 8))
    for number in range(3):
        expected = rows_of(epoch(first, number))
        assert rows_of(epoch(again, number)) == expected
        assert rows_of(epoch(other, number)) != expected


@pytest.mark.parametrize("seed", [None, 7])
def test_a_batch_is_the_same_whatever_was_read_before_it(seed: int | None) -> None:
    # Keras reads ahead from another thread, and may read a batch twice.
    in_order, backwards = (batches_of(numbered(LENGTHS), seed=seed) for _ in range(2))
    expected = [row_numbers(in_order, index) for index in range(len(in_order))]
    in_order.on_epoch_end()
    for index in reversed(range(len(expected))):
        assert row_numbers(backwards, index) == expected[index]
    with ThreadPoolExecutor(4) as threads:
        read = threads.map(lambda index: row_numbers(in_order, index), [*range(len(expected))] * 5)
        assert list(read) == expected * 5


def test_epochs_put_other_rows_together() -> None:
    batches = batches_of(numbered(LENGTHS))
    first, second = ({frozenset(rows_of([tokens])) for tokens in epoch(batches, number)} for number in range(2))
    assert first != second


def test_batches_come_in_another_order_in_every_epoch_and_not_by_length() -> None:
    batches = batches_of(numbered(LENGTHS), 4)
    widths = [[tokens.shape[1] for tokens in epoch(batches, number)] for number in range(3)]
    assert len({tuple(each) for each in widths}) == 3
    assert all(each[2:] != sorted(each[2:]) for each in widths)


def test_without_a_seed_every_epoch_is_the_same_and_nearly_sorted_by_length() -> None:
    batches = batches_of(numbered(LENGTHS), 4, seed=None)
    assert rows_of(epoch(batches, 0)) == rows_of(epoch(batches, 1))
    widths = [tokens.shape[1] for tokens in epoch(batches)]
    assert widths[2:] == sorted(widths[2:])


@pytest.mark.parametrize("seed", [None, 7])
def test_it_says_which_rows_stand_in_which_batch(seed: int | None) -> None:
    batches = batches_of(numbered(LENGTHS), seed=seed)
    for number in range(3):
        said = [rows.tolist() for rows in batches.rows_of_epoch(number)]
        assert said == [rows_of([tokens]) for tokens in epoch(batches, number)]


@pytest.mark.parametrize("inputs", [("seq",), ("feat",), ("seq", "feat")])
def test_a_model_gets_the_inputs_that_it_has(inputs: tuple[str, ...]) -> None:
    assert tuple(batches_of(numbered(LENGTHS), inputs=inputs)[0][0]) == inputs


def test_without_labels_a_batch_has_only_inputs() -> None:
    assert len(batches_of(numbered(LENGTHS), with_labels=False)[0]) == 1


@pytest.mark.parametrize("lengths", [[12] * 20, [12] * 19 + [5], [9, 3, 5]], ids=["equal", "one shorter", "one batch"])
def test_reviews_of_one_width_keep_it_in_every_epoch(lengths: list[int]) -> None:
    batches = batches_of(numbered(lengths), 4 if len(lengths) > 4 else 8)
    widths = {tokens.shape[1] for number in range(3) for tokens in epoch(batches, number)}
    assert widths == {max(lengths)}


@pytest.mark.parametrize(
    ("lengths", "batch_size"), [([20, 21, 20], 1), ([20] * 30 + [21], 4), ([40] * 99 + [41, 42], 16), ([9, 3, 5], 2)]
)
def test_if_the_first_two_batches_have_one_width_all_batches_have_it(lengths: list[int], batch_size: int) -> None:
    # Keras fixes the width for the whole training where the first two batches, as first drawn, agree.
    for seed in (None, *range(100)):
        batches = batches_of(numbered(lengths), batch_size, seed=seed)
        widths = [batches[index][0]["seq"].shape[1] for index in range(len(batches))]
        if widths[0] == widths[1]:
            assert len(set(widths)) == 1


@pytest.mark.parametrize(
    ("lengths", "batch_size"),
    [([20, 21, 20], 1), ([20] * 30 + [21], 4), ([12] * 20, 4), ([3, 5, 9], 8), ([3, 30, 9, 4], 2)],
    ids=["nearly equal, alone", "nearly equal", "equal", "one batch", "different"],
)
def test_keras_takes_batches_of_any_lengths(lengths: list[int], batch_size: int) -> None:
    import keras

    seq = keras.Input((None,), dtype="int32", name="seq")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(40, 2, mask_zero=True)(seq))
    model = keras.Model({"seq": seq}, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile("sgd", "binary_crossentropy")
    for seed in (2, 9):
        batches = batches_of(numbered(lengths), batch_size, seed=seed, epochs=2, inputs=("seq",))
        history = model.fit(batches, epochs=2, steps_per_epoch=batches.batches_per_epoch, shuffle=False, verbose=0)
        assert np.isfinite(history.history["loss"]).all()


def test_with_jax_widths_are_multiples_of_64(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    widths = {tokens.shape[1] for tokens in epoch(batches_of(numbered([3, 64, 65, 10]), 1))}
    assert widths == {64, 128}


# Predicting.


class Echo:
    """A model whose probability is a review's first token, and that remembers how wide its batches were."""

    def __init__(self) -> None:
        self.input = {"seq": None}
        self.widths: list[int] = []

    def predict_on_batch(self, inputs: Any) -> npt.NDArray[np.float32]:
        self.widths.append(inputs["seq"].shape[1])
        first: npt.NDArray[np.float32] = inputs["seq"][:, :1].astype(np.float32)
        return first


def predicted(model: Any, sequences: Sequences, batch_size: int = 256) -> npt.NDArray[np.float32]:
    from tasks.features.batching import predict

    return predict(model, sequences, np.zeros((len(sequences), 6), dtype=np.float32), batch_size)


@pytest.mark.parametrize("batch_size", [1, 7, 100, 256])
def test_probabilities_come_in_the_order_of_the_rows(batch_size: int) -> None:
    probabilities = predicted(Echo(), numbered(LENGTHS), batch_size)
    assert probabilities.tolist() == list(range(1, 101))
    assert probabilities.dtype == np.float32


def test_no_rows_have_no_probabilities() -> None:
    probabilities = predicted(Echo(), numbered([]))
    assert probabilities.shape == (0,)
    assert probabilities.dtype == np.float32


def test_prediction_pads_each_batch_to_its_own_longest_review() -> None:
    model = Echo()
    predicted(model, numbered([5, 50, 6, 7]), 2)
    assert sorted(model.widths) == [6, 50]


def test_probabilities_depend_neither_on_the_batch_size_nor_on_the_company(make_sequences: MakeSequences) -> None:
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(1)
    model = build_model("baseline_avgpool", num_words=1000, num_features=6)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    sequences = make_sequences(LENGTHS)
    expected = predicted(model, sequences)
    assert expected.std() > 0.05
    for batch_size in (3, 64):
        np.testing.assert_allclose(predicted(model, sequences, batch_size), expected, rtol=0, atol=1e-5)
    for rows in (np.array([42]), random.permutation(100)[:30]):
        np.testing.assert_allclose(predicted(model, sequences.take(rows)), expected[rows], rtol=0, atol=1e-5)


# Logits.


def decided(name: ModelName) -> Any:
    """A model with random weights so large that its answers differ from review to review."""
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(1)
    model = build_model(name, num_words=1000, num_features=6)
    random = np.random.default_rng(1)
    for weight in model.weights:
        values = random.normal(0, 0.3, weight.shape)
        weight.assign(np.abs(values) if weight.name == "moving_variance" else values)
    return model


def logits_of(model: Any, sequences: Sequences, features: npt.NDArray[np.float32], width: int) -> npt.NDArray[Any]:
    from tasks.features.batching import logits, without_sigmoid

    return logits(without_sigmoid(model), sequences, features, width)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_sigmoid_of_a_logit_is_the_probability(make_sequences: MakeSequences, name: ModelName) -> None:
    from tasks.features.batching import predict

    model = decided(name)
    sequences = make_sequences(LENGTHS[:20])
    features = np.random.default_rng(2).normal(size=(20, 6)).astype(np.float32)
    found = logits_of(model, sequences, features, 80)
    assert (found.shape, str(found.dtype)) == ((20,), "float32")
    expected = predict(model, sequences, features)
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), expected, rtol=0, atol=1e-6)


def test_logits_tell_apart_what_is_the_same_as_a_probability(make_sequences: MakeSequences) -> None:
    from tasks.features.batching import predict

    model = decided("baseline_avgpool")
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.array([100.0], dtype=np.float32)])
    sequences = make_sequences(LENGTHS[:20])
    features = np.zeros((20, 6), dtype=np.float32)
    assert set(predict(model, sequences, features)) == {1.0}
    assert len(np.unique(logits_of(model, sequences, features, 60))) == 20


def test_a_batch_is_padded_to_the_width_that_is_asked_for(make_sequences: MakeSequences) -> None:
    from tasks.features.batching import logits

    class Wide:
        input: ClassVar = {"seq": None}

        def predict_on_batch(self, inputs: Any) -> npt.NDArray[np.float32]:
            return np.full((len(inputs["seq"]), 1), inputs["seq"].shape[1], dtype=np.float32)

    sequences, features = make_sequences([3, 5]), np.zeros((2, 6), dtype=np.float32)
    assert logits(Wide(), sequences, features, 9).tolist() == [9, 9]
    with pytest.raises(ValueError, match="does not fit"):
        logits(Wide(), sequences, features, 4)


def test_the_model_itself_is_left_as_it_is(make_sequences: MakeSequences) -> None:
    model = decided("baseline_avgpool")
    before = [weight.copy() for weight in model.get_weights()]
    logits_of(model, make_sequences([3, 5]), np.zeros((2, 6), dtype=np.float32), 9)
    assert model.layers[-1].activation.__name__ == "sigmoid"
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
