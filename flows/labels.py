"""How a flow run is found in Prefect's lists: a name that tells line, date and verdict, and tags to filter by."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import get_client, runtime

from storage.metrics.reader import MetricsReader
from storage.settings import Settings

logger = logging.getLogger(__name__)

_MAX_NAME = 99
_OBSERVED = {
    "healthy": "champion healthy",
    "degraded": "champion degraded",
    "drifted": "reviews drifted",
    "too few rows": "too few new rows",
}
_WHY_SKIPPED = ("nothing has changed", "the slot is taken", "the slot was overtaken")
_UNDONE = {"skipped": "skipped", "rejected data": "data rejected", "failed": "failed"}
_DONE = {"check": "fit to be trained on", "score": "labelled"}
_PROMOTING = ("promoted", "would promote")
# One of these says how a run ended; a run that is tried again loses the former one.
_OUTCOMES = frozenset(
    {
        *("promoted", "nothing-promoted", "dry-run", "put-back", "nothing-put-back", "fit", "labelled"),
        *("data-rejected", "skipped", "failed", "healthy", "degraded", "drifted", "too-few-rows"),
    }
)


@dataclass(frozen=True)
class Label:
    """A flow run's name, below 100 characters, and its tags, one of which says how it ended."""

    name: str
    tags: frozenset[str]


def label_of(run: dict[str, Any]) -> Label:
    """The label of a run that has ended, from what the store says of it."""
    words, outcome = _verdict(run)
    has_line = run["line"] != "-"
    # A run that could not read its source knows no line.
    subject = run["line"] if has_line else str(run["options"].get("source") or run["flow"])
    ending = f" {run['started_at']:%Y-%m-%d %H:%M}: {words}"
    room = _MAX_NAME - len(ending)
    name = subject if len(subject) <= room else f"{subject[: room - 1]}…"
    return Label(f"{name}{ending}", frozenset({outcome, *([f"line:{run['line']}"] if has_line else [])}))


def label_flow_run(settings: Settings, run_id: str) -> None:
    """Rename the flow run that this is, and tag it, by what the store says of the run; outside of one, do nothing.

    Whatever goes wrong is a warning: the run has ended, and its end is in the store.
    """
    flow_run = runtime.flow_run.id
    if flow_run is None:
        return
    try:
        label = label_of(MetricsReader(settings.database_url).run(run_id))
        with get_client(sync_client=True) as client:
            former = client.read_flow_run(UUID(flow_run)).tags
            kept = {tag for tag in former if tag not in _OUTCOMES and not tag.startswith("line:")}
            client.update_flow_run(UUID(flow_run), name=label.name, tags=sorted(kept | label.tags)).raise_for_status()
    except Exception as error:
        logger.warning("the flow run could not be named after its verdict: %s: %s", type(error).__name__, error)


def _verdict(run: dict[str, Any]) -> tuple[str, str]:
    """How a run ended, in words for its name and as a tag."""
    if run["state"] != "completed":
        words = _UNDONE.get(run["state"], run["state"])
        because = next((f", {why}" for why in _WHY_SKIPPED if run["message"].startswith(why)), "")
        return f"{words}{because}", words.replace(" ", "-")
    if run["observation"]:
        verdict = run["observation"]["verdict"]
        return _OBSERVED[verdict], verdict.replace(" ", "-")
    if run["flow"] in ("retrain", "rollback"):
        return _decided(run)
    return _DONE[run["flow"]], "fit" if run["flow"] == "check" else _DONE[run["flow"]]


def _decided(run: dict[str, Any]) -> tuple[str, str]:
    did, would = ("put back", "put back") if run["flow"] == "rollback" else ("promoted", "promote")
    winners = [one["candidate_id"] for one in run["decisions"] if one["verdict"] in _PROMOTING]
    model = winners[0].split("/")[-1] if winners else ""
    if run["dry_run"]:
        return f"dry run, would {would} {model or 'nothing'}", "dry-run"
    tag = did.replace(" ", "-")
    return (f"{did} {model}", tag) if model else (f"nothing {did}", f"nothing-{tag}")
