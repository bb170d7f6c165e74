"""Task: read a source and publish its snapshot."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import SnapshotRecord
from storage.settings import Settings
from storage.snapshots import write_snapshot
from tasks.sources.resolve import load_reviews
from tasks.sources.splits import split_rows

logger = logging.getLogger(__name__)


@task(task_run_name="ingest {options.source}", cache_policy=NO_CACHE)
def ingest(run_id: str, options: RunOptions) -> SnapshotRecord:
    """Read the source, draw the validation rows, publish the snapshot, and note which source it was and why.

    Raises:
        SourceError: The source cannot be read.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "ingest"):
        reviews = load_reviews(options, settings)
        logger.warning("SOURCE: %s, because %s", reviews.origin, reviews.reason)
        splits = split_rows(reviews, options.data, options.sample_size)
        snapshot = write_snapshot(
            settings.snapshots,
            splits,
            # A model of a sample must never replace one that was trained on everything.
            line=f"{reviews.line}-sample-{options.sample_size}" if options.sample_size else reviews.line,
            origin=reviews.origin,
            reason=reviews.reason,
            sha256=reviews.sha256,
            split_seed=options.data.split_seed,
        )
        store.record_snapshot(run_id, snapshot)
    counts = ", ".join(f"{name} {count:,}" for name, count in snapshot.num_rows.items())
    logger.info("snapshot %s of line %s: %s", snapshot.id[:12], snapshot.line, counts)
    return snapshot
