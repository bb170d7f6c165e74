"""Two runs side by side: what differs in their options, code and data, and what their models make of it.

What can be said of two models hangs on their test rows. On the same rows they are compared row by row, from what their
bundles said of each; on other rows only the bounds of each alone are known, which say little about a difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.bundles import read_test_predictions
from storage.errors import ContentError
from tasks.reporting.options import Difference, differences, flattened

Run = dict[str, Any]

METRICS = (
    *((name, "overall") for name in ("accuracy", "auc", "log_loss", "brier")),
    *((name, scope) for scope in ("class 0", "class 1") for name in ("precision", "recall")),
)
OTHER_ROWS = "other test rows: only the bounds of each alone are known, and they are no test of the difference"


@dataclass(frozen=True)
class Measured:
    """A number with its bounds at 95 %, where it has any."""

    value: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class MetricPair:
    """A metric of the test rows in both runs, None where a run has it not; the difference is second minus first.

    Attributes:
        lower: Of the paired interval of the difference, on the same rows.
        upper: Its upper end.
        p_value: Two-sided: exact McNemar for the accuracy, DeLong for the AUC.
    """

    name: str
    scope: str
    first: Measured | None
    second: Measured | None
    difference: float | None
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class ModelPair:
    """A model that one of the runs has, or both.

    Attributes:
        verdicts: What each run decided about it, or None.
        only_first: Test rows that only the first run's gets right; None where nothing is known row by row.
        only_second: Test rows that only the second run's gets right.
        note: Why it is not compared row by row; empty where it is.
    """

    model: str
    verdicts: tuple[str | None, str | None]
    metrics: tuple[MetricPair, ...]
    only_first: int | None
    only_second: int | None
    note: str


@dataclass(frozen=True)
class StagePair:
    """A step of both runs, or of one: seconds, and peak memory in bytes."""

    name: str
    first_seconds: float | None
    second_seconds: float | None
    first_memory: int | None
    second_memory: int | None


@dataclass(frozen=True)
class RunComparison:
    """All that is not alike in two runs, and their models.

    Attributes:
        runs: Id, flow, line, state, message, start and seconds of each.
        options: Those that are not alike.
        code: The commit, and the versions of libraries, that are not alike.
        data: What is not alike of the snapshots.
        same_test_rows: Whether their models were tested on the same rows; None where a run has no snapshot.
    """

    runs: tuple[dict[str, Any], dict[str, Any]]
    options: tuple[Difference, ...]
    code: tuple[Difference, ...]
    data: tuple[Difference, ...]
    same_test_rows: bool | None
    models: tuple[ModelPair, ...]
    stages: tuple[StagePair, ...]


def compare_runs(first: Run, second: Run, bundles: Path) -> RunComparison:
    """Set two runs side by side, as the store's reader gives them.

    Args:
        first: A run.
        second: Another one.
        bundles: The folder of the published bundles.
    """
    same_rows = _same_test_rows(first, second)
    return RunComparison(
        runs=(_head(first), _head(second)),
        options=differences(flattened(first["options"]), flattened(second["options"])),
        code=differences(_code(first), _code(second)),
        data=differences(_data(first), _data(second)),
        same_test_rows=same_rows,
        models=tuple(_models(first, second, bundles, same_rows)),
        stages=tuple(_stages(first, second)),
    )


def _head(run: Run) -> dict[str, Any]:
    return {name: run[name] for name in ("id", "flow", "line", "state", "message", "started_at", "seconds", "dry_run")}


def _code(run: Run) -> dict[str, Any]:
    return {"commit": run["git_commit"], "device": run["device"], **run["versions"]}


def _data(run: Run) -> dict[str, Any]:
    snapshot = run["snapshot"] or {}
    shown = ("origin", "source_sha256", "num_train", "num_validation", "num_test", "split_seed", "vocabulary")
    return {
        "line": run["line"],
        "snapshot": snapshot.get("id"),
        "test rows": snapshot.get("test_id"),
        **{name: snapshot.get(name) for name in shown},
    }


def _same_test_rows(first: Run, second: Run) -> bool | None:
    if not (first["snapshot"] and second["snapshot"]):
        return None
    return bool(first["snapshot"]["test_id"] == second["snapshot"]["test_id"])


def _models(first: Run, second: Run, bundles: Path, same_rows: bool | None) -> list[ModelPair]:
    ours, theirs = ({one["model"]: one for one in run["candidates"]} for run in (first, second))
    pairs = []
    for model in dict.fromkeys((*ours, *theirs)):
        sides = (ours.get(model), theirs.get(model))
        metrics = {(name, scope): _pair(name, scope, *sides) for name, scope in METRICS}
        only, note = _row_by_row(metrics, bundles, sides, same_rows)
        pairs.append(
            ModelPair(
                model=model,
                verdicts=(_verdict(first, model), _verdict(second, model)),
                metrics=tuple(metrics.values()),
                only_first=only[0] if only else None,
                only_second=only[1] if only else None,
                note=note,
            )
        )
    return pairs


def _row_by_row(
    metrics: dict[tuple[str, str], MetricPair],
    bundles: Path,
    sides: tuple[Run | None, Run | None],
    same_rows: bool | None,
) -> tuple[tuple[int, int] | None, str]:
    """Give accuracy and AUC their paired intervals.

    Returns:
        How many rows only one of the two gets right, and an empty text; or None, and why they are not compared.
    """
    if not (sides[0] and sides[1]):
        return None, "only one of the runs has it"
    if not same_rows:
        return None, OTHER_ROWS
    # Brings scipy and scikit-learn with it.
    from tasks.evaluation.side_by_side import side_by_side

    try:
        paired = side_by_side(*(read_test_predictions(bundles, side["bundle"]) for side in sides if side))
    except ContentError as error:
        return None, f"it cannot be compared row by row: {error}"
    for name in ("accuracy", "auc"):
        found = metrics[name, "overall"]
        numbers = (getattr(paired, f"{name}{end}") for end in ("", "_lower", "_upper", "_p_value"))
        metrics[name, "overall"] = MetricPair(name, "overall", found.first, found.second, *map(_finite, numbers))
    return (paired.only_first, paired.only_second), ""


def _pair(name: str, scope: str, first: Run | None, second: Run | None) -> MetricPair:
    values = (_measured(first, name, scope), _measured(second, name, scope))
    difference = values[1].value - values[0].value if values[0] and values[1] else None
    return MetricPair(name, scope, *values, difference)


def _measured(candidate: Run | None, name: str, scope: str) -> Measured | None:
    for metric in candidate["metrics"] if candidate else ():
        if (metric["split"], metric["name"], metric["scope"]) == ("test", name, scope):
            return Measured(metric["value"], metric["lower"], metric["upper"])
    return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _verdict(run: Run, model: str) -> str | None:
    for decision in run["decisions"]:
        if decision["candidate_id"].split("/")[-1] == model:
            return f"{decision['verdict']}: {decision['reason']}"
    return None


def _stages(first: Run, second: Run) -> list[StagePair]:
    ours, theirs = ({stage["name"]: stage for stage in run["stages"]} for run in (first, second))
    absent = {"seconds": None, "peak_memory_bytes": None}
    pairs = []
    for name in dict.fromkeys((*ours, *theirs)):
        sides = (ours.get(name, absent), theirs.get(name, absent))
        pairs.append(StagePair(name, *(side[of] for of in ("seconds", "peak_memory_bytes") for side in sides)))
    return pairs
