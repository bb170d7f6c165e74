"""Task: label the reviews of a source with the champion of a line."""

from __future__ import annotations

import logging

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE

from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import ScoredFile
from storage.settings import Settings
from tasks.scoring.labels import label_source
from tasks.sources.again import RETRY_DELAYS, again_if_unavailable

logger = logging.getLogger(__name__)


@task(
    task_run_name="score {options.source}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=again_if_unavailable(lambda: runtime.deployment.id),
)
def score(run_id: str, options: RunOptions, line: str, ending: str) -> ScoredFile:
    """Score all rows of a source into a file of the run, in the folder of scores.

    Args:
        run_id: The run; its file has its name.
        options: The source, and how to read it. Labels are not needed, and not looked at.
        line: Whose champion; empty for the only line that has one.
        ending: Of the file: .parquet, .csv or .jsonl.

    Raises:
        SourceError: The source cannot be read. A deployment's run tries again where it did not answer.
        NotFoundError: No champion serves.
        OptionError: The line or the ending is unclear.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "score"):
        settings.scores.mkdir(parents=True, exist_ok=True)
        scored = label_source(settings, options, settings.scores / f"{run_id}{ending}", line)
    logger.info("%s rows, labelled by %s: %s", f"{scored.num_rows:,}", scored.champion, scored.path)
    return scored
