"""Records again, from the plain values in which the store's reader gives a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from storage.records import (
    Candidate,
    CheckResult,
    Comparison,
    ConfusionMatrix,
    Decision,
    Epoch,
    Evaluation,
    Gate,
    Metric,
    Observation,
    Split,
    Stage,
    Suspect,
)

Plain = Mapping[str, Any]

_METRICS = ("accuracy", "auc", "log_loss", "brier", "precision", "recall", "f1", "support")
_SCOPES = ("overall", "class 0", "class 1")


def checks_of(run: Plain, subject: str) -> tuple[CheckResult, ...]:
    """What the checks of one subject said: `data`, `champion`, or the name of a model."""
    return tuple(
        CheckResult(
            name=row["name"],
            verdict=row["verdict"],
            measured=dict(sorted(row["measured"].items())),
            bound=row["bound"],
            evidence=row["evidence"],
            rows=tuple(row["offending_rows"]),
            action=row["action"],
        )
        for row in run["checks"]
        if row["subject"] == subject
    )


def candidate_of(run: Plain, row: Plain) -> Candidate:
    """A candidate with its epochs, evaluations and checks."""
    return Candidate(
        epochs=tuple(_epoch(one) for one in row["epochs"]),
        validation=_evaluation("validation", row),
        test=_evaluation("test", row),
        checks=checks_of(run, row["model"]),
        **_picked(row, "id", "run_id", "model", "bundle", "device", "num_parameters", "best_epoch"),
        **_picked(row, "training_seconds", "training_key", "reused_from"),
    )


def decision_of(row: Plain) -> Decision:
    """A decision with its gates, comparison and diagnosis. Whether it moved the line's mark is not told."""
    compared = row["comparison"]
    return Decision(
        candidate_id=row["candidate_id"],
        promote=row["verdict"] in ("promoted", "would promote"),
        reason=row["reason"],
        gates=tuple(Gate(**_picked(one, "name", "verdict", "value", "bound", "words")) for one in row["gates"]),
        comparison=_comparison(compared) if compared else None,
        diagnosis=tuple(Suspect(**_picked(one, "cause", "standing", "evidence", "remedy")) for one in row["diagnosis"]),
        succession=row["kind"],
    )


def observation_of(row: Plain) -> Observation:
    """What the monitor found."""
    return Observation(**_picked(row, *Observation.__dataclass_fields__))


def stages_of(rows: Sequence[Plain]) -> tuple[Stage, ...]:
    """Time and memory of each stage, in order."""
    return tuple(Stage(**_picked(row, "name", "seconds", "peak_memory_bytes")) for row in rows)


def _epoch(row: Plain) -> Epoch:
    names = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds")
    return Epoch(number=row["epoch"], **_picked(row, *names))


def _comparison(row: Plain) -> Comparison:
    """What was undefined is NULL in the store, and NaN in a record."""
    names = [name for name in Comparison.__dataclass_fields__ if name != "index"]
    values: dict[str, Any] = {
        name: math.nan if value is None else value for name, value in _picked(row, *names).items()
    }
    return Comparison(index=row["comparison"], **values)


def _evaluation(split: Split, row: Plain) -> Evaluation:
    counts = next(one for one in row["confusion_matrices"] if one["split"] == split)
    metrics = [
        Metric(**_picked(one, "name", "scope", "value", "lower", "upper", "confidence"))
        for one in row["metrics"]
        if one["split"] == split
    ]
    metrics.sort(key=lambda metric: (_SCOPES.index(metric.scope), _METRICS.index(metric.name)))
    auc = next((metric.value for metric in metrics if metric.name == "auc"), math.nan)
    return Evaluation(
        split=split,
        confusion=ConfusionMatrix(**_picked(counts, *ConfusionMatrix.__dataclass_fields__)),
        auc=auc,
        # The store keeps the interval that was made of it.
        auc_standard_error=math.nan,
        metrics=tuple(metrics),
    )


def _picked(row: Plain, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
