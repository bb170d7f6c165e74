"""Task: show the verdict of a run in Prefect, as artifacts whose history follows the line."""

from __future__ import annotations

import logging

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from storage.settings import Settings
from tasks.reporting.contents import gather
from tasks.reporting.page import report_file
from tasks.reporting.tables import artifact_key, checks_table, gates_table, metrics_table
from tasks.reporting.verdict import verdict_page

logger = logging.getLogger(__name__)


@task(task_run_name="report", cache_policy=NO_CACHE)
def report(run_id: str, headline: str) -> None:
    """Publish the verdict in markdown, and the numbers behind it as tables, keyed by line.

    What is published is what the store and the bundles tell by now. Nothing is published of what there is none of:
    without a model, there are no metrics and no gates. The page that the markdown names is written at the run's end.

    Whatever goes wrong is a warning: what was decided is in the store, and a picture less is no reason to fail a run.
    """
    try:
        _publish(Settings.from_environment(), run_id, headline)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        logger.warning("the verdict could not be shown in Prefect (%s); to read it: retrain show %s", what, run_id)


def _publish(settings: Settings, run_id: str, headline: str) -> None:
    contents = gather(settings, run_id)
    line = contents.run.line
    create_markdown_artifact(
        verdict_page(contents, headline, str(report_file(settings, run_id))),
        key=artifact_key("verdict", line),
        description=f"What the promotion rule said about the line {line}",
    )
    candidates, decisions, checks = contents.candidates, contents.decisions, contents.checks
    tables = {
        "metrics": (metrics_table(candidates, decisions, checks), f"Numbers of the models of the line {line}"),
        "gates": (gates_table(decisions), f"Gates of the promotion rule, for the line {line}"),
        "checks": (checks_table(checks, candidates), f"Checks of the data and of the models of the line {line}"),
    }
    for kind, (rows, description) in tables.items():
        if rows:
            create_table_artifact(rows, key=artifact_key(kind, line), description=description)
