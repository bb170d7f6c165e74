from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from storage.errors import ContentError
from storage.options import CheckOptions
from storage.records import MODEL_NAMES, CheckResult, ModelName
from storage.sequences import Sequences
from tasks.checks.base import CheckedData, CheckedModel, Features
from tasks.checks.padding import check_padding

Logits = npt.NDArray[np.float32]
Faulty = Callable[[Sequences, int], npt.NDArray[np.floating] | float]


def check(model: CheckedModel, tolerance: float = 1e-4) -> CheckResult:
    return check_padding(model, CheckOptions(padding_tolerance=tolerance))


def with_fault(model: CheckedModel, fault: Faulty) -> CheckedModel:
    """A model to whose logits something is added that depends on the batch."""

    def logits(sequences: Sequences, features: Features, width: int) -> Logits:
        return (model.logits(sequences, features, width) + fault(sequences, width)).astype(np.float32)

    return replace(model, logits=logits)


def with_rows(model: CheckedModel, rows: npt.NDArray[np.int64]) -> CheckedModel:
    matrix = model.matrix
    kept = replace(matrix, sequences=matrix.sequences.take(rows), features=matrix.features[rows])
    return replace(model, matrix=kept)


def test_a_model_that_reads_the_words_alone_passes(checked_model: CheckedModel) -> None:
    result = check(checked_model)
    assert (result.name, result.verdict, result.rows) == ("padding", "pass", ())
    assert result.measured == {
        "reviews": 15,
        "changed": 0,
        "largest_difference": 0.0,
        "largest_difference_by_company": 0.0,
    }


@pytest.mark.parametrize(
    ("per_column", "verdict"), [(2.0**-10, "pass"), (-(2.0**-10), "pass"), (2.1 * 2.0**-10, "fail")]
)
def test_the_tolerance_holds_on_both_sides(checked_model: CheckedModel, per_column: float, verdict: str) -> None:
    # The widest padding is 64 columns, and that of the shortest review beside the longest one is less.
    lengths = checked_model.matrix.sequences.lengths
    assert np.ptp(lengths) < 64
    exact = replace(checked_model, logits=lambda sequences, features, width: np.zeros(len(sequences), np.float32))
    model = with_fault(exact, lambda sequences, width: per_column * (width - sequences.lengths))
    assert check(model, tolerance=2.0**-4).verdict == verdict


def test_a_model_that_reads_the_padding_is_named_with_its_reviews(checked_model: CheckedModel) -> None:
    model = with_fault(checked_model, lambda sequences, width: 0.25 * (width > sequences.lengths))
    result = check(model)
    longest = int(checked_model.matrix.sequences.lengths.max())
    assert result.verdict == "fail"
    assert result.evidence.startswith("padding changes the answer: ")
    assert "the mask is missing" in result.evidence
    lengths = checked_model.matrix.sequences.lengths
    ids = checked_model.matrix.sequence_ids.to_pylist()
    assert len(result.rows) == result.measured["changed"]
    assert {ids.index(row) for row in result.rows} <= set(range(60))
    assert sum(lengths[ids.index(row)] < longest for row in result.rows) >= 12


def test_padding_that_only_the_shortest_review_ever_sees_is_found(checked_model: CheckedModel) -> None:
    lengths = checked_model.matrix.sequences.lengths
    shortest = int(lengths.min())
    model = with_fault(
        checked_model, lambda sequences, width: 1.0 * (sequences.lengths == shortest) * (width > shortest)
    )
    result = check(model)
    assert result.verdict == "fail"
    assert {lengths[checked_model.matrix.sequence_ids.to_pylist().index(row)] for row in result.rows} == {shortest}


def test_padding_beyond_the_longest_review_is_found(checked_model: CheckedModel) -> None:
    longest = int(checked_model.matrix.sequences.lengths.max())
    assert check(with_fault(checked_model, lambda sequences, width: float(width > longest))).measured["changed"] == 15


def test_a_model_that_looks_across_its_batch_is_not_blamed_on_the_mask(checked_model: CheckedModel) -> None:
    result = check(with_fault(checked_model, lambda sequences, width: 0.5 * len(sequences)))
    assert result.verdict == "fail"
    assert "across its batch" in result.evidence
    assert "mask" not in result.evidence


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_logits_that_are_not_finite_fail_and_are_not_stored(checked_model: CheckedModel, broken: float) -> None:
    result = check(with_fault(checked_model, lambda sequences, width: broken))
    assert result.verdict == "fail"
    assert "not finite" in result.evidence
    assert all(np.isfinite(value) for value in result.measured.values() if not isinstance(value, str))


@pytest.mark.parametrize("is_padded", [False, True])
def test_a_nan_with_or_without_padding_alone_is_found(checked_model: CheckedModel, is_padded: bool) -> None:
    model = with_fault(
        checked_model, lambda sequences, width: np.where((width > sequences.lengths) == is_padded, np.nan, 0)
    )
    assert check(model).measured["changed"] == 15


def test_a_model_that_cannot_be_called_fails_in_its_own_words(checked_model: CheckedModel) -> None:
    def broken(sequences: Sequences, features: Features, width: int) -> Logits:
        raise ContentError("the model is torn.")

    result = check(replace(checked_model, logits=broken))
    assert (result.verdict, result.evidence) == ("fail", "nothing could be scored: the model is torn")


@pytest.mark.parametrize(("rows", "verdict"), [(0, "warn"), (1, "pass"), (2, "pass"), (15, "pass"), (60, "pass")])
def test_tiny_test_sets_are_no_error(checked_model: CheckedModel, rows: int, verdict: str) -> None:
    result = check(with_rows(checked_model, np.arange(rows)))
    assert result.verdict == verdict
    assert int(result.measured["reviews"]) <= min(rows, 16)


def test_a_review_without_a_token_still_has_a_column(checked_model: CheckedModel) -> None:
    widths: set[int] = set()

    def remembering(sequences: Sequences, features: Features, width: int) -> Logits:
        widths.add(width)
        return np.zeros(len(sequences), dtype=np.float32)

    matrix = replace(checked_model.matrix, sequences=Sequences.from_lists([[]]))
    assert check(replace(checked_model, matrix=matrix, logits=remembering)).verdict == "pass"
    assert widths == {1, 65}


def test_the_sample_has_the_shortest_and_the_longest_and_more_of_the_short_reviews(checked_model: CheckedModel) -> None:
    alone: list[int] = []

    def remembering(sequences: Sequences, features: Features, width: int) -> Logits:
        if len(sequences) == 1:
            alone.append(width)
        return np.zeros(len(sequences), dtype=np.float32)

    lengths = checked_model.matrix.sequences.lengths
    check(replace(checked_model, logits=remembering))
    assert (min(alone), max(alone)) == (lengths.min(), lengths.max())
    assert np.median(alone) < np.median(lengths)


# The real architectures.


def built(name: ModelName, data: CheckedData, *, is_trained: bool) -> Any:
    import keras

    from tasks.features.batching import LengthBatches
    from tasks.models import build_model

    keras.utils.set_random_seed(4)
    model = build_model(name, num_words=1000, num_features=6)
    if is_trained:
        matrix = data.matrices["train"]
        batches = LengthBatches(
            matrix.sequences, matrix.features, matrix.labels, inputs=tuple(model.input), batch_size=32, seed=1
        )
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
        model.fit(batches, epochs=1, steps_per_epoch=len(batches), shuffle=False, verbose=0)
    return model


def checked_keras(model: CheckedModel, of: Any) -> CheckResult:
    from tasks.features.batching import logits, without_sigmoid

    return check(replace(model, logits=partial(logits, without_sigmoid(of))))


@pytest.mark.usefixtures("keras_prepared")
@pytest.mark.parametrize("is_trained", [False, True])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_both_architectures_pass(
    checked_data: CheckedData, checked_model: CheckedModel, name: ModelName, is_trained: bool
) -> None:
    result = checked_keras(checked_model, built(name, checked_data, is_trained=is_trained))
    assert result.verdict == "pass"
    assert float(result.measured["largest_difference"]) < 1e-5


@pytest.mark.usefixtures("keras_prepared")
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_both_architectures_fail_without_their_mask(
    checked_data: CheckedData,
    checked_model: CheckedModel,
    name: ModelName,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from keras import layers

    embedding = layers.Embedding
    monkeypatch.setattr(
        layers, "Embedding", lambda *sizes, **options: embedding(*sizes, **options | {"mask_zero": False})
    )
    result = checked_keras(checked_model, built(name, checked_data, is_trained=False))
    assert result.verdict == "fail"
    assert "the mask is missing" in result.evidence
