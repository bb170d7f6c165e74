"""What others are told of a line: Prefect events with the numbers in them, and a message where people want one.

Each event has the resource `retrain.line.<line>`. What cannot be sent is a warning: what it tells is in the store.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from prefect.events import emit_event
from prefect.exceptions import PrefectException

from flows.notify import notify
from storage.options import MonitorRunOptions
from storage.records import Candidate, CheckResult, Decision, Watched
from tasks.reporting.scores import score_on_test

logger = logging.getLogger(__name__)

DECIDED = "retrain.run.decided"
REJECTED = "retrain.data.rejected"
DEGRADED = "retrain.champion.degraded"


def announce_decisions(
    run_id: str,
    line: str,
    candidates: Sequence[Candidate],
    decisions: Sequence[Decision],
    headline: str,
    *,
    dry_run: bool,
) -> None:
    """Say what was decided about each model, once it is recorded.

    `promoted` names the model that serves from now on; it is empty where none does, and after any dry run.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    promoted = [by_id[decision.candidate_id].model for decision in decisions if decision.promote and not dry_run]
    payload = {
        "promoted": promoted[0] if promoted else "",
        "dry_run": dry_run,
        "models": [_decided(by_id[decision.candidate_id], decision, dry_run) for decision in decisions],
    }
    _tell(DECIDED, line, run_id, headline, payload)


def announce_rejection(run_id: str, line: str, checks: Sequence[CheckResult], headline: str) -> None:
    """Say which checks refused the data, with what they found."""
    failed = [{"check": check.name, "evidence": check.evidence} for check in checks if check.verdict == "fail"]
    _tell(REJECTED, line, run_id, headline, {"checks": failed})


def announce_degradation(run_id: str, watched: Watched, options: MonitorRunOptions, headline: str) -> None:
    """Raise the alarm, and say what to retrain on: the line's own source, with the one that was watched added.

    It is not added where it is the line's own. A deployment listens, and takes `source` and `append` as they are.
    """
    seen = watched.observation
    payload = {
        "source": seen.line,
        "append": [] if watched.source_line == seen.line else [options.source, *options.append],
        "verdict": seen.verdict,
        "reason": seen.reason,
    }
    if _tell(DEGRADED, seen.line, run_id, headline, payload):
        logger.warning("ALARM: event %s for the line %s: %s", DEGRADED, seen.line, seen.reason)


def _decided(candidate: Candidate, decision: Decision, dry_run: bool) -> dict[str, Any]:
    score = score_on_test(candidate)
    verdicts = ("would promote", "would reject") if dry_run else ("promoted", "rejected")
    return {
        "model": candidate.model,
        "accuracy": _number(score.value),
        "lower": _number(score.lower),
        "auc": _number(score.auc),
        "verdict": verdicts[0 if decision.promote else 1],
        "reason": decision.reason,
    }


def _number(value: float) -> float | None:
    """JSON has no word for what is undefined."""
    return value if math.isfinite(value) else None


def _tell(event: str, line: str, run_id: str, headline: str, payload: dict[str, Any]) -> bool:
    """Whether the event is on its way; the message to people says by itself what became of it."""
    sent = _emit(event, line, {"run_id": run_id, "headline": headline, **payload})
    notify(f"retrain: {line}", f"{headline} (run {run_id})")
    return sent


def _emit(event: str, line: str, payload: dict[str, Any]) -> bool:
    """Whether the event is on its way."""
    resource = {"prefect.resource.id": f"retrain.line.{line}", "prefect.resource.name": line}
    reason = "events are not sent from here"
    try:
        sent = emit_event(event, resource=resource, payload={"line": line, **payload}) is not None
    except PrefectException as error:
        sent, reason = False, str(error)
    if not sent:
        logger.warning("the event %s for the line %s could not be sent (%s): nobody acts on it", event, line, reason)
    return sent
