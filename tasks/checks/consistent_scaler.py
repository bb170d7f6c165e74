"""Consistent scaler: every matrix was made by the one scaler that was fit on the training rows, and by one encoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from storage.options import CheckOptions
from storage.records import CheckResult
from tasks.checks.base import CheckedData, offending
from tasks.features.matrices import features_in_pieces
from tasks.features.scaler import Scaler

_TOLERANCE = 1e-3
_ROWS_AT_A_TIME = 2**16
# Stands for NaN and infinity, which JSON does not know.
_HUGE = 1e30
Floats = npt.NDArray[np.floating]


def check_consistent_scaler(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Compare provenance and numbers: the hashes that the matrices bear, and the features recomputed from the reviews.

    A split that was standardised by itself, twice, or not at all is told apart by what its numbers equal.
    """
    raw = {name: features_in_pieces(rows.tokens, data.encoder, data.scratch) for name, rows in data.rows.items()}
    found = _provenance(data, raw["train"])
    measured: dict[str, float | int | str] = {"scaler": data.scaler.digest}
    rows: tuple[str, ...] = ()
    for split, matrix in data.matrices.items():
        if matrix.features.shape != raw[split].shape:
            found.append(f"{split} has features of shape {matrix.features.shape}, not {raw[split].shape}")
            continue
        distance = _distance(matrix.features, raw[split], data.scaler)
        measured[f"{split}_largest_difference"] = float(np.nan_to_num(distance, nan=_HUGE, posinf=_HUGE).max(initial=0))
        wrong = ~(distance <= _TOLERANCE)
        if wrong.any():
            found.append(f"{split} {_explain(matrix.features, raw[split], data.scaler)} ({wrong.sum():,} rows)")
            rows = (rows + offending(data.rows[split].ids, wrong))[:20]
    evidence = "; ".join(found) or "all matrices bear the training scaler's hash, and its numbers"
    return CheckResult(
        "consistent scaler",
        "fail" if found else "pass",
        measured,
        f"one scaler and one encoder; features within {_TOLERANCE} standard deviations of those recomputed",
        evidence,
        rows,
    )


def _distance(features: Floats, raw: Floats, scaler: Scaler) -> Floats:
    """Of each row, the largest difference in standard deviations, `(rows,)`."""
    parts = (slice(start, start + _ROWS_AT_A_TIME) for start in range(0, max(len(raw), 1), _ROWS_AT_A_TIME))
    distances = [np.abs(features[part] - scaler.transform(raw[part])).max(axis=1, initial=0.0) for part in parts]
    return np.concatenate(distances)


def _provenance(data: CheckedData, raw_train: Floats) -> list[str]:
    found: list[str] = []
    fitted = Scaler.fit(raw_train)
    pairs = ((fitted.mean, data.scaler.mean), (fitted.scale, data.scaler.scale))
    if not all(np.allclose(*pair, rtol=1e-9) for pair in pairs):
        found.append("the scaler was not fit on the training rows")
    for split, matrix in data.matrices.items():
        if matrix.scaler_digest != data.scaler.digest:
            found.append(f"{split} was made by another scaler ({_short(matrix.scaler_digest)})")
        if matrix.encoder_digest != data.encoder.digest:
            found.append(f"{split} was made by another encoder ({_short(matrix.encoder_digest)})")
    return found


def _explain(features: Floats, raw: Floats, scaler: Scaler) -> str:
    alternatives: dict[str, Floats] = {
        "was standardised by itself": Scaler.fit(raw).transform(raw),
        "was scaled twice": scaler.transform(scaler.transform(raw).astype(np.float64)),
        "was not scaled at all": raw,
    }
    for name, values in alternatives.items():
        if np.allclose(features, values, rtol=1e-4, atol=_TOLERANCE):
            return name
    return "does not have the training scaler's numbers"


def _short(digest: str) -> str:
    return digest[:12] or "no hash"
