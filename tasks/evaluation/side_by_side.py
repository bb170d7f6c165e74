"""What two bundles said of the same test rows, before they were published: how far they differ, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from storage.bundles import Predictions
from storage.errors import ContentError
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.metrics import predicted_labels
from tasks.evaluation.paired import compare_accuracy, compare_auc, two_sided_p_value


@dataclass(frozen=True)
class SideBySide:
    """Two models on the same rows; every difference is the second's number minus the first's.

    Attributes:
        num_rows: Test rows.
        only_first: Rows that only the first gets right.
        only_second: Rows that only the second gets right.
        accuracy: Difference in accuracy, with its paired interval at 95 %.
        accuracy_p_value: Two-sided exact McNemar test.
        auc: Difference in AUC, with DeLong's paired interval at 95 %; NaN where it is undefined.
        auc_p_value: DeLong's test, two-sided; NaN where it is undefined.
    """

    num_rows: int
    only_first: int
    only_second: int
    accuracy: float
    accuracy_lower: float
    accuracy_upper: float
    accuracy_p_value: float
    auc: float
    auc_lower: float
    auc_upper: float
    auc_p_value: float


def side_by_side(first: Predictions, second: Predictions) -> SideBySide:
    """Compare row by row, joined by the ids of the rows.

    Raises:
        ContentError: They are not of the same rows, or not with the same labels.
    """
    probabilities = join_by_id(first.row_ids, second.row_ids, second.probabilities)
    labels = join_by_id(first.row_ids, second.row_ids, second.labels)
    if len(second.row_ids) != len(first.row_ids) or not np.array_equal(labels, first.labels):
        raise ContentError("the predictions of the two models are not of the same rows with the same labels.")
    accuracy = compare_accuracy(
        predicted_labels(probabilities) == labels, predicted_labels(first.probabilities) == labels
    )
    auc = compare_auc(labels, probabilities, first.probabilities)
    return SideBySide(
        num_rows=len(labels),
        only_first=accuracy.only_second,
        only_second=accuracy.only_first,
        accuracy=accuracy.difference,
        accuracy_lower=accuracy.lower,
        accuracy_upper=accuracy.upper,
        accuracy_p_value=two_sided_p_value(accuracy.only_first, accuracy.only_second),
        auc=auc.difference,
        auc_lower=auc.lower,
        auc_upper=auc.upper,
        auc_p_value=2 * min(auc.p_value, 1 - auc.p_value),
    )
