"""Alignment: in every split, sequences, features and labels are of the same reviews in the same order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.matrices import Matrix
from storage.options import CheckOptions
from storage.records import CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows
from tasks.checks.base import CheckedData, differing, offending
from tasks.features.encoding import Encoder

# Standardised lengths are float32: at 2,494 tokens they come back to well within this many tokens.
_LENGTH_TOLERANCE = 0.1


def check_alignment(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Compare row ids position by position, then contents: equal lengths prove nothing.

    In each split: the ids of sequences, features and labels against the snapshot's; the labels and the tokens
    themselves; and the length feature, recomputed from the sequence that stands beside it, truncation allowed for.
    Misalignment can raise a score too (Bingyu & Arefyev, Insights 2022), so no score can stand in for this check.
    """
    measured: dict[str, float | int | str] = {}
    rows: tuple[str, ...] = ()
    found: list[str] = []
    for split, matrix in data.matrices.items():
        for part, wrong in _comparisons(split, data).items():
            measured[f"{split}_{part}_misaligned"] = count = int(wrong.sum())
            if count:
                found.append(f"{count:,} of {len(wrong):,} {part} of {split}")
                rows = (rows + offending(_longest_ids(matrix, data.rows[split]), wrong))[:20]
    total = sum(len(matrix) for matrix in data.matrices.values())
    evidence = (
        f"not those of the reviews at their place: {', '.join(found)}"
        if found
        else f"all {total:,} rows have the same ids, labels, tokens and lengths at the same place"
    )
    return CheckResult(
        "train/test alignment", "fail" if found else "pass", measured, "no row out of place", evidence, rows
    )


def _comparisons(split: Split, data: CheckedData) -> dict[str, npt.NDArray[np.bool_]]:
    rows, matrix = data.rows[split], data.matrices[split]
    result = {
        "sequence ids": differing(rows.ids, matrix.sequence_ids),
        "feature ids": differing(rows.ids, matrix.feature_ids),
        "label ids": differing(rows.ids, matrix.label_ids),
    }
    sizes = {len(rows.ids), len(matrix.sequences), len(matrix.features), len(matrix.labels)}
    if len(sizes) == 1:
        result["labels"] = np.not_equal(matrix.labels, rows.labels)
        result["sequences"] = _sequences_differ(data.encoder, rows.tokens, matrix.sequences)
        result["length features"] = _lengths_differ(matrix, data)
    else:
        result["row counts"] = np.ones(max(sizes), dtype=bool)
    return result


def _sequences_differ(encoder: Encoder, tokens: Sequences, sequences: Sequences) -> npt.NDArray[np.bool_]:
    wrong: npt.NDArray[np.bool_] = np.minimum(tokens.lengths + 1, encoder.max_length) != sequences.lengths
    if wrong.any():
        return wrong
    for part, piece in tokens.pieces():
        expected = encoder.truncate(encoder.encode(piece))
        found = sequences.between(part.start, part.stop)
        wrong[part.start + expected.row_numbers[expected.values != found.values]] = True
    return wrong


def _lengths_differ(matrix: Matrix, data: CheckedData) -> npt.NDArray[np.bool_]:
    # Length is the first feature.
    lengths = matrix.features[:, 0].astype(np.float64) * data.scaler.scale[0] + data.scaler.mean[0]
    fed = matrix.sequences.lengths
    is_cut = fed >= data.encoder.max_length
    return np.where(is_cut, lengths < fed - _LENGTH_TOLERANCE, np.abs(lengths - fed) > _LENGTH_TOLERANCE)


def _longest_ids(matrix: Matrix, rows: Rows) -> pa.StringArray:
    return max((rows.ids, matrix.sequence_ids, matrix.feature_ids, matrix.label_ids), key=len)
