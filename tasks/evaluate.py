"""Task: score a trained model, publish its bundle, load it back, and make it a candidate."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.bundles import MODEL_FILE, Predictions, load_bundle, load_model, publish_bundle
from storage.errors import ContentError
from storage.matrices import FeaturizedSnapshot, Matrix, read_featurized, read_matrix
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import Candidate, SnapshotRecord, TrainedReference
from storage.settings import Settings
from storage.snapshots import read_rows
from storage.versions import library_versions
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.metrics import evaluate as measure
from tasks.training.runtime import prepare_keras

logger = logging.getLogger(__name__)

_RELOADED_ROWS = 256
# Batches of another composition change float32 sums in their last bits, and no more.
_RELOAD_TOLERANCE = 1e-4


@task(task_run_name="evaluate {trained.model}", cache_policy=NO_CACHE)
def evaluate(
    run_id: str, trained: TrainedReference, snapshot: SnapshotRecord, matrices_id: str, options: RunOptions
) -> Candidate:
    """Measure on validation and test rows, then publish; what is loaded back must say the same of 256 test rows.

    Raises:
        ContentError: The published bundle does not give the probabilities that were measured.
    """
    prepare_keras()
    from tasks.features.batching import predict

    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, f"evaluate {trained.model}"):
        featurized = read_featurized(settings.matrices, matrices_id)
        model = load_model(Path(trained.folder) / MODEL_FILE)

        def predictions(matrix: Matrix) -> Predictions:
            probabilities = predict(model, matrix.sequences, matrix.features)
            labels = join_by_id(matrix.sequence_ids, matrix.label_ids, matrix.labels)
            return Predictions(matrix.sequence_ids, labels, probabilities)

        validation = predictions(read_matrix(settings.matrices, matrices_id, "validation"))
        test = predictions(read_matrix(settings.matrices, matrices_id, "test"))
        digest = _publish(run_id, trained, snapshot, featurized, test, options)
        _verify(settings, digest, snapshot, test)
        candidate = Candidate(
            id=f"{run_id}/{trained.model}",
            run_id=run_id,
            model=trained.model,
            bundle=digest,
            device=trained.device,
            num_parameters=trained.num_parameters,
            best_epoch=trained.best_epoch,
            training_seconds=trained.training_seconds,
            epochs=trained.epochs,
            validation=measure("validation", validation.labels, validation.probabilities),
            test=measure("test", test.labels, test.probabilities),
        )
        store.record_candidate(candidate)
    logger.info(
        "%s: test accuracy %.4f, AUC %.4f, validation accuracy %.4f; bundle %s",
        *(trained.model, candidate.test.confusion.accuracy, candidate.test.auc),
        *(candidate.validation.confusion.accuracy, digest[:12]),
    )
    return candidate


def _publish(
    run_id: str,
    trained: TrainedReference,
    snapshot: SnapshotRecord,
    featurized: FeaturizedSnapshot,
    test: Predictions,
    options: RunOptions,
) -> str:
    manifest = {
        "kind": "review-sentiment bundle",
        "run_id": run_id,
        "model": trained.model,
        "architecture": {
            "name": trained.model,
            "num_words": featurized.encoder["num_words"],
            "num_features": len(featurized.scaler["mean"]),
        },
        "num_parameters": trained.num_parameters,
        "seed": options.seed,
        "line": snapshot.line,
        "snapshot_id": snapshot.id,
        "test_id": snapshot.test_id,
        "device": trained.device,
        "versions": library_versions(),
    }
    return publish_bundle(
        Path(trained.folder),
        encoder=featurized.encoder,
        scaler=featurized.scaler,
        predictions=test,
        manifest=manifest,
    )


def _verify(settings: Settings, digest: str, snapshot: SnapshotRecord, test: Predictions) -> None:
    """Score raw tokens with the published bundle, the way a user of the champion will."""
    from tasks.evaluation.scoring import score

    rows = read_rows(settings.snapshots, snapshot.id, "test")
    chosen = np.unique(np.linspace(0, len(rows.ids) - 1, _RELOADED_ROWS).astype(np.int64))
    sample = rows.take(chosen)
    again = score(load_bundle(settings.bundles, digest), sample.tokens)
    expected = join_by_id(sample.ids, test.row_ids, test.probabilities)
    difference = float(np.abs(again - expected).max())
    if not difference <= _RELOAD_TOLERANCE:
        raise ContentError(
            f"the bundle {digest[:12]} was published, but loaded back it gives other probabilities "
            f"(largest difference {difference:.3g} on {len(chosen)} test rows); it is no candidate."
        )
