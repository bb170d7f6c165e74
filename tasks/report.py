"""Task: show the verdict of a run in Prefect, as an artifact whose history follows the line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from storage.records import Candidate, CheckResult, Decision, SnapshotRecord


@task(task_run_name="report", cache_policy=NO_CACHE)
def report(
    run_id: str,
    snapshot: SnapshotRecord,
    checks: Sequence[CheckResult],
    candidates: Sequence[Candidate],
    decisions: Sequence[Decision],
    headline: str,
) -> None:
    """Publish the verdict in markdown, keyed by line."""
    key = "verdict-" + re.sub(r"[^a-z0-9]+", "-", snapshot.line.lower()).strip("-")
    create_markdown_artifact(
        verdict_markdown(run_id, snapshot, checks, candidates, decisions, headline),
        key=key,
        description=f"What the promotion rule said about the line {snapshot.line}",
    )


def verdict_markdown(
    run_id: str,
    snapshot: SnapshotRecord,
    checks: Sequence[CheckResult],
    candidates: Sequence[Candidate],
    decisions: Sequence[Decision],
    headline: str,
) -> str:
    """The verdict first, then the numbers that it rests on."""
    lines = [
        f"# {headline}",
        f"Run `{run_id}` on line **{snapshot.line}**, snapshot `{snapshot.id[:12]}`: {snapshot.origin}.",
        "",
        "| model | test accuracy | test AUC | validation accuracy | best epoch |",
        "|---|---|---|---|---|",
        *(
            f"| {candidate.model} | {candidate.test.confusion.accuracy:.4f} | {candidate.test.auc:.4f} "
            f"| {candidate.validation.confusion.accuracy:.4f} | {candidate.best_epoch} of {len(candidate.epochs)} |"
            for candidate in candidates
        ),
    ]
    for decision in decisions:
        verdict = "promote" if decision.promote else "reject"
        lines += [
            "",
            f"## {decision.candidate_id.split('/')[-1]}: {verdict}",
            _cell(decision.reason) + ".",
            "",
            "| gate | verdict | evidence |",
            "|---|---|---|",
            *(f"| {gate.name} | {gate.verdict} | {_cell(gate.words)} |" for gate in decision.gates),
        ]
    lines += ["", "## Checks of the data", "", "| check | verdict | evidence |", "|---|---|---|"]
    lines += [f"| {check.name} | {check.verdict} | {_cell(check.evidence)} |" for check in checks]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
