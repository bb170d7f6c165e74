"""What the page of a line shows, and in which words: from what its runs gave to the values of its template."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from storage.metrics.trend import LineTrend, Tenure, TrendRun
from tasks.reporting.panels import Look, looks_of
from tasks.reporting.pictures import Picture
from tasks.reporting.scores import with_bounds
from tasks.reporting.series import Point, Series, group_size, series_of, thinned, usual_range
from tasks.reporting.sheets import Sheet
from tasks.reporting.timeline import NARROW, WIDE
from tasks.reporting.trend_pictures import draw_observations, draw_recalls, draw_spent, draw_times, draw_trend
from tasks.reporting.verdict import title_and_why
from tasks.training.progress import duration_words

MAX_RUNS, MAX_TENURES, MAX_FINDINGS = 100, 50, 15

# The whole sentence is on the run's own page.
_MAX_WORDS = 160
_NAMES = {"accuracy": "Test accuracy", "auc": "Test AUC"}
_CLASSES = {"class 0": "Negative reviews found (recall)", "class 1": "Positive reviews found (recall)"}


@dataclass(frozen=True)
class RunLink:
    """A run, and the file of its page if that lies beside this one."""

    id: str
    page: str | None


@dataclass(frozen=True)
class RunRow:
    """A run as its table shows it; accuracy and AUC of each model, in the order of the models."""

    run: RunLink
    started: str
    flow: str
    verdict: str
    words: str
    took: str
    scores: tuple[str, ...]


@dataclass(frozen=True)
class TenureRow:
    """A time in office as its table shows it; a rollback is decided by another run than that which trained."""

    position: int
    model: str
    trained_by: RunLink
    decided_by: RunLink
    served_from: str
    served_until: str
    how: str
    scores: tuple[str, str]
    reason: str


def view_of_trend(trend: LineTrend, beside: Set[str]) -> dict[str, Any]:
    """Every value that the template `trend.html` asks for.

    Args:
        trend: What it tells of.
        beside: The runs whose pages lie in the same folder.
    """
    accuracies = series_of(trend.scores, "accuracy")
    champion, last = _champion(trend), trend.runs[-1]
    return {
        "trend": trend,
        "headline": headline(trend),
        "why": title_and_why(last.message)[1],
        "verdict": verdict_of(last),
        "facts": _facts(trend, champion),
        "notes": _notes(trend, accuracies),
        "drawn": _drawn(trend, accuracies),
        "models": list(accuracies),
        "tenures": [_tenure_row(tenure, beside) for tenure in trend.served[::-1][:MAX_TENURES]],
        "runs": [_run_row(trend, run, list(accuracies), beside) for run in trend.runs[::-1][:MAX_RUNS]],
        "findings": _findings_sheet(trend),
    }


def headline(trend: LineTrend) -> str:
    """What serves since when, with its numbers, and how the last run ended, in one sentence."""
    champion, last = _champion(trend), trend.runs[-1]
    serves = _serves(trend.line, champion) if champion else f"nothing serves {trend.line} yet"
    said = title_and_why(last.message)[0] if last.message else last.state
    return f"{serves}; the last run, {last.flow} of {last.started_at:%Y-%m-%d}, ended so: {said.rstrip('.')}."


def _serves(line: str, champion: Tenure) -> str:
    numbers = _cell(champion.scores.get("accuracy"))
    return f"{champion.model} serves {line} since {champion.served_from:%Y-%m-%d}, with a test accuracy of {numbers}"


def verdict_of(run: TrendRun) -> str:
    """The word that a run is marked with: how it ended, or what it decided or saw."""
    if run.state != "completed":
        return run.state
    if run.observed:
        return run.observed.verdict
    said = run.decisions.values()
    first = next((word for word in ("promoted", "would promote", "rejected", "would reject") if word in said), None)
    return "put back" if run.flow == "rollback" and first == "promoted" else first or run.state


def _champion(trend: LineTrend) -> Tenure | None:
    return next((tenure for tenure in trend.served if tenure.served_until is None), None)


def _facts(trend: LineTrend, champion: Tenure | None) -> list[tuple[str, str]]:
    first, last = trend.runs[0], trend.runs[-1]
    counts = [
        f"{sum(run.flow == flow for run in trend.runs):,} × {flow}" for flow in sorted({r.flow for r in trend.runs})
    ]
    facts = [("runs", ", ".join(counts)), ("first run told of, UTC", f"{first.started_at:%Y-%m-%d %H:%M}")]
    facts += [("last run, UTC", f"{last.started_at:%Y-%m-%d %H:%M}"), ("champions so far", f"{len(trend.served):,}")]
    return [*facts, *([("serves now", champion.candidate_id)] if champion else [])]


def _notes(trend: LineTrend, accuracies: Series) -> list[str]:
    """What a point is, and what is drawn otherwise than one might think."""
    size = max((group_size(points) for points in accuracies.values()), default=1)
    a_run = "Each point is a model of one run on that run's test rows; the shade is its exact 95 % interval"
    runs = (
        f"Each point is the median of {size} runs that follow each other; the shade is as wide as all their exact 95 %"
    )
    low, high = usual_range(accuracies)
    drawn = [one for points in accuracies.values() for one in thinned(points)]
    beyond = sum(not low <= one.value <= high for one in drawn)
    far = "One accuracy lies" if beyond == 1 else f"{beyond} accuracies lie"
    told = {
        f"{a_run} (Clopper–Pearson).": size == 1,
        f"{runs} intervals (Clopper–Pearson).": size > 1,
        f"{trend.num_earlier:,} earlier runs are in the store, and not on this page.": trend.num_earlier > 0,
        f"{far} far off all others: an arrow at the edge stands for each.": beyond > 0,
    }
    return [sentence for sentence, is_so in told.items() if is_so]


def _drawn(trend: LineTrend, accuracies: Series) -> dict[str, Picture | None]:
    looks = looks_of([(name, "model") for name in accuracies])
    recalls = {title: series_of(trend.scores, "recall", scope) for scope, title in _CLASSES.items()}
    minutes = [
        Point(run.started_at, run.seconds / 60)
        for run in trend.runs
        if run.flow == "retrain" and run.state == "completed" and run.seconds is not None
    ]
    return {
        "accuracy": _of_metric(trend, "accuracy", looks, WIDE),
        "accuracy_narrow": _of_metric(trend, "accuracy", looks, NARROW),
        "auc": _of_metric(trend, "auc", looks, NARROW),
        "recall": draw_recalls({title: series for title, series in recalls.items() if series}, looks),
        "observed": draw_observations([(run.started_at, run.observed) for run in trend.runs if run.observed]),
        "spent": draw_spent(trend.spent),
        "times": draw_times(minutes),
    }


def _of_metric(trend: LineTrend, name: str, looks: Mapping[str, Look], width: float) -> Picture | None:
    series = series_of(trend.scores, name)
    return draw_trend((name, _NAMES[name]), series, looks, trend.served, width) if series else None


def _tenure_row(tenure: Tenure, beside: Set[str]) -> TenureRow:
    until = f"{tenure.served_until:%Y-%m-%d %H:%M}" if tenure.served_until else "now"
    return TenureRow(
        position=tenure.position,
        model=tenure.model,
        trained_by=_link(tenure.candidate_id.rpartition("/")[0], beside),
        decided_by=_link(tenure.decided_by, beside),
        served_from=f"{tenure.served_from:%Y-%m-%d %H:%M}",
        served_until=until,
        how=tenure.succession,
        scores=(_cell(tenure.scores.get("accuracy")), _cell(tenure.scores.get("auc"))),
        reason=tenure.reason,
    )


def _run_row(trend: LineTrend, run: TrendRun, models: list[str], beside: Set[str]) -> RunRow:
    scores = {(score.model, score.name): score for score in trend.scores if score.run_id == run.id}
    cells = [scores.get((model, name)) for model in models for name in _NAMES]
    return RunRow(
        run=_link(run.id, beside),
        started=f"{run.started_at:%Y-%m-%d %H:%M}",
        flow=run.flow + (", dry" if run.dry_run else ""),
        verdict=verdict_of(run),
        words=run.message if len(run.message) <= _MAX_WORDS else f"{run.message[:_MAX_WORDS].rstrip()} …",
        took="-" if run.seconds is None else duration_words(run.seconds),
        scores=tuple("-" if one is None else f"{one.value:.4f}" for one in cells),
    )


def _findings_sheet(trend: LineTrend) -> Sheet:
    rows = tuple(
        (one.name, one.subject, f"{one.failures:,}", f"{one.warnings:,}", f"{one.last_seen:%Y-%m-%d}")
        for one in trend.findings[:MAX_FINDINGS]
    )
    return Sheet("What refused most comes first", ("check", "of", "failed", "warned", "last time"), rows)


def _cell(measured: tuple[float, float | None, float | None] | None) -> str:
    return with_bounds(*measured) if measured else "-"


def _link(run_id: str, beside: Set[str]) -> RunLink:
    return RunLink(run_id, f"{run_id}.html" if run_id in beside else None)
