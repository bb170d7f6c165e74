"""Reading what the runs of a line gave over time, as the page of the line shows it. Nothing here can write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text

from storage.errors import NotFoundError
from storage.metrics.reader import MetricsReader
from storage.metrics.tables import CandidateRow, ChampionRow, DecisionRow, MetricRow, ObservationRow, RunRow
from storage.metrics.types import UtcDateTime

MAX_RUNS = 2_000
"""What is older is counted, and left to whoever asks the store."""

Measured = tuple[float, float | None, float | None]
"""A number, and the ends of its 95 % interval, where there is one."""

_MAX_NAMED = 20
_RUN_FIELDS = ("id", "flow", "state", "dry_run", "started_at", "seconds", "message")
_OBSERVED = ("position", "accuracy", "lower", "upper", "promoted_accuracy", "num_new", "verdict")

_SCORES = """
SELECT started_at, run_id, candidate_id, model, name, scope, value, lower, upper
FROM metric_history
WHERE line = :line AND started_at >= :since AND split = 'test'
  AND (name IN ('accuracy', 'auc') AND scope = 'overall' OR name = 'recall')
ORDER BY started_at, candidate_id, name, scope"""
_SERVED = """
SELECT position, candidate_id, model, served_from, served_until, succession, decided_by, reason
FROM served
WHERE line = :line
ORDER BY position"""
_SPENT = """
SELECT test_id, comparisons, spent, total, last_used
FROM ledger
WHERE line = :line AND last_used >= :since
ORDER BY last_used, test_id"""
_FINDINGS = """
SELECT name, subject, sum(CASE WHEN verdict = 'fail' THEN 1 ELSE 0 END) AS failures,
  sum(CASE WHEN verdict = 'warn' THEN 1 ELSE 0 END) AS warnings, max(started_at) AS last_seen
FROM warnings
WHERE line = :line AND started_at >= :since
GROUP BY name, subject
ORDER BY failures DESC, warnings DESC, name, subject"""


@dataclass(frozen=True)
class TrendScore:
    """A number that a candidate got on its test rows.

    Attributes:
        name: `accuracy`, `auc` or `recall`.
        scope: `overall`, or a class, of a recall.
        lower: Lower end of its 95 % interval; None where there is none.
        upper: Its upper end.
    """

    started_at: datetime
    run_id: str
    candidate_id: str
    model: str
    name: str
    scope: str
    value: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Tenure:
    """A time during which one model served.

    Attributes:
        served_until: None of the one that serves now.
        decided_by: The run that put it there.
        scores: Its accuracy and AUC on the test rows of the run that trained it, by name.
    """

    position: int
    candidate_id: str
    model: str
    served_from: datetime
    served_until: datetime | None
    succession: str
    decided_by: str
    reason: str
    scores: Mapping[str, Measured] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """What the monitor saw of a champion; the numbers are None where it saw no new row."""

    position: int
    accuracy: float | None
    lower: float | None
    upper: float | None
    promoted_accuracy: float
    num_new: int
    verdict: str


@dataclass(frozen=True)
class TrendRun:
    """A run that has ended.

    Attributes:
        decisions: What it decided, by model.
        observed: What it saw, of a run of the monitor.
    """

    id: str
    flow: str
    state: str
    dry_run: bool
    started_at: datetime
    seconds: float | None
    message: str
    decisions: Mapping[str, str] = field(default_factory=dict)
    observed: Observed | None = None


@dataclass(frozen=True)
class Spent:
    """The error that comparisons on a test set have spent, of what they may."""

    test_id: str
    comparisons: int
    spent: float
    total: float
    last_used: datetime


@dataclass(frozen=True)
class Finding:
    """How often a check of a subject has warned and failed."""

    name: str
    subject: str
    failures: int
    warnings: int
    last_seen: datetime


@dataclass(frozen=True)
class LineTrend:
    """All of it, oldest first; of checks, those that failed most.

    Attributes:
        num_earlier: Runs that are older than the ones told of.
    """

    line: str
    runs: tuple[TrendRun, ...]
    scores: tuple[TrendScore, ...] = ()
    served: tuple[Tenure, ...] = ()
    spent: tuple[Spent, ...] = ()
    findings: tuple[Finding, ...] = ()
    num_earlier: int = 0


class TrendReader(MetricsReader):
    """The store, asked for all runs of a line at once."""

    def line_of(self, run_id: str) -> str | None:
        """Whose data a run worked on; None of a run that never came to know."""
        with self._engine.connect() as connection:
            line = connection.scalar(select(RunRow.line).where(RunRow.id == run_id))
        return None if line == "-" else line

    def trend(self, line: str) -> LineTrend:
        """What the last runs of a line gave; those that are still running are not told of.

        Raises:
            NotFoundError: No run of that line has ended.
        """
        with self._engine.connect() as connection:
            runs = _runs(connection, line)
            if not runs:
                raise NotFoundError(_no_run_of(connection, line))
            since = runs[0].started_at
            asked, ended = {"line": line, "since": since}, {run.id for run in runs}
            scores = (TrendScore(**row) for row in _rows(connection, _SCORES, asked, "started_at"))
            earlier = select(func.count()).select_from(RunRow).where(RunRow.line == line, RunRow.started_at < since)
            return LineTrend(
                line=line,
                runs=runs,
                scores=tuple(score for score in scores if score.run_id in ended),
                served=_served(connection, line),
                spent=tuple(Spent(**row) for row in _rows(connection, _SPENT, asked, "last_used")),
                findings=tuple(Finding(**row) for row in _rows(connection, _FINDINGS, asked, "last_seen")),
                num_earlier=connection.scalar(earlier) or 0,
            )


def _rows(connection: Connection, query: str, asked: Mapping[str, Any], *times: str) -> list[dict[str, Any]]:
    """The rows of a query in SQL, whose named columns are times."""
    statement = text(query)
    if "since" in asked:
        statement = statement.bindparams(bindparam("since", type_=UtcDateTime()))
    typed = statement.columns(**{name: UtcDateTime() for name in times})
    return [dict(row) for row in connection.execute(typed, asked).mappings()]


def _runs(connection: Connection, line: str) -> tuple[TrendRun, ...]:
    columns = [getattr(RunRow, name) for name in _RUN_FIELDS]
    ended = select(*columns).where(RunRow.line == line, RunRow.state != "running")
    last_first = ended.order_by(RunRow.started_at.desc(), RunRow.id.desc()).limit(MAX_RUNS)
    newest = connection.execute(last_first).mappings().all()
    if not newest:
        return ()
    of_them = RunRow.line == line, RunRow.started_at >= newest[-1]["started_at"]
    decisions: dict[str, dict[str, str]] = defaultdict(dict)
    decided = (
        select(DecisionRow.run_id, CandidateRow.model, DecisionRow.verdict)
        .join(CandidateRow, CandidateRow.id == DecisionRow.candidate_id)
        .join(RunRow, RunRow.id == DecisionRow.run_id)
    )
    for row in connection.execute(decided.where(*of_them).order_by(DecisionRow.id)):
        decisions[row.run_id][row.model] = row.verdict
    seen = select(ObservationRow.run_id, *(getattr(ObservationRow, name) for name in _OBSERVED))
    watched = connection.execute(seen.join(RunRow, RunRow.id == ObservationRow.run_id).where(*of_them))
    observed = {row.run_id: Observed(*row[1:]) for row in watched}
    return tuple(
        TrendRun(**row, decisions=decisions.get(row["id"], {}), observed=observed.get(row["id"]))
        for row in reversed(newest)
    )


def _served(connection: Connection, line: str) -> tuple[Tenure, ...]:
    scores: dict[str, dict[str, Measured]] = defaultdict(dict)
    measured = (
        select(MetricRow.candidate_id, MetricRow.name, MetricRow.value, MetricRow.lower, MetricRow.upper)
        .join(ChampionRow, ChampionRow.candidate_id == MetricRow.candidate_id)
        .where(ChampionRow.line == line, MetricRow.split == "test", MetricRow.scope == "overall")
        .where(MetricRow.name.in_(("accuracy", "auc")))
    )
    for row in connection.execute(measured):
        scores[row.candidate_id][row.name] = (row.value, row.lower, row.upper)
    tenures = _rows(connection, _SERVED, {"line": line}, "served_from", "served_until")
    return tuple(Tenure(**row, scores=scores.get(row["candidate_id"], {})) for row in tenures)


def _no_run_of(connection: Connection, line: str) -> str:
    known = select(RunRow.line).where(RunRow.line != "-", RunRow.state != "running").distinct()
    lines = connection.scalars(known.order_by(RunRow.line)).all()
    named = ", ".join(map(repr, lines[:_MAX_NAMED])) + (", …" if len(lines) > _MAX_NAMED else "")
    return (
        f"no run of the line {line!r} has ended yet; {f'there are runs of {named}' if lines else 'nor of any other'}."
    )
