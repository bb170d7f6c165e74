"""Task: run the checks on the data that the models are about to be trained on."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.errors import ContentError
from storage.matrices import read_featurized, read_matrix
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import SPLITS, CheckResult, SnapshotRecord
from storage.settings import Settings
from storage.snapshots import Rows, read_rows
from tasks.checks import DATA_CHECKS, log_results, run_checks
from tasks.checks.base import CheckedData
from tasks.features.encoding import Encoder
from tasks.features.scaler import Scaler

logger = logging.getLogger(__name__)


@task(task_run_name="validate", cache_policy=NO_CACHE)
def validate(run_id: str, snapshot: SnapshotRecord, matrices_id: str, options: RunOptions) -> tuple[CheckResult, ...]:
    """Measure everything, write all results down, and return them; the flow decides what a failure means."""
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "validate"):
        featurized = read_featurized(settings.matrices, matrices_id)
        data = CheckedData(
            rows={name: read_rows(settings.snapshots, snapshot.id, name) for name in SPLITS},
            matrices={name: read_matrix(settings.matrices, matrices_id, name) for name in SPLITS},
            encoder=Encoder.from_json(featurized.encoder),
            scaler=Scaler.from_json(featurized.scaler),
            reference=_reference(settings, snapshot.line),
        )
        results = run_checks(DATA_CHECKS, data, options.checks)
        store.record_checks(run_id, results)
    log_results(logger, "data", results)
    return results


def _reference(settings: Settings, line: str) -> Rows | str | None:
    """What the champion was trained on; None without a champion; why, where it cannot be read."""
    champion = MetricsReader(settings.database_url).champion(line)
    if champion is None:
        return None
    try:
        return read_rows(settings.snapshots, champion.snapshot_id, "train")
    except ContentError as error:
        return str(error)
