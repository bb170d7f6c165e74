from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from storage.errors import ContentError
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.metrics import evaluate

IDS = pa.array([f"test/{index}/x" for index in range(200)])
LABELS = (np.arange(200) % 2).astype(np.uint8)
PROBABILITIES = np.clip(np.random.default_rng(0).normal(0.3 + 0.4 * LABELS, 0.2), 0, 1).astype(np.float32)


def test_values_are_looked_up_by_their_id() -> None:
    joined = join_by_id(pa.array(["b", "a", "b"]), pa.array(["a", "b", "c"]), np.array([10, 20, 30]))
    assert joined.tolist() == [20, 10, 20]


def test_a_shuffled_join_has_the_same_metrics() -> None:
    order = np.random.default_rng(1).permutation(200)
    shuffled = join_by_id(IDS, IDS.take(pa.array(order)), LABELS[order])
    assert shuffled.dtype == LABELS.dtype
    assert evaluate("test", shuffled, PROBABILITIES) == evaluate("test", LABELS, PROBABILITIES)
    # By position alone it would be another result.
    assert evaluate("test", LABELS[order], PROBABILITIES).auc < 0.7 < evaluate("test", LABELS, PROBABILITIES).auc


def test_others_that_are_not_asked_for_do_not_matter() -> None:
    assert join_by_id(IDS.slice(5, 3), IDS, LABELS).tolist() == LABELS[5:8].tolist()


def test_no_rows_join_to_nothing() -> None:
    assert join_by_id(pa.array([], pa.string()), IDS, LABELS).tolist() == []


def test_a_missing_id_is_named() -> None:
    with pytest.raises(ContentError, match="2 ids are missing, the first is test/0/x"):
        join_by_id(IDS, IDS.slice(2), LABELS[2:])


def test_an_id_of_no_row_is_missing() -> None:
    with pytest.raises(ContentError, match="1 ids are missing"):
        join_by_id(pa.array(["test/0/x", None], pa.string()), IDS, LABELS)


def test_an_id_that_stands_there_twice_cannot_be_joined() -> None:
    twice = pa.array(["a", "b", "a"])
    with pytest.raises(ContentError, match="an id stands for more than one"):
        join_by_id(pa.array(["b"]), twice, np.array([1, 2, 3]))
