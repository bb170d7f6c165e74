"""What the page of a run shows, and in which words: from contents to the values that its template fills in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.slices import by_length, by_rating
from tasks.reporting.contents import ReportContents
from tasks.reporting.drawn import draw
from tasks.reporting.repeat import command, settings
from tasks.reporting.sheets import (
    features_sheet,
    lengths_sheet,
    models_sheets,
    sliced,
    slices_sheet,
    stages_sheet,
    watched_sheet,
)
from tasks.reporting.verdict import title_and_why
from tasks.training.progress import duration_words


def view_of(contents: ReportContents) -> dict[str, Any]:
    """Every value that the template `report.html` asks for."""
    run = contents.run
    title, why = title_and_why(run.message or run.state)
    account = next(iter(contents.accounts.values()), None)
    by = {"words of the review": by_length, "rating": by_rating}
    models, all_numbers = models_sheets(contents)
    return {
        "title": title,
        "why": why,
        "verdict": _verdict(contents),
        "contents": contents,
        "facts": _facts(contents),
        "drawn": draw(contents),
        "models": models,
        "all_numbers": all_numbers,
        "slices": [slices_sheet(sliced(contents.answers, slicing), what) for what, slicing in by.items()],
        "account": account,
        "data_sheets": [lengths_sheet(account), features_sheet(account)] if account else [],
        "source": _source(contents),
        "stages": stages_sheet(contents.stages),
        "command": command(run.flow, run.options),
        "options": _options(run.options),
        "bundles": [(candidate.model, candidate.bundle) for candidate in contents.candidates],
        "watched": watched_sheet(contents.observation) if contents.observation else None,
    }


def _verdict(contents: ReportContents) -> str:
    """What the page is marked with: the state of a run, or what it decided or found."""
    run = contents.run
    if run.state != "completed":
        return run.state
    if contents.observation:
        return contents.observation.verdict
    if not contents.decisions:
        return "completed"
    words = ("would promote", "would reject") if run.dry_run else ("promoted", "rejected")
    return words[0] if any(decision.promote for decision in contents.decisions) else words[1]


def _facts(contents: ReportContents) -> list[tuple[str, str]]:
    run = contents.run
    seconds = "unknown" if run.seconds is None else duration_words(run.seconds)
    facts = [("run", run.id), ("line", run.line), ("started, UTC", f"{run.started_at:%Y-%m-%d %H:%M}")]
    facts += [("took", seconds), ("started by", run.trigger)]
    return [*facts, *([("slot", run.slot)] if run.slot else []), *([("dry run", "yes")] if run.dry_run else [])]


def _source(contents: ReportContents) -> list[tuple[str, str]]:
    snapshot = contents.snapshot
    if snapshot is None:
        return []
    counts = ", ".join(f"{count:,} {split}" for split, count in snapshot.num_rows.items())
    rows = [("from", snapshot.origin), ("because", contents.run.source_reason or "-"), ("reviews", counts)]
    rows += [("snapshot", snapshot.id), ("test rows", snapshot.test_id), ("split seed", str(snapshot.split_seed))]
    return [*rows, *([("SHA-256 of the file", snapshot.source_sha256)] if snapshot.source_sha256 else [])]


def _options(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    flat = [(name, str(value)) for name, value in sorted(options.items()) if not isinstance(value, dict)]
    return [*flat, *(_name_and_value(setting) for setting in settings(options))]


def _name_and_value(setting: str) -> tuple[str, str]:
    name, _, value = setting.partition("=")
    return name, value
