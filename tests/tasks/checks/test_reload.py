from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from storage.bundles import Predictions
from storage.errors import ContentError
from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.base import CheckedModel, Probabilities
from tasks.checks.reload import check_reload

Positions = npt.NDArray[np.int64]


def check(model: CheckedModel, tolerance: float = 1e-4) -> CheckResult:
    return check_reload(model, CheckOptions(reload_tolerance=tolerance))


def reloading(model: CheckedModel, probabilities: Probabilities) -> CheckedModel:
    return replace(model, reload=lambda positions: probabilities[positions])


def with_rows(model: CheckedModel, rows: Positions) -> CheckedModel:
    """The same model on rows that are drawn, again and again if need be, from its test rows."""
    matrix = model.matrix
    ids = [f"row {number}" for number in range(len(rows))]
    arrow_ids = type(matrix.sequence_ids).from_pandas(np.array(ids, dtype=object))
    probabilities = model.predictions.probabilities[rows]
    changed = replace(
        model,
        matrix=replace(matrix, sequences=matrix.sequences.take(rows), sequence_ids=arrow_ids),
        predictions=Predictions(arrow_ids, matrix.labels[rows], probabilities),
    )
    return reloading(changed, probabilities)


def test_a_bundle_that_says_the_same_passes(checked_model: CheckedModel) -> None:
    result = check(checked_model)
    assert (result.name, result.verdict, result.rows) == ("reload", "pass", ())
    assert result.measured == {"rows": 60, "rows_changed": 0, "largest_difference": 0.0}
    assert result.bound == "probabilities differ by at most 0.0001"


@pytest.mark.parametrize(
    ("difference", "verdict"), [(0.25, "pass"), (0.2501, "fail"), (-0.25, "pass"), (-0.26, "fail")]
)
def test_the_tolerance_holds_on_both_sides(checked_model: CheckedModel, difference: float, verdict: str) -> None:
    stored = np.full(60, 0.5, dtype=np.float32)
    again = stored.copy()
    again[17] += np.float32(difference)
    model = replace(checked_model, predictions=replace(checked_model.predictions, probabilities=stored))
    result = check(reloading(model, again), tolerance=0.25)
    assert result.verdict == verdict
    assert result.measured["largest_difference"] == pytest.approx(abs(difference), abs=1e-6)
    if verdict == "fail":
        assert result.rows == (checked_model.matrix.sequence_ids[17].as_py(),)
        assert "other probabilities for 1 of 60 test rows" in result.evidence


def test_predictions_are_looked_up_by_id_and_not_by_position(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    turned = Predictions(stored.row_ids[::-1], stored.labels[::-1], stored.probabilities[::-1])
    assert check(replace(checked_model, predictions=turned)).verdict == "pass"
    assert check(replace(checked_model, predictions=replace(turned, row_ids=stored.row_ids))).verdict == "fail"


@pytest.mark.parametrize(("rows", "scored"), [(1, 1), (255, 255), (256, 256), (257, 256), (3000, 256)])
def test_at_most_256_rows_are_scored_from_the_first_to_the_last(
    checked_model: CheckedModel, rows: int, scored: int
) -> None:
    model = with_rows(checked_model, np.arange(rows) % 60)
    asked: list[int] = []

    def remembering(positions: Positions) -> Probabilities:
        asked.extend(positions.tolist())
        return model.reload(positions)

    assert check(replace(model, reload=remembering)).measured["rows"] == scored == len(set(asked))
    assert (asked[0], asked[-1]) == (0, rows - 1)


def test_a_bundle_that_cannot_be_loaded_fails_in_its_own_words(checked_model: CheckedModel) -> None:
    def broken(positions: Positions) -> Probabilities:
        raise ContentError("the bundle is torn.")

    result = check(replace(checked_model, reload=broken))
    assert (result.verdict, result.evidence) == ("fail", "the bundle is torn")


def test_another_number_of_probabilities_fails(checked_model: CheckedModel) -> None:
    result = check(replace(checked_model, reload=lambda positions: np.zeros(59, dtype=np.float32)))
    assert result.verdict == "fail"
    assert "60 test rows were scored in a fresh process, and 59" in result.evidence


@pytest.mark.parametrize(
    ("stored", "again", "verdict"), [(True, True, "pass"), (True, False, "fail"), (False, True, "fail")]
)
def test_a_nan_is_the_same_as_a_nan_and_as_nothing_else(
    checked_model: CheckedModel, stored: bool, again: bool, verdict: str
) -> None:
    good, broken = checked_model.predictions.probabilities, np.full(60, np.nan, dtype=np.float32)
    predictions = replace(checked_model.predictions, probabilities=broken if stored else good)
    result = check(reloading(replace(checked_model, predictions=predictions), broken if again else good))
    assert result.verdict == verdict
    assert all(np.isfinite(value) for value in result.measured.values() if not isinstance(value, str))


def test_an_id_without_a_prediction_fails(checked_model: CheckedModel) -> None:
    stored = checked_model.predictions
    fewer = Predictions(stored.row_ids[:50], stored.labels[:50], stored.probabilities[:50])
    result = check(replace(checked_model, predictions=fewer))
    assert result.verdict == "fail"
    assert "10 ids are missing" in result.evidence


def test_no_rows_warn(checked_model: CheckedModel) -> None:
    assert check(with_rows(checked_model, np.zeros(0, dtype=np.int64))).verdict == "warn"
