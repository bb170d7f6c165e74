"""Task: read the sources and publish their snapshot."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE

from storage.content import staging
from storage.errors import ContentError
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import Contents, SnapshotRecord
from storage.settings import Settings
from storage.snapshots import count_unknown, write_snapshot
from tasks.sources.again import RETRY_DELAYS, again_if_unavailable
from tasks.sources.base import Reviews
from tasks.sources.resolve import OpenedTexts, open_source
from tasks.sources.splits import split_rows
from tasks.sources.texts import gather

logger = logging.getLogger(__name__)


@task(
    task_run_name="ingest {options.source}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=again_if_unavailable(lambda: runtime.deployment.id),
)
def ingest(run_id: str, options: RunOptions) -> tuple[SnapshotRecord, Contents]:
    """Read the sources, split their rows, publish the snapshot, and note which sources these were and why.

    Returns:
        The snapshot, and what was read and left out.

    Raises:
        SourceError: A source cannot be read. A deployment's run tries again where it did not answer.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "ingest"), staging(settings.snapshots) as folder:
        found = open_source(options, settings)
        # Who asked for the best reviews that there are should not overlook that they are made up.
        is_makeshift = options.source == "auto" and found.line == "synthetic"
        level = logging.WARNING if is_makeshift else logging.INFO
        logger.log(level, "SOURCE: %s, because %s", found.origin, found.reason)
        # A model of a sample must never replace one that was trained on everything.
        line = f"{found.line}-sample-{options.sample_size}" if options.sample_size else found.line
        if isinstance(found, Reviews):
            snapshot, contents = _write_ranks(settings, found, line, options)
        else:
            snapshot, contents = _write_texts(settings, found, line, options, folder, f"{run_id}.jsonl")
        contents = replace(contents, num_new=_num_new(settings, snapshot))
        store.record_snapshot(run_id, snapshot)
    counts = ", ".join(f"{name} {count:,}" for name, count in snapshot.num_rows.items())
    logger.info("snapshot %s of line %s: %s", snapshot.id[:12], snapshot.line, counts)
    if contents.num_new is not None:
        total = sum(snapshot.num_rows.values())
        logger.info("%s of %s rows are new since the champion's snapshot", f"{contents.num_new:,}", f"{total:,}")
    return snapshot, contents


def _write_ranks(
    settings: Settings, reviews: Reviews, line: str, options: RunOptions
) -> tuple[SnapshotRecord, Contents]:
    snapshot = write_snapshot(
        settings.snapshots,
        split_rows(reviews, options.data, options.sample_size),
        line=line,
        origin=reviews.origin,
        reason=reviews.reason,
        sha256=reviews.sha256,
        split_seed=options.data.split_seed,
    )
    return snapshot, Contents(num_rows=len(reviews.train.labels) + len(reviews.test.labels))


def _write_texts(
    settings: Settings, found: OpenedTexts, line: str, options: RunOptions, folder: Path, refused: str
) -> tuple[SnapshotRecord, Contents]:
    gathered = gather(
        found.parts,
        options.data,
        options.sample_size,
        spool=folder / "spool.parquet",
        quarantine=settings.quarantine / refused,
    )
    snapshot = write_snapshot(
        settings.snapshots,
        gathered.splits,
        line=line,
        origin=found.origin,
        reason=found.reason,
        sha256=found.sha256,
        split_seed=options.data.split_seed,
        texts=gathered.texts,
    )
    return snapshot, gathered.contents


def _num_new(settings: Settings, snapshot: SnapshotRecord) -> int | None:
    """Rows that the champion's snapshot does not hold; None without a champion, or without its snapshot."""
    champion = MetricsReader(settings.database_url).champion(snapshot.line)
    if champion is None:
        return None
    if champion.snapshot_id == snapshot.id:
        return 0
    try:
        return count_unknown(settings.snapshots, snapshot.id, champion.snapshot_id)
    except ContentError as error:
        logger.warning("the champion's snapshot cannot be read, so nobody knows which rows are new: %s", error)
        return None
