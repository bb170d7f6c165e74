"""Runs of a line, week by week, in a store or in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from storage.metrics.engine import writing_engine
from storage.metrics.tables import CandidateRow, ChampionRow, DecisionRow, MetricRow, RunRow
from storage.metrics.trend import Finding, LineTrend, Observed, Spent, Tenure, TrendRun, TrendScore

FIRST = datetime(2026, 1, 5, 3, tzinfo=UTC)
MODELS = ("a", "b")
_METRICS = (("accuracy", "overall"), ("auc", "overall"), ("recall", "class 0"), ("recall", "class 1"))


def week(number: int) -> datetime:
    """When the run of a week began."""
    return FIRST + timedelta(weeks=number)


def score(number: int, model: str = "a", name: str = "accuracy", scope: str = "overall", **changes: Any) -> TrendScore:
    """A number that a model got in the run of a week."""
    value = 0.85 + 0.0001 * number
    usual: dict[str, Any] = {"value": value, "lower": value - 0.01, "upper": value + 0.01}
    return TrendScore(week(number), f"r{number}", f"r{number}/{model}", model, name, scope, **usual | changes)


def run(number: int, **changes: Any) -> TrendRun:
    """The run of a week, which rejected both models unless it is told otherwise."""
    usual: dict[str, Any] = {
        **{"id": f"r{number}", "flow": "retrain", "state": "completed", "dry_run": False, "started_at": week(number)},
        **{"seconds": 420.0, "message": "nothing promoted on imdb: a: near chance"},
        "decisions": dict.fromkeys(MODELS, "rejected"),
    }
    return TrendRun(**usual | changes)


def tenure(position: int, begin: int, end: int | None = None, **changes: Any) -> Tenure:
    """A time in office of the model `a` that the run of the week `begin` trained."""
    usual: dict[str, Any] = {
        **{"position": position, "candidate_id": f"r{begin}/a", "model": "a", "served_from": week(begin)},
        **{"served_until": None if end is None else week(end), "succession": "promotion", "decided_by": f"r{begin}"},
        **{"reason": "all gates passed", "scores": {"accuracy": (0.85, 0.84, 0.86), "auc": (0.9, 0.89, 0.91)}},
    }
    return Tenure(**usual | changes)


def line_trend(weeks: int = 12, **changes: Any) -> LineTrend:
    """A line that has all that a line can have."""
    seen = Observed(1, 0.84, 0.82, 0.86, 0.85, 2000, "healthy")
    watched = run(
        weeks, flow="monitor", message="the champion of imdb is healthy: it holds", decisions={}, observed=seen
    )
    promoted = run(0, message="promoted r0/a: better", decisions={"a": "promoted", "b": "rejected"})
    scores = [
        score(number, model, name, scope) for number in range(weeks) for model in MODELS for name, scope in _METRICS
    ]
    usual: dict[str, Any] = {
        "line": "imdb",
        "runs": (promoted, *(run(number) for number in range(1, weeks)), watched),
        "scores": tuple(scores),
        "served": (
            tenure(1, 0, 4),
            tenure(2, 4, 6),
            tenure(3, 0, None, served_from=week(6), succession="rollback", decided_by="r6", reason="complaints"),
        ),
        "spent": (Spent("f" * 64, 11, 0.0458, 0.05, week(weeks - 1)),),
        "findings": (Finding("label balance", "data", 2, 1, week(3)), Finding("drift", "data", 0, 9, week(5))),
    }
    return LineTrend(**usual | changes)


def fill(url: str, num_runs: int) -> None:
    """Insert so many weekly runs of `imdb` into a store: the first is promoted, and so is every 50th."""
    engine = writing_engine(url)
    with engine.begin() as connection:
        promoted = [number for number in range(num_runs) if number % 50 == 0]
        connection.execute(insert(RunRow), [_run_row(number) for number in range(num_runs)])
        candidates = [(number, model) for number in range(num_runs) for model in MODELS]
        connection.execute(insert(CandidateRow), [_candidate_row(*one) for one in candidates])
        connection.execute(insert(MetricRow), [row for one in candidates for row in _metric_rows(*one)])
        connection.execute(insert(DecisionRow), [_decision_row(*one, promoted) for one in candidates])
        _insert_champions(connection, promoted)
    engine.dispose()


def _insert_champions(connection: Connection, promoted: list[int]) -> None:
    for position, number in enumerate(promoted, 1):
        of = f"r{number:05}/a"
        chain = {"position": position, "previous": position - 1, "mark": position, "succession": "promotion"}
        row = {"line": "imdb", "decision_id": of, "candidate_id": of, "reason": "better", **chain}
        connection.execute(insert(ChampionRow), {**row, "promoted_at": week(number)})


def _run_row(number: int) -> dict[str, Any]:
    process = {"host": "h", "boot_id": "b", "process_id": 1, "process_started": 0.0}
    told = {"message": "nothing promoted on imdb", "options": {}, "versions": {}, "fingerprint": "", "seed": 7}
    when = {"started_at": week(number), "finished_at": week(number), "seconds": 400.0 + number % 7}
    kind = {"flow": "retrain", "line": "imdb", "state": "completed", "trigger": "schedule", "dry_run": False}
    return {"id": f"r{number:05}", **process, **told, **when, **kind}


def _candidate_row(number: int, model: str) -> dict[str, Any]:
    trained = {"num_parameters": 10, "best_epoch": 1, "training_seconds": 1.0, "training_key": "", "reused_from": ""}
    names = {"id": f"r{number:05}/{model}", "run_id": f"r{number:05}", "model": model}
    return {**names, **trained, "bundle": f"{number} {model}", "device": "CPU", "created_at": week(number)}


def _metric_rows(number: int, model: str) -> list[dict[str, Any]]:
    value = 0.85 + 0.01 * (number % 10) / 10
    bounds = {"value": value, "lower": value - 0.005, "upper": value + 0.005, "confidence": 0.95}
    of = {"candidate_id": f"r{number:05}/{model}", "split": "test"}
    return [{**of, "name": name, "scope": scope, **bounds} for name, scope in _METRICS]


def _decision_row(number: int, model: str, promoted: list[int]) -> dict[str, Any]:
    of = f"r{number:05}/{model}"
    verdict = "promoted" if model == "a" and number in promoted else "rejected"
    said = {"kind": "promotion", "verdict": verdict, "reason": "so", "test_id": "t", "decided_at": week(number)}
    return {"id": of, "run_id": f"r{number:05}", "candidate_id": of, **said}
