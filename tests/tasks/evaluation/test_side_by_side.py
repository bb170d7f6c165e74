from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from storage.bundles import Predictions
from storage.errors import ContentError
from tasks.evaluation.side_by_side import side_by_side

RANDOM = np.random.default_rng(5)
NUM_ROWS = 400
LABELS = RANDOM.integers(0, 2, NUM_ROWS).astype(np.uint8)
IDS = np.array([f"test/{number}/x" for number in range(NUM_ROWS)])


def predictions(probabilities: np.ndarray, order: np.ndarray | None = None, **changed: np.ndarray) -> Predictions:
    order = np.arange(len(probabilities)) if order is None else order
    labels = changed.get("labels", LABELS)
    ids = changed.get("ids", IDS)
    return Predictions(pa.array(ids[order]), labels[order], probabilities[order].astype(np.float32))


def scores(skill: float) -> np.ndarray:
    scored: np.ndarray = stats.norm.cdf(skill * (2.0 * LABELS - 1) + RANDOM.normal(size=NUM_ROWS))
    return scored


def test_differences_are_of_the_second_model_against_the_first() -> None:
    weak, strong = scores(0.3), scores(1.5)
    found = side_by_side(predictions(weak), predictions(strong))
    right = [(one > 0.5) == LABELS for one in (weak, strong)]
    assert found.num_rows == NUM_ROWS
    assert found.only_first == int(np.sum(right[0] & ~right[1]))
    assert found.only_second == int(np.sum(~right[0] & right[1]))
    assert found.accuracy == pytest.approx(np.mean(right[1]) - np.mean(right[0]))
    assert 0 < found.accuracy_lower < found.accuracy < found.accuracy_upper
    assert 0 < found.auc_lower < found.auc < found.auc_upper
    assert max(found.accuracy_p_value, found.auc_p_value) < 0.001


def test_to_turn_the_models_about_turns_the_signs_about_and_no_p_value() -> None:
    first, second = predictions(scores(0.8)), predictions(scores(1.0))
    there, back = side_by_side(first, second), side_by_side(second, first)
    assert (there.only_first, there.only_second) == (back.only_second, back.only_first)
    assert (there.accuracy, there.accuracy_lower) == pytest.approx((-back.accuracy, -back.accuracy_upper))
    assert (there.auc, there.auc_lower) == pytest.approx((-back.auc, -back.auc_upper))
    assert (there.accuracy_p_value, there.auc_p_value) == pytest.approx((back.accuracy_p_value, back.auc_p_value))


def test_the_p_value_is_the_exact_mcnemar_test() -> None:
    found = side_by_side(predictions(scores(0.8)), predictions(scores(1.0)))
    table = [[0, found.only_first], [found.only_second, 0]]
    assert found.accuracy_p_value == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_a_model_is_no_better_than_itself() -> None:
    same = predictions(scores(1.0))
    found = side_by_side(same, same)
    assert (found.accuracy, found.accuracy_lower, found.accuracy_upper, found.auc) == (0, 0, 0, 0)
    assert (found.only_first, found.only_second, found.accuracy_p_value) == (0, 0, 1)


def test_rows_are_joined_by_their_ids() -> None:
    first, second = scores(0.8), scores(1.0)
    shuffled = RANDOM.permutation(NUM_ROWS)
    assert side_by_side(predictions(first), predictions(second, shuffled)) == side_by_side(
        predictions(first), predictions(second)
    )


@pytest.mark.parametrize(
    "other",
    [
        predictions(scores(1.0)[:-1], ids=IDS[:-1], labels=LABELS[:-1]),
        predictions(scores(1.0), ids=np.char.add(IDS, "?")),
        predictions(scores(1.0), ids=np.array([*IDS[:-1], IDS[0]])),
        predictions(scores(1.0), labels=1 - LABELS),
    ],
    ids=["a row is missing", "other rows", "a row stands there twice", "other labels"],
)
def test_other_rows_are_not_compared(other: Predictions) -> None:
    one = predictions(scores(1.0))
    with pytest.raises(ContentError):
        side_by_side(one, other)
    with pytest.raises(ContentError):
        side_by_side(other, one)
