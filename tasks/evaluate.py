"""Task: score a trained model, publish its bundle, check both, and make it a candidate."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.accounts import Account, write_account
from storage.bundles import MODEL_FILE, Predictions, load_model, publish_bundle
from storage.checkpoints import checkpoint_file
from storage.matrices import FeaturizedSnapshot, Matrix, read_featurized, read_matrix
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import Candidate, SnapshotRecord, TrainedReference
from storage.sequences import Sequences
from storage.settings import Settings
from storage.snapshots import Raw, Rows, open_snapshot, take_raw
from storage.versions import library_versions
from tasks.checks import MODEL_CHECKS, log_results, run_checks
from tasks.checks.base import CheckedModel, Features, Probabilities
from tasks.evaluation.account import describe_mistakes, positions_of_mistakes
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.fresh_process import FreshProcess
from tasks.evaluation.metrics import evaluate as measure
from tasks.features.encoding import Encoder
from tasks.training.runtime import prepare_keras

logger = logging.getLogger(__name__)

Positions = npt.NDArray[np.int64]
Answer = Callable[[Sequences, Features], Probabilities]


@task(task_run_name="evaluate {trained.model}", cache_policy=NO_CACHE)
def evaluate(
    run_id: str, trained: TrainedReference, snapshot: SnapshotRecord, matrices_id: str, options: RunOptions
) -> Candidate:
    """Measure on validation and test rows, publish, and check the model and its bundle.

    A model that fails a check is a candidate all the same: the promotion rule rejects it, by the check's name.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with FreshProcess() as fresh:
        if options.checks.reload != "off":
            # While this process predicts, it loads Keras.
            fresh.start()
        prepare_keras()
        from tasks.features.batching import logits, predict, without_sigmoid

        with measured_stage(store, run_id, f"predict {trained.model}"):
            featurized = read_featurized(settings.matrices, matrices_id)
            model = load_model(Path(trained.folder) / MODEL_FILE)
            answer: Answer = partial(predict, model)
            validation = _predictions(answer, read_matrix(settings.matrices, matrices_id, "validation"))
            matrix = read_matrix(settings.matrices, matrices_id, "test")
            test = _predictions(answer, matrix)
        with measured_stage(store, run_id, f"evaluate {trained.model}"):
            reviews = _TestReviews.read(settings, snapshot)
            test = _with_slices(test, reviews.rows)
            write_account(Path(trained.folder), _account(featurized, reviews, test))
            digest = _publish(run_id, trained, snapshot, featurized, test, options, reviews.vocabulary)
            candidate = _candidate(run_id, trained, digest, validation, test)
            checked = CheckedModel(
                matrix=matrix,
                predictions=test,
                validation=candidate.validation,
                test=candidate.test,
                epochs=candidate.epochs,
                max_epochs=options.epochs,
                predict=answer,
                logits=partial(logits, without_sigmoid(model)),
                reload=_reload(fresh, settings.bundles, digest, reviews, matrix),
            )
            candidate = replace(candidate, checks=run_checks(MODEL_CHECKS, checked, options.checks))
            store.record_candidate(candidate)
            # From here on the bundle is what a later training of the same key takes.
            checkpoint_file(settings.checkpoints, candidate.training_key).unlink(missing_ok=True)
    _log(candidate)
    return candidate


@dataclass(frozen=True, eq=False)
class _TestReviews:
    """What a snapshot holds of the test rows, each file read once; `raw` is in the order of `rows`."""

    rows: Rows
    raw: Raw
    vocabulary: dict[str, Any] | None

    @classmethod
    def read(cls, settings: Settings, snapshot: SnapshotRecord) -> Self:
        stored = open_snapshot(settings.snapshots, snapshot.id)
        rows, vocabulary = stored.rows("test"), stored.vocabulary()
        return cls(rows, rows.tokens if vocabulary is None else stored.raw("test"), vocabulary)


def _predictions(answer: Answer, matrix: Matrix) -> Predictions:
    labels = join_by_id(matrix.sequence_ids, matrix.label_ids, matrix.labels)
    return Predictions(matrix.sequence_ids, labels, answer(matrix.sequences, matrix.features))


def _with_slices(predictions: Predictions, rows: Rows) -> Predictions:
    """The same predictions, with what else is known of each row."""
    places = join_by_id(predictions.row_ids, rows.ids, np.arange(len(rows.ids)))
    taken = rows.take(places)
    return replace(predictions, num_words=taken.tokens.lengths.astype(np.int32), ratings=taken.ratings)


def _account(featurized: FeaturizedSnapshot, reviews: _TestReviews, test: Predictions) -> Account:
    return Account(
        max_length=Encoder.from_json(featurized.encoder).max_length,
        splits=featurized.tables,
        mistakes=describe_mistakes(test, reviews.rows, reviews.raw),
        num_mistakes=len(positions_of_mistakes(test)),
    )


def _candidate(
    run_id: str, trained: TrainedReference, digest: str, validation: Predictions, test: Predictions
) -> Candidate:
    return Candidate(
        id=f"{run_id}/{trained.model}",
        run_id=run_id,
        model=trained.model,
        bundle=digest,
        device=trained.device,
        num_parameters=trained.num_parameters,
        best_epoch=trained.best_epoch,
        training_seconds=trained.training_seconds,
        epochs=trained.epochs,
        training_key=trained.training_key,
        reused_from=trained.reused_from,
        validation=measure("validation", validation.labels, validation.probabilities),
        test=measure("test", test.labels, test.probabilities),
    )


def _reload(
    fresh: FreshProcess, bundles: Path, digest: str, reviews: _TestReviews, matrix: Matrix
) -> Callable[[Positions], Probabilities]:
    """How to score rows of the matrix with the published bundle, from raw reviews, as a user of the champion will."""

    def reload(positions: Positions) -> Probabilities:
        ids, rows = matrix.sequence_ids.take(pa.array(positions)), reviews.rows
        sample = take_raw(reviews.raw, join_by_id(ids, rows.ids, np.arange(len(rows.ids))))
        return fresh.score(bundles, digest, sample)

    return reload


def _log(candidate: Candidate) -> None:
    logger.info(
        "%s: test accuracy %.4f, AUC %.4f, validation accuracy %.4f; bundle %s",
        *(candidate.model, candidate.test.confusion.accuracy, candidate.test.auc),
        *(candidate.validation.confusion.accuracy, candidate.bundle[:12]),
    )
    log_results(logger, candidate.model, candidate.checks)


def _publish(
    run_id: str,
    trained: TrainedReference,
    snapshot: SnapshotRecord,
    featurized: FeaturizedSnapshot,
    test: Predictions,
    options: RunOptions,
    vocabulary: dict[str, Any] | None,
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
        "vocabulary": snapshot.vocabulary,
        "device": trained.device,
        "versions": library_versions(),
    }
    return publish_bundle(
        Path(trained.folder),
        encoder=featurized.encoder,
        scaler=featurized.scaler,
        predictions=test,
        manifest=manifest,
        vocabulary=vocabulary,
    )
