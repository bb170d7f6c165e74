from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from storage.accounts import read_account
from storage.bundles import MODEL_FILE, read_test_predictions
from storage.checkpoints import Checkpoint, checkpoint_file, write_checkpoint
from storage.content import make_staging, read_manifest
from storage.matrices import write_matrices
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.options import FeatureOptions, RunOptions
from storage.records import (
    MODEL_NAMES,
    SPLITS,
    Candidate,
    Epoch,
    ModelName,
    RunStart,
    SnapshotRecord,
    Split,
    TrainedReference,
)
from storage.sequences import Sequences
from storage.settings import Settings
from storage.snapshots import Rows, StoredSnapshot, write_snapshot
from tasks.evaluate import evaluate
from tasks.evaluation.account import describe_split
from tasks.features.encoding import Encoder
from tasks.features.matrices import fit_and_featurize
from tasks.training.job import PredictionJob, predict_here

pytestmark = pytest.mark.usefixtures("keras_prepared")

CHECKS = ["reload", "row alignment", "padding", "degenerate predictions", "convergence"]
KEY = "k" * 64
EPOCHS = tuple(Epoch(number, loss, 0.7, loss, 0.7, 1e-3, 1.0) for number, loss in enumerate((0.6, 0.5, 0.55), 1))


@pytest.fixture
def evaluate_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: dict[Split, Rows]
) -> Callable[..., list[Candidate]]:
    """Evaluate untrained models whose output layers have a given bias, as a run would."""
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    settings = Settings.from_environment()
    settings.prepare()

    def evaluate_them(bias: float, models: tuple[ModelName, ...] = MODEL_NAMES, **checks: str) -> list[Candidate]:
        options = RunOptions.model_validate({"checks": checks})
        snapshot = write_snapshot(
            settings.snapshots, splits, line="test", origin="", reason="", sha256="", split_seed=1
        )
        matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions(num_words=1000))
        matrices_id = write_matrices(
            settings.matrices,
            matrices,
            snapshot_id=snapshot.id,
            encoder=encoder.to_json(),
            scaler=scaler.to_json(),
            tables=[describe_split(name, splits[name], encoder) for name in SPLITS],
        )
        run_id = started_run(MetricsStore(settings.database_url), snapshot)
        trained = [
            TrainedReference(name, staged(settings, matrices_id, name, bias), "cpu", 1, 2, 3.0, EPOCHS, KEY)
            for name in models
        ]
        candidates: list[Candidate] = evaluate.fn(run_id, trained, snapshot, matrices_id, options)
        return candidates

    return evaluate_them


@pytest.fixture
def evaluated(evaluate_all: Callable[..., list[Candidate]]) -> Callable[..., Candidate]:
    """The same with one model."""
    return lambda bias, **checks: evaluate_all(bias, ("baseline_avgpool",), **checks)[0]


def started_run(store: MetricsStore, snapshot: SnapshotRecord) -> str:
    run_id = store.start_run(
        RunStart(
            flow="retrain",
            line="-",
            trigger="command line",
            options={},
            seed=7,
            dry_run=False,
            versions={},
            git_commit=None,
        )
    )
    store.record_snapshot(run_id, snapshot)
    return run_id


def staged(settings: Settings, matrices_id: str, name: ModelName, bias: float) -> str:
    """A saved model and what it says, as the training process leaves them."""
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(2)
    model = build_model(name, num_words=1000, num_features=6)
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.array([bias], dtype=np.float32)])
    folder = make_staging(settings.bundles)
    model.save(folder / MODEL_FILE)
    predict_here(PredictionJob(model=name, matrices=settings.matrices, matrices_id=matrices_id, folder=folder))
    return str(folder)


def test_a_model_goes_through_every_check_and_the_log_says_what_came_of_each(
    evaluated: Callable[..., Candidate], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.evaluate"):
        candidate = evaluated(0.0)
    assert [result.name for result in candidate.checks] == CHECKS
    assert {result.name: result.verdict for result in candidate.checks} == dict.fromkeys(CHECKS, "pass")
    said = [record.getMessage() for record in caplog.records]
    for name in CHECKS:
        assert any(line.startswith(f"baseline_avgpool: check {name}: pass, ") for line in said)


def test_the_bundle_tells_of_the_reviews_and_of_its_mistakes(
    evaluated: Callable[..., Candidate], splits: dict[Split, Rows]
) -> None:
    candidate = evaluated(0.0, reload="off")

    bundles = Settings.from_environment().bundles
    account, said = read_account(bundles, candidate.bundle), read_test_predictions(bundles, candidate.bundle)
    assert account is not None
    length = np.concatenate([splits[name].tokens.lengths for name in ("train", "validation")])
    encoder = Encoder.fit(length, FeatureOptions(num_words=1000))
    assert account.splits == tuple(describe_split(name, splits[name], encoder) for name in SPLITS)
    assert [(one.split, one.num_rows) for one in account.splits] == [("train", 120), ("validation", 40), ("test", 60)]
    confusion = candidate.test.confusion
    assert account.num_mistakes == confusion.num_rows - confusion.num_correct
    by_id = dict(zip(splits["test"].ids.to_pylist(), splits["test"].tokens.lengths.tolist(), strict=True))
    assert said.num_words is not None
    assert dict(zip(said.row_ids.to_pylist(), said.num_words.tolist(), strict=True)) == by_id
    assert said.ratings is None


def test_nothing_is_verified_read_or_scored_twice(
    evaluate_all: Callable[..., list[Candidate]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.features import batching

    done = list[str | int]()
    rows, predict = StoredSnapshot.rows, batching.predict

    def verify(folder: Path, **given: Any) -> dict[str, Any]:
        done.append(folder.parent.name)
        return read_manifest(folder, **given)

    def read(stored: StoredSnapshot, split: Split) -> Rows:
        done.append(split)
        return rows(stored, split)

    def predict_some(model: object, sequences: Sequences, *given: Any) -> npt.NDArray[np.float32]:
        done.append(len(sequences))
        return predict(model, sequences, *given)

    for module in ("snapshots", "matrices"):
        monkeypatch.setattr(f"storage.{module}.read_manifest", verify)
    monkeypatch.setattr(StoredSnapshot, "rows", read)
    monkeypatch.setattr(batching, "predict", predict_some)
    evaluate_all(0.0)

    # The processes that train the models score 40 validation and 60 test rows each; no more is scored in this one.
    assert done == [40, 60, 40, 60, "snapshots", "test", "matrices"]


def test_what_the_checks_ask_is_prediction_and_no_evaluation(evaluate_all: Callable[..., list[Candidate]]) -> None:
    candidates = evaluate_all(0.0)

    assert [candidate.model for candidate in candidates] == list(MODEL_NAMES)
    stages = MetricsReader(Settings.from_environment().database_url).run(candidates[0].run_id)["stages"]
    steps = [f"{step} {name}" for name in MODEL_NAMES for step in ("evaluate", "predict again")]
    assert [stage["name"] for stage in stages] == ["evaluate", *steps]
    assert all(stage["seconds"] > 0 and stage["peak_memory_bytes"] > 2**26 for stage in stages)


def test_nobody_is_asked_where_no_check_asks(
    evaluated: Callable[..., Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.evaluation.fresh_process.sys.executable", "/nowhere/python")
    candidate = evaluated(0.0, reload="off", row_alignment="off", padding="off")

    stages = MetricsReader(Settings.from_environment().database_url).run(candidate.run_id)["stages"]
    assert [stage["name"] for stage in stages] == ["evaluate", "evaluate baseline_avgpool"]


def test_a_model_that_says_nan_is_published_recorded_and_named_by_its_check(
    evaluated: Callable[..., Candidate], caplog: pytest.LogCaptureFixture
) -> None:
    candidate = evaluated(math.nan, reload="off")
    stored = read_test_predictions(Settings.from_environment().bundles, candidate.bundle)
    assert np.isnan(stored.probabilities).all()
    assert math.isnan(candidate.test.auc)
    verdicts = {result.name: result.verdict for result in candidate.checks}
    assert verdicts == {
        "reload": "off",
        "row alignment": "pass",
        "padding": "fail",
        "degenerate predictions": "fail",
        "convergence": "pass",
    }
    assert candidate.bundle in MetricsStore(Settings.from_environment().database_url).recorded_bundles()
    levels = {
        record.getMessage().split(": ")[1]: record.levelno
        for record in caplog.records
        if ": check " in record.getMessage()
    }
    assert levels["check degenerate predictions"] == logging.ERROR
    assert levels["check reload"] == logging.WARNING


def test_the_state_of_a_training_is_kept_until_its_candidate_is_recorded(
    evaluated: Callable[..., Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.from_environment()
    kept = checkpoint_file(settings.checkpoints, KEY)
    write_checkpoint(kept, Checkpoint({}, {}))
    with monkeypatch.context() as patched:
        patched.setattr(MetricsStore, "record_candidate", full_disk)
        with pytest.raises(OSError, match="full"):
            evaluated(0.0, reload="off")
    assert kept.exists()

    evaluated(0.0, reload="off")
    assert not kept.exists()


def full_disk(*_: object) -> None:
    raise OSError("the disk is full")


def test_a_bundle_that_a_fresh_process_cannot_score_is_a_candidate_with_a_failed_check(
    evaluated: Callable[..., Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.evaluation.fresh_process.sys.executable", "/bin/false")
    candidate = evaluated(0.0)
    verdicts = {result.name: result.verdict for result in candidate.checks}
    assert [name for name, verdict in verdicts.items() if verdict == "fail"] == ["reload", "row alignment", "padding"]
    assert "a fresh process could not score the bundle" in candidate.checks[0].evidence
    assert candidate.bundle in MetricsStore(Settings.from_environment().database_url).recorded_bundles()
