"""Task: turn a snapshot into what the models are fed."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.matrices import write_matrices
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import SPLITS, SnapshotRecord
from storage.settings import Settings
from storage.snapshots import read_rows
from tasks.features.matrices import fit_and_featurize

logger = logging.getLogger(__name__)


@task(task_run_name="featurize", cache_policy=NO_CACHE)
def featurize(run_id: str, snapshot: SnapshotRecord, options: RunOptions) -> str:
    """Encode, measure, cut and standardise every split; publish the matrices and return their id."""
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "featurize"):
        splits = {name: read_rows(settings.snapshots, snapshot.id, name) for name in SPLITS}
        matrices, encoder, scaler = fit_and_featurize(splits, options.features)
        matrices_id = write_matrices(
            settings.matrices,
            matrices,
            snapshot_id=snapshot.id,
            encoder=encoder.to_json(),
            scaler=scaler.to_json(),
        )
    logger.info("features %s: reviews cut to their last %d tokens", matrices_id[:12], encoder.max_length)
    return matrices_id
