"""Row alignment: a trained model's predictions and numbers belong to the rows whose ids they bear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.errors import ContentError
from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict
from tasks.checks.base import CheckedModel, Probabilities, finite, in_words, offending
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.bounds import Labels, placements
from tasks.evaluation.metrics import evaluate, predicted_labels

_NAME = "row alignment"
_SAMPLE = 4096
_SEED = 2025
# Sums of batches of another composition differ in their last bits: 1e-6 on a processor, more on a GPU.
_ROUNDING = 1e-4
# Rounding exchanges a few near ties. Where all probabilities lie within `_ROUNDING`, only the ranking shows a mistake.
_AUC_ROUNDING = 1e-3
_AUC_TOLERANCE = 1e-6
# A model that reads its padding answers a little otherwise each time; rows in each other's place cost much more.
_AUC_OF_PADDING = 0.05
_SHORT_ROWS, _MORE = 8, 64
_BOUND = (
    f"labels and recorded metrics those of the ids (AUC to {_AUC_TOLERANCE:g}); shuffled rows: probabilities to "
    f"{_ROUNDING:g}, AUC to {_AUC_ROUNDING:g}"
)


@dataclass(frozen=True, eq=False)
class _Shuffled:
    """What the model says of a shuffled copy, and what is stored of these rows, joined by id."""

    ids: pa.StringArray
    labels: Labels
    again: Probabilities
    stored: Probabilities

    @property
    def is_moved(self) -> npt.NDArray[np.bool_]:
        """Rows that got another probability than is stored under their id; NaN is the same as NaN."""
        return ~np.isclose(self.again, self.stored, rtol=0, atol=_ROUNDING, equal_nan=True)

    @property
    def aucs(self) -> tuple[float, float]:
        """The AUC of these rows, as scored again and as stored."""
        return placements(self.labels, self.again).auc, placements(self.labels, self.stored).auc


def check_row_alignment(model: CheckedModel, options: CheckOptions) -> CheckResult:
    """Join everything by row id, and score a shuffled copy of the test rows, at most 4,096 of them.

    Three faults are told apart: stored labels that are not those of their ids; recorded metrics that are not those of
    the stored predictions; and predictions that were stored, or are returned, in another order than the rows.

    The shuffled copy must give the same metrics. That is asked of every row, which is more: two rows of one class can
    be exchanged without any metric knowing. Confusion matrix and AUC then differ by the rounding of near ties alone.
    Where a model's answers depend on the padding, rows cannot be told by them: unless the AUC differs much, that is a
    warning here, and the check of the padding names the cause.
    """
    if not _fits_together(model):
        return CheckResult(_NAME, "fail", {}, _BOUND, "rows, labels, predictions and their ids differ in number")
    if len(model.predictions.row_ids) == 0:
        return CheckResult(_NAME, "warn", {"rows": 0}, _BOUND, "there are no test rows")
    try:
        return _compare(model, options.padding_tolerance)
    except ContentError as error:
        return CheckResult(_NAME, "fail", {}, _BOUND, in_words(error))


def _fits_together(model: CheckedModel) -> bool:
    matrix, stored = model.matrix, model.predictions
    of_matrix = (matrix.sequences, matrix.features, matrix.sequence_ids, matrix.labels, matrix.label_ids)
    of_stored = (stored.row_ids, stored.labels, stored.probabilities)
    return len({len(part) for part in of_matrix + of_stored}) == 1


def _compare(model: CheckedModel, padding_tolerance: float) -> CheckResult:
    matrix, stored = model.matrix, model.predictions
    labels = join_by_id(stored.row_ids, matrix.label_ids, matrix.labels)
    is_mislabelled = stored.labels != labels
    shuffled = _score_shuffled(model)
    is_moved = shuffled.is_moved
    again, before = shuffled.aucs
    found: list[tuple[CheckVerdict, str]] = []
    if is_mislabelled.any():
        words = f"{is_mislabelled.sum():,} of {len(labels):,} stored labels are not those of their ids"
        found.append(("fail", words))
    elif not _is_recorded(model, labels):
        found.append(("fail", "the recorded metrics are not those of the stored predictions and their labels"))
    if is_moved.any() or abs(again - before) > _AUC_ROUNDING:
        found.append(_judge_moved(model, shuffled, padding_tolerance))
    fine = f"{len(is_moved):,} test rows, scored again in another order, get the probabilities of their ids"
    return CheckResult(
        _NAME,
        # "fail" before "warn".
        min((verdict for verdict, _ in found), default="pass"),
        finite(
            rows=len(is_moved),
            rows_moved=int(is_moved.sum()),
            rows_mislabelled=int(is_mislabelled.sum()),
            labels_changed=int((predicted_labels(shuffled.again) != predicted_labels(shuffled.stored)).sum()),
            auc_difference=abs(again - before),
        ),
        _BOUND,
        "; ".join(words for _, words in found) or fine,
        (offending(stored.row_ids, is_mislabelled) + offending(shuffled.ids, is_moved))[:20],
    )


def _judge_moved(model: CheckedModel, shuffled: _Shuffled, padding_tolerance: float) -> tuple[CheckVerdict, str]:
    is_moved = shuffled.is_moved
    again, before = shuffled.aucs
    words = (
        f"of {len(is_moved):,} test rows, scored again in another order, {is_moved.sum():,} get another probability "
        f"than is stored under their id (AUC {again:.4f} instead of {before:.4f})"
    )
    if abs(again - before) <= _AUC_OF_PADDING and _reads_padding(model, padding_tolerance):
        return "warn", f"{words}, but padding too changes the answers"
    return "fail", words


def _score_shuffled(model: CheckedModel) -> _Shuffled:
    """Score rows that were drawn, and so shuffled, with a fixed seed.

    Raises:
        ContentError: Rows cannot be joined, or come back in another number.
    """
    matrix, stored = model.matrix, model.predictions
    order = np.random.default_rng(_SEED).permutation(len(matrix))[:_SAMPLE]
    ids = matrix.sequence_ids.take(pa.array(order))
    again = model.predict(matrix.sequences.take(order), matrix.features[order])
    if len(again) != len(order):
        raise ContentError(f"{len(order):,} test rows were scored, and {len(again):,} probabilities came back.")
    return _Shuffled(
        ids=ids,
        labels=join_by_id(ids, matrix.label_ids, matrix.labels),
        again=again,
        stored=join_by_id(ids, stored.row_ids, stored.probabilities),
    )


def _reads_padding(model: CheckedModel, tolerance: float) -> bool:
    """Whether the shortest reviews get other logits in a wide batch than in a narrow one."""
    lengths = model.matrix.sequences.lengths
    rows = np.argsort(lengths, kind="stable")[:_SHORT_ROWS]
    sequences, features = model.matrix.sequences.take(rows), model.matrix.features[rows]
    narrow = model.logits(sequences, features, max(1, int(lengths[rows].max())))
    wide = model.logits(sequences, features, int(lengths.max()) + _MORE)
    return bool((np.abs(wide - narrow) > tolerance).any())


def _is_recorded(model: CheckedModel, labels: Labels) -> bool:
    expected = evaluate("test", labels, model.predictions.probabilities)
    is_same_auc = np.isclose(expected.auc, model.test.auc, rtol=0, atol=_AUC_TOLERANCE, equal_nan=True)
    return expected.confusion == model.test.confusion and bool(is_same_auc)
