"""Task: show the verdict of a run in Prefect, as an artifact whose history follows the line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from storage.records import Candidate, CheckResult, Decision, SnapshotRecord

_MARKS = {
    **{"pass": "✓ pass", "fail": "✗ fail", "warn": "! warn", "off": "off"},
    **{"not applicable": "not applicable", "waived": "waived"},
}


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
    """The verdict first, then the numbers that it rests on. Evidence stands in lists: wide tables are cut off."""
    dry_run, of_it = _split_dry_run(headline)
    title, _, why = of_it.partition(": ")
    lines = [
        f"# {dry_run}{title}",
        f"{why}.",
        "",
        f"Run `{run_id}` on line **{snapshot.line}**, snapshot `{snapshot.id[:12]}`: {snapshot.origin}.",
        *_score_lines(candidates, checks),
    ]
    of_model = {candidate.id: candidate.checks for candidate in candidates}
    for decision in decisions:
        model = decision.candidate_id.split("/")[-1]
        lines += ["", f"## {model}: {'promote' if decision.promote else 'reject'}", ""]
        lines += [f"- **{gate.name}**: {_MARKS[gate.verdict]}, {gate.words}" for gate in decision.gates]
        lines += _diagnosis_lines(model, decision)
        lines += _check_lines(f"Checks of {model}", of_model[decision.candidate_id])
    lines += _check_lines("Checks of the data", checks)
    return "\n".join(lines) + "\n"


def _score_lines(candidates: Sequence[Candidate], checks: Sequence[CheckResult]) -> list[str]:
    """The models beside each other and beside the probe; nothing where none was trained."""
    if not candidates:
        return []
    lines = [
        "",
        "| model | test accuracy | test AUC | validation accuracy | best epoch |",
        "|---|---|---|---|---|",
        *(
            f"| {candidate.model} | {candidate.test.confusion.accuracy:.4f} | {candidate.test.auc:.4f} "
            f"| {candidate.validation.confusion.accuracy:.4f} | {candidate.best_epoch} of {len(candidate.epochs)} |"
            for candidate in candidates
        ),
    ]
    probe = next((check.measured for check in checks if check.name == "probe"), {})
    numbers = [probe.get(name) for name in ("test_accuracy", "test_auc", "validation_accuracy")]
    if any(number is not None for number in numbers):
        cells = " | ".join("-" if number is None else f"{number:.4f}" for number in numbers)
        lines.append(f"| linear probe | {cells} | |")
    return lines


def _split_dry_run(headline: str) -> tuple[str, str]:
    """A dry run says so before its verdict, and is a part of the title."""
    said = headline.removeprefix("a dry run: ")
    return ("" if said == headline else "A dry run: "), said


def _diagnosis_lines(model: str, decision: Decision) -> list[str]:
    if not decision.diagnosis:
        return []
    lines = ["", f"### Why {model} may have been rejected", ""]
    for suspect in decision.diagnosis:
        remedy = "" if suspect.standing == "ruled out" else f" *What to do: {suspect.remedy}.*"
        lines.append(f"- **{suspect.cause}**: {suspect.standing}, {suspect.evidence}.{remedy}")
    return lines


def _check_lines(title: str, checks: Sequence[CheckResult]) -> list[str]:
    lines = ["", f"### {title}", ""]
    for check in checks:
        line = f"- **{check.name}**: {_MARKS[check.verdict]}, {check.evidence}"
        if check.verdict in ("warn", "fail"):
            line += f". *Bound: {check.bound}.*" if check.bound else ""
            line += f" Rows: {', '.join(f'`{row}`' for row in check.rows)}" if check.rows else ""
        lines.append(line)
    return lines
