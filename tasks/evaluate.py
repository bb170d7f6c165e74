"""Task: measure what trained models have said, publish their bundles, check both, and make them candidates."""

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
from storage.bundles import Predictions, publish_bundle, take_predictions
from storage.checkpoints import checkpoint_file
from storage.matrices import FeaturizedSnapshot, Matrix, read_featurized, read_matrix
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import Candidate, SnapshotRecord, Stage, TrainedReference
from storage.settings import Settings
from storage.snapshots import Raw, Rows, open_snapshot, take_raw
from storage.versions import library_versions
from tasks.checks import MODEL_CHECKS, log_results, run_checks
from tasks.checks.base import CheckedModel, Probabilities
from tasks.evaluation.account import describe_mistakes, positions_of_mistakes
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.fresh_process import FreshProcess
from tasks.evaluation.metrics import evaluate as measure
from tasks.features.encoding import Encoder

logger = logging.getLogger(__name__)

Positions = npt.NDArray[np.int64]

# The checks that ask something of the published bundle.
_ASKING = ("reload", "row_alignment", "padding")


@task(task_run_name="evaluate", cache_policy=NO_CACHE)
def evaluate(
    run_id: str, trained: list[TrainedReference], snapshot: SnapshotRecord, matrices_id: str, options: RunOptions
) -> list[Candidate]:
    """Measure what each model has said of validation and test rows, publish it, and check it and its bundle.

    A model that fails a check is a candidate all the same: the promotion rule rejects it, by the check's name. What the
    checks ask of a model, its published bundle answers in a fresh process; waiting for that is a stage of its own.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with FreshProcess() as fresh:
        if any(getattr(options.checks, name) != "off" for name in _ASKING):
            # While this process reads, it loads Keras.
            fresh.start()
        with measured_stage(store, run_id, "evaluate"):
            known = _TestRows.read(settings, snapshot, matrices_id)
        return [_evaluate(store, run_id, one, known, fresh, options) for one in trained]


def _evaluate(
    store: MetricsStore,
    run_id: str,
    trained: TrainedReference,
    known: _TestRows,
    fresh: FreshProcess,
    options: RunOptions,
) -> Candidate:
    settings = Settings.from_environment()
    waited = fresh.seconds
    with measured_stage(store, run_id, f"evaluate {trained.model}") as stage:
        validation, test = take_predictions(Path(trained.folder))
        test = _with_slices(test, known.rows)
        write_account(Path(trained.folder), _account(known, test))
        digest = _publish(run_id, trained, known, test, options)
        candidate = _candidate(run_id, trained, digest, validation, test)
        checked = _checked(candidate, known, test, fresh, settings.bundles, options.epochs)
        candidate = replace(candidate, checks=run_checks(MODEL_CHECKS, checked, options.checks))
        store.record_candidate(candidate)
        # From here on the bundle is what a later training of the same key takes.
        checkpoint_file(settings.checkpoints, candidate.training_key).unlink(missing_ok=True)
        stage.elsewhere_seconds = again = fresh.seconds - waited
    if again:
        store.record_stage(run_id, Stage(f"predict again {trained.model}", again, fresh.peak_memory_bytes))
    _log(candidate)
    return candidate


@dataclass(frozen=True, eq=False)
class _TestRows:
    """What is known of the test rows, each file read once for all models.

    Attributes:
        raw: In the order of `rows`.
        matrix: What models are fed with.
    """

    snapshot: SnapshotRecord
    rows: Rows
    raw: Raw
    vocabulary: dict[str, Any] | None
    featurized: FeaturizedSnapshot
    matrix: Matrix

    @classmethod
    def read(cls, settings: Settings, snapshot: SnapshotRecord, matrices_id: str) -> Self:
        stored = open_snapshot(settings.snapshots, snapshot.id)
        rows, vocabulary = stored.rows("test"), stored.vocabulary()
        return cls(
            snapshot,
            rows,
            rows.tokens if vocabulary is None else stored.raw("test"),
            vocabulary,
            read_featurized(settings.matrices, matrices_id),
            read_matrix(settings.matrices, matrices_id, "test"),
        )


def _with_slices(predictions: Predictions, rows: Rows) -> Predictions:
    """The same predictions, with what else is known of each row."""
    places = join_by_id(predictions.row_ids, rows.ids, np.arange(len(rows.ids)))
    taken = rows.take(places)
    return replace(predictions, num_words=taken.tokens.lengths.astype(np.int32), ratings=taken.ratings)


def _account(known: _TestRows, test: Predictions) -> Account:
    return Account(
        max_length=Encoder.from_json(known.featurized.encoder).max_length,
        splits=known.featurized.tables,
        mistakes=describe_mistakes(test, known.rows, known.raw),
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


def _checked(
    candidate: Candidate, known: _TestRows, test: Predictions, fresh: FreshProcess, bundles: Path, max_epochs: int
) -> CheckedModel:
    return CheckedModel(
        matrix=known.matrix,
        predictions=test,
        validation=candidate.validation,
        test=candidate.test,
        epochs=candidate.epochs,
        max_epochs=max_epochs,
        predict=partial(fresh.predict, bundles, candidate.bundle),
        logits=partial(fresh.logits, bundles, candidate.bundle),
        reload=_reload(fresh, bundles, candidate.bundle, known),
    )


def _reload(fresh: FreshProcess, bundles: Path, digest: str, known: _TestRows) -> Callable[[Positions], Probabilities]:
    """How to score rows of the matrix with the published bundle, from raw reviews, as a user of the champion will."""

    def reload(positions: Positions) -> Probabilities:
        ids, rows = known.matrix.sequence_ids.take(pa.array(positions)), known.rows
        sample = take_raw(known.raw, join_by_id(ids, rows.ids, np.arange(len(rows.ids))))
        return fresh.score(bundles, digest, sample)

    return reload


def _log(candidate: Candidate) -> None:
    logger.info(
        "%s: test accuracy %.4f, AUC %.4f, validation accuracy %.4f; bundle %s",
        *(candidate.model, candidate.test.confusion.accuracy, candidate.test.auc),
        *(candidate.validation.confusion.accuracy, candidate.bundle[:12]),
    )
    log_results(logger, candidate.model, candidate.checks)


def _publish(run_id: str, trained: TrainedReference, known: _TestRows, test: Predictions, options: RunOptions) -> str:
    snapshot, featurized = known.snapshot, known.featurized
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
        vocabulary=known.vocabulary,
    )
