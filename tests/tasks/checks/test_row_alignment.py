from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from storage.bundles import Predictions
from storage.errors import ContentError
from storage.options import CheckOptions
from storage.records import CheckResult
from storage.sequences import Sequences
from tasks.checks.base import CheckedModel, Features, Probabilities
from tasks.checks.row_alignment import check_row_alignment
from tasks.evaluation.metrics import evaluate

Positions = npt.NDArray[np.int64]


def check(model: CheckedModel) -> CheckResult:
    return check_row_alignment(model, CheckOptions())


def storing(model: CheckedModel, predictions: Predictions) -> CheckedModel:
    """The model with other stored predictions, and with the metrics that follow from them."""
    test = evaluate("test", predictions.labels, predictions.probabilities)
    return replace(model, predictions=predictions, test=test)


def answering(model: CheckedModel, probabilities: Probabilities) -> CheckedModel:
    """A model that has these probabilities for its test rows: stored, recorded, and given again in any order."""
    row_of = {model.matrix.sequences.row(row).tobytes(): row for row in range(len(model.matrix))}

    def predict(sequences: Sequences, features: Features) -> Probabilities:
        return probabilities[[row_of[sequences.row(row).tobytes()] for row in range(len(sequences))]]

    changed = storing(model, replace(model.predictions, probabilities=probabilities))
    return replace(changed, predict=predict)


def then(model: CheckedModel, change: Callable[[Sequences, Probabilities], Probabilities]) -> CheckedModel:
    """A model whose `predict` spoils what it returns."""
    return replace(model, predict=lambda rows, features: change(rows, model.predict(rows, features)))


def repeated(model: CheckedModel, rows: Positions) -> CheckedModel:
    """The same model on rows that are taken, again and again if need be, from its test rows; ids are new."""
    matrix, ids = model.matrix, pa.array([f"row {number}" for number in range(len(rows))], pa.string())
    taken = replace(
        matrix,
        sequences=matrix.sequences.take(rows),
        sequence_ids=ids,
        features=matrix.features[rows],
        feature_ids=ids,
        labels=matrix.labels[rows],
        label_ids=ids,
    )
    predictions = Predictions(ids, taken.labels, model.predictions.probabilities[rows])
    changed = replace(model, matrix=taken, predictions=predictions)
    return storing(changed, predictions) if len(rows) else changed


def test_predictions_of_their_own_rows_pass(checked_model: CheckedModel) -> None:
    result = check(checked_model)
    assert (result.name, result.verdict, result.rows) == ("row alignment", "pass", ())
    assert result.measured == {
        "rows": 60,
        "rows_moved": 0,
        "rows_mislabelled": 0,
        "labels_changed": 0,
        "auc_difference": 0.0,
    }


def test_the_order_in_which_rows_and_their_ids_are_stored_does_not_matter(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    turned = Predictions(stored.row_ids[::-1], stored.labels[::-1], stored.probabilities[::-1])
    assert check(storing(checked_model, turned)).verdict == "pass"
    matrix = checked_model.matrix
    labels_turned = replace(matrix, labels=matrix.labels[::-1], label_ids=matrix.label_ids[::-1])
    assert check(replace(checked_model, matrix=labels_turned)).verdict == "pass"


# Faults.


def test_predictions_in_another_order_than_their_ids_are_found(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    result = check(storing(checked_model, replace(stored, probabilities=np.roll(stored.probabilities, 1))))
    assert result.verdict == "fail"
    assert result.measured["rows_moved"] == 60
    assert "of 60 test rows, scored again in another order, 60 get another probability" in result.evidence


def test_two_rows_of_one_class_in_each_others_place_are_found_though_no_metric_changes(
    checked_model: CheckedModel,
) -> None:
    stored = checked_model.predictions
    first, second = np.flatnonzero(stored.labels == 1)[:2]
    probabilities = stored.probabilities.copy()
    probabilities[[first, second]] = probabilities[[second, first]]
    model = storing(checked_model, replace(stored, probabilities=probabilities))
    assert (model.test.confusion, model.test.auc) == (checked_model.test.confusion, checked_model.test.auc)
    result = check(model)
    assert (result.verdict, result.measured["rows_moved"]) == ("fail", 2)
    ids = stored.row_ids
    assert set(result.rows) == {ids[int(first)].as_py(), ids[int(second)].as_py()}


def test_a_model_that_returns_rows_sorted_by_length_is_found(checked_model: CheckedModel) -> None:
    def sorted_by_length(rows: Sequences, probabilities: Probabilities) -> Probabilities:
        return probabilities[np.argsort(rows.lengths, kind="stable")]

    model = then(checked_model, sorted_by_length)
    matrix = checked_model.matrix
    # Stored and recorded as it returned them, as in evaluation.
    stored = replace(model.predictions, probabilities=model.predict(matrix.sequences, matrix.features))
    result = check(storing(model, stored))
    assert result.verdict == "fail"
    assert int(result.measured["rows_moved"]) > 30


def test_labels_shifted_against_their_ids_are_found(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    shifted = np.roll(stored.labels, 1)
    wrong = int((shifted != stored.labels).sum())
    result = check(storing(checked_model, replace(stored, labels=shifted)))
    assert (result.verdict, result.measured["rows_mislabelled"]) == ("fail", wrong)
    assert f"{wrong} of 60 stored labels are not those of their ids" in result.evidence
    assert len(result.rows) == 20


def test_one_wrong_label_is_found(checked_model: CheckedModel) -> None:
    labels = checked_model.predictions.labels.copy()
    labels[41] = 1 - labels[41]
    result = check(storing(checked_model, replace(checked_model.predictions, labels=labels)))
    assert result.rows == (checked_model.matrix.sequence_ids[41].as_py(),)


def test_recorded_metrics_of_other_labels_are_found(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    by_position = evaluate("test", np.roll(stored.labels, 1), stored.probabilities)
    result = check(replace(checked_model, test=by_position))
    assert result.verdict == "fail"
    assert result.evidence == "the recorded metrics are not those of the stored predictions and their labels"


@pytest.mark.parametrize(("difference", "verdict"), [(0.9e-6, "pass"), (1.1e-6, "fail"), (-1.1e-6, "fail")])
def test_the_recorded_auc_is_right_to_a_millionth(checked_model: CheckedModel, difference: float, verdict: str) -> None:
    test = replace(checked_model.test, auc=checked_model.test.auc + difference)
    assert check(replace(checked_model, test=test)).verdict == verdict


@pytest.mark.parametrize(("difference", "verdict"), [(0.9e-4, "pass"), (1.1e-4, "fail"), (-1.1e-4, "fail")])
def test_rounding_is_allowed_for_and_no_more(checked_model: CheckedModel, difference: float, verdict: str) -> None:
    assert check(then(checked_model, lambda rows, values: values + np.float32(difference))).verdict == verdict


def test_a_nearly_constant_model_in_another_order_is_found_by_its_ranking(checked_model: CheckedModel) -> None:
    flat = (0.5 + 1e-5 * (checked_model.predictions.probabilities - 0.5)).astype(np.float32)
    model = answering(checked_model, flat)
    assert check(model).verdict == "pass"
    result = check(then(model, lambda rows, values: values[::-1]))
    assert (result.verdict, result.measured["rows_moved"]) == ("fail", 0)


# Padding.


def reading_padding(model: CheckedModel, by: float) -> CheckedModel:
    """A model whose logits are higher in wider batches than they were when its predictions were stored."""

    def logits(sequences: Sequences, features: Features, width: int) -> npt.NDArray[np.float32]:
        shift = np.float32(by * (width > sequences.lengths.max()))
        return model.logits(sequences, features, width) + shift

    return replace(model, logits=logits)


@pytest.mark.parametrize(("by", "verdict"), [(0.9e-4, "fail"), (1.1e-3, "warn")])
def test_a_model_that_reads_its_padding_is_not_called_misaligned(
    checked_model: CheckedModel, by: float, verdict: str
) -> None:
    model = then(reading_padding(checked_model, by), lambda rows, values: values + np.float32(0.001))
    result = check(model)
    assert result.verdict == verdict
    assert result.evidence.endswith("padding too changes the answers") == (verdict == "warn")


def test_padding_excuses_neither_rows_in_another_order_nor_wrong_labels(checked_model: CheckedModel) -> None:
    model = then(reading_padding(checked_model, 0.5), lambda rows, values: values + np.float32(0.001))
    turned = then(model, lambda rows, values: values[::-1])
    assert check(turned).verdict == "fail"
    labels = np.roll(model.predictions.labels, 1)
    assert check(storing(model, replace(model.predictions, labels=labels))).verdict == "fail"


# What does not fit together.


def test_an_id_without_a_label_and_an_id_that_stands_twice_fail(checked_model: CheckedModel) -> None:
    ids = checked_model.predictions.row_ids.to_pylist()
    for wrong, words in (("nobody", "1 ids are missing"), (ids[1], "an id stands for more than one")):
        row_ids = pa.array([wrong, *ids[1:]], pa.string())
        result = check(replace(checked_model, predictions=replace(checked_model.predictions, row_ids=row_ids)))
        assert result.verdict == "fail"
        assert words in result.evidence


def test_fewer_predictions_than_rows_fail(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    fewer = Predictions(stored.row_ids[:59], stored.labels[:59], stored.probabilities[:59])
    assert "differ in number" in check(storing(checked_model, fewer)).evidence
    matrix = replace(checked_model.matrix, features=checked_model.matrix.features[:59])
    assert check(replace(checked_model, matrix=matrix)).verdict == "fail"


def test_a_model_that_returns_another_number_of_rows_fails(checked_model: CheckedModel) -> None:
    result = check(then(checked_model, lambda rows, values: values[1:]))
    assert result.verdict == "fail"
    assert result.evidence == "60 test rows were scored, and 59 probabilities came back"


def test_a_model_that_cannot_be_called_fails_in_its_own_words(checked_model: CheckedModel) -> None:
    def broken(sequences: Sequences, features: Features) -> Probabilities:
        raise ContentError("the model is torn.")

    assert check(replace(checked_model, predict=broken)).evidence == "the model is torn"


# What is no fault of alignment.


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_model_that_always_says_nan_is_aligned(checked_model: CheckedModel, broken: float) -> None:
    result = check(answering(checked_model, np.full(60, broken, dtype=np.float32)))
    assert result.verdict == "pass"
    assert all(np.isfinite(value) for value in result.measured.values() if not isinstance(value, str))


def test_a_nan_for_another_row_is_not(checked_model: CheckedModel) -> None:
    probabilities = checked_model.predictions.probabilities.copy()
    probabilities[5] = np.nan
    model = answering(checked_model, probabilities)
    assert check(model).verdict == "pass"
    again = replace(model, predictions=replace(model.predictions, probabilities=np.roll(probabilities, 1)))
    assert check(again).verdict == "fail"


@pytest.mark.parametrize(("rows", "verdict"), [(0, "warn"), (1, "pass"), (2, "pass")])
def test_tiny_test_sets_are_no_error(checked_model: CheckedModel, rows: int, verdict: str) -> None:
    assert check(repeated(checked_model, np.arange(rows))).verdict == verdict


def test_a_test_set_of_one_class_is_no_error(checked_model: CheckedModel) -> None:
    positive = np.flatnonzero(checked_model.matrix.labels == 1)
    assert check(repeated(checked_model, positive)).verdict == "pass"


@pytest.mark.parametrize(("rows", "scored"), [(4095, 4095), (4096, 4096), (4097, 4096)])
def test_at_most_4096_rows_are_scored_always_the_same_and_not_in_their_order(
    checked_model: CheckedModel, rows: int, scored: int
) -> None:
    model = repeated(checked_model, np.arange(rows) % 60)
    seen: list[Sequences] = []

    def remembering(sequences: Sequences, features: Features) -> Probabilities:
        seen.append(sequences)
        return model.predict(sequences, features)

    for _ in range(2):
        result = check(replace(model, predict=remembering))
        assert (result.verdict, result.measured["rows"]) == ("pass", scored)
    assert seen[0].values.tolist() == seen[1].values.tolist()
    assert seen[0].row(0).tolist() != model.matrix.sequences.row(0).tolist()
