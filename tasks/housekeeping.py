"""Task: remove what can be made again and was not used for long, and look whether what serves is whole."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.bundles import sweep_unrecorded
from storage.content import read_manifest
from storage.errors import ContentError
from storage.leftovers import Removed, remove_checkpoints, remove_matrices
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.records import Champion, Housekeeping
from storage.settings import Settings

logger = logging.getLogger(__name__)


@task(task_run_name="housekeeping", cache_policy=NO_CACHE)
def housekeeping(run_id: str, checkpoint_days: int, matrices_days: int) -> Housekeeping:
    """Clean up below the home folder; bundles that served and snapshots are never touched.

    Args:
        run_id: The run.
        checkpoint_days: Checkpoints of trainings that were not written to for so many days are removed.
        matrices_days: Matrices of snapshots that no run has used for so many days are removed.

    Returns:
        What was removed, and what is wrong with a champion.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    reader = MetricsReader(settings.database_url)
    now = datetime.now(UTC)
    with measured_stage(store, run_id, "housekeeping"):
        # Runs that were found dead by whoever took over their slot.
        for folder in sweep_unrecorded(settings.bundles, reader.run_ids("crashed"), store.recorded_bundles()):
            logger.warning("removed %s, which a run that died had published and not recorded", folder)
        checkpoints = remove_checkpoints(settings.checkpoints, now - timedelta(days=checkpoint_days))
        matrices = _remove_matrices(settings, reader, run_id, now - timedelta(days=matrices_days))
        serving = {entry.line: entry for entry in reader.champions()}
        damaged = [words for champion in serving.values() if (words := _damage(settings, champion))]
    for words in damaged:
        logger.error("%s", words)
    return Housekeeping(
        num_checkpoints=checkpoints.number,
        num_matrices=matrices.number,
        num_bytes=checkpoints.num_bytes + matrices.num_bytes,
        lines=tuple(serving),
        damaged=tuple(damaged),
    )


def _remove_matrices(settings: Settings, reader: MetricsReader, run_id: str, before: datetime) -> Removed:
    """A run at work may be about to read any of them: then none is removed, and the next housekeeping looks again."""

    def others() -> list[str]:
        return [running for running in reader.run_ids("running") if running != run_id]

    def is_unused(snapshot_id: str) -> bool:
        used = reader.last_use(snapshot_id)
        return used is not None and used < before and not others()

    if at_work := others():
        logger.info("featurized matrices are left alone while run %s is at work", at_work[0])
    return remove_matrices(settings.matrices, is_unused)


def _damage(settings: Settings, champion: Champion) -> str:
    """What is wrong with the bundle that serves, and what to do; empty if nothing is."""
    try:
        read_manifest(settings.bundles / champion.bundle, digest=champion.bundle)
    except ContentError as error:
        remedy = f"`retrain rollback {champion.line} --reason damaged`"
        if champion.position == 1:
            remedy = "`retrain run --force --set gates.replace_unscorable_champion=true`, on the same source"
        return (
            f"the champion of {champion.line}, {champion.candidate_id}, is damaged: {str(error).rstrip('.')}. "
            f"Put another one in its place: {remedy}."
        )
    return ""
