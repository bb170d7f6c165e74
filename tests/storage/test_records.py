from __future__ import annotations

import math

from storage.records import ConfusionMatrix


def test_a_confusion_matrix_counts_by_label_and_by_prediction() -> None:
    matrix = ConfusionMatrix(true_negatives=40, false_positives=10, false_negatives=5, true_positives=25)

    assert (matrix.num_rows, matrix.num_negative, matrix.num_positive) == (80, 50, 30)
    assert (matrix.num_correct, matrix.accuracy) == (65, 65 / 80)


def test_an_empty_confusion_matrix_has_no_accuracy() -> None:
    assert math.isnan(ConfusionMatrix(0, 0, 0, 0).accuracy)
