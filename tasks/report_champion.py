"""Task: show how a champion does today in Prefect, as an artifact whose history follows the line."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from storage.records import Watched
from tasks.reporting.champion import champion_page
from tasks.reporting.tables import artifact_key


@task(task_run_name="report", cache_policy=NO_CACHE)
def report_champion(run_id: str, watched: Watched, headline: str) -> None:
    """Publish what the monitor found, keyed by the champion's line."""
    line = watched.observation.line
    create_markdown_artifact(
        champion_page(run_id, watched, headline),
        key=artifact_key("champion", line),
        description=f"How the champion of the line {line} does on the reviews that came since",
    )
