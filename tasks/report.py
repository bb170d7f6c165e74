"""Task: show the verdict of a run in Prefect, as artifacts whose history follows the line."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from storage.records import Candidate, CheckResult, Decision, SnapshotRecord
from tasks.reporting.tables import artifact_key, checks_table, gates_table, metrics_table
from tasks.reporting.verdict import verdict_page


@task(task_run_name="report", cache_policy=NO_CACHE)
def report(
    run_id: str,
    snapshot: SnapshotRecord,
    checks: Sequence[CheckResult],
    candidates: Sequence[Candidate],
    decisions: Sequence[Decision],
    headline: str,
) -> None:
    """Publish the verdict in markdown, and the numbers behind it as tables, keyed by line.

    Nothing is published of what there is none of: without a model, there are no metrics and no gates.
    """
    line = snapshot.line
    create_markdown_artifact(
        verdict_page(run_id, snapshot, checks, candidates, decisions, headline),
        key=artifact_key("verdict", line),
        description=f"What the promotion rule said about the line {line}",
    )
    tables = {
        "metrics": (metrics_table(candidates, decisions, checks), f"Numbers of the models of the line {line}"),
        "gates": (gates_table(decisions), f"Gates of the promotion rule, for the line {line}"),
        "checks": (checks_table(checks, candidates), f"Checks of the data and of the models of the line {line}"),
    }
    for kind, (rows, description) in tables.items():
        if rows:
            create_table_artifact(rows, key=artifact_key(kind, line), description=description)
