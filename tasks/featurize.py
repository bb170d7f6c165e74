"""Task: turn a snapshot into what the models are fed."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.content import sha256_of_json
from storage.matrices import find_matrices, write_matrices
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import SPLITS, SnapshotRecord
from storage.settings import Settings
from storage.snapshots import open_snapshot
from storage.versions import code_digest
from tasks.evaluation.account import describe_split
from tasks.features.matrices import fit_and_featurize
from tasks.features.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


@task(task_run_name="featurize", cache_policy=NO_CACHE)
def featurize(run_id: str, snapshot: SnapshotRecord, options: RunOptions) -> str:
    """Encode, measure, cut and standardise every split; publish the matrices and return their id.

    Matrices of the same snapshot, options and code are there already: then those are taken, unless the run is forced.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    made_by = {"snapshot": snapshot.id, "options": options.features.model_dump(mode="json"), "code": code_digest()}
    key = sha256_of_json(made_by)
    with measured_stage(store, run_id, "featurize"):
        found = None if options.force else find_matrices(settings.matrices, key)
        if found is not None:
            logger.info("features %s: made before, of the same snapshot, options and code", found[:12])
            return found
        stored = open_snapshot(settings.snapshots, snapshot.id)
        splits = {name: stored.rows(name) for name in SPLITS}
        words = stored.vocabulary()
        vocabulary = Vocabulary.from_json(words) if words else None
        matrices, encoder, scaler = fit_and_featurize(splits, options.features, vocabulary, scratch=settings.matrices)
        matrices_id = write_matrices(
            settings.matrices,
            matrices,
            snapshot_id=snapshot.id,
            encoder=encoder.to_json(),
            scaler=scaler.to_json(),
            tables=[describe_split(name, splits[name], encoder, settings.matrices) for name in SPLITS],
            key=key,
        )
    logger.info("features %s: reviews cut to their last %d tokens", matrices_id[:12], encoder.max_length)
    return matrices_id
