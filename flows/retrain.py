"""The main job.

The flow takes a snapshot of the reviews, featurizes it, checks it, trains the candidates, evaluates them, lets the
promotion rule decide, and writes everything down in the metrics store.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Annotated, Any, cast

from prefect import flow, get_client, runtime
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.states import Completed, Failed
from pydantic import Field

from storage.bundles import sweep_unrecorded
from storage.content import sweep
from storage.errors import DataRejectedError, OptionError, RetrainError
from storage.metrics.store import MetricsStore
from storage.options import (
    MODEL_NAMES,
    CheckOptions,
    DataOptions,
    FeatureOptions,
    GateOptions,
    ModelName,
    RunOptions,
    SyntheticOptions,
    TrainingOptions,
)
from storage.records import Candidate, CheckResult, Decision, RunStart, RunState, Trigger
from storage.settings import Settings
from storage.versions import git_commit, library_versions
from tasks.evaluate import evaluate
from tasks.featurize import featurize
from tasks.ingest import ingest
from tasks.promote import promote
from tasks.report import report
from tasks.train import train
from tasks.validate import validate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        error: What stopped it; None if it ran to its decision.
    """

    run_id: str
    state: RunState
    message: str
    error: RetrainError | None = None


@flow(name="retrain", flow_run_name="retrain {source}", validate_parameters=True)
def retrain(
    source: str = "auto",
    models: list[ModelName] = list(MODEL_NAMES),  # noqa: B006 (a default that the form shows; never changed)
    epochs: Annotated[int, Field(ge=1, le=1000)] = 12,
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 7,
    sample_size: Annotated[int, Field(ge=0)] = 0,
    dry_run: bool = False,
    data: DataOptions = DataOptions(),
    synthetic: SyntheticOptions = SyntheticOptions(),
    features: FeatureOptions = FeatureOptions(),
    checks: CheckOptions = CheckOptions(),
    training: TrainingOptions = TrainingOptions(),
    gates: GateOptions = GateOptions(),
) -> State[Any]:
    """Retrain both models, and promote one if the rule allows it.

    Args:
        source: Where the reviews come from: `auto`, `imdb`, `synthetic`, or the path of an .npz file in Keras' layout.
        models: Models to train.
        epochs: Most epochs that a model may train; early stopping usually ends sooner.
        seed: Seed of initial weights, batch order and dropout.
        sample_size: Use only this many reviews of train and of test; 0 uses all. Such a run has a line of its own.
        dry_run: Decide and record the decision, but promote nothing.
        data: How the source becomes a snapshot.
        synthetic: The embedded synthetic corpus.
        features: Encoding and padding.
        checks: Bounds of the checks on the data.
        training: The training loop.
        gates: Bounds of the promotion rule.
    """
    for name in ("flows", "tasks", "storage"):
        logging.getLogger(name).setLevel(logging.INFO)
    options = RunOptions.parse(
        source=source,
        models=tuple(models),
        epochs=epochs,
        seed=seed,
        sample_size=sample_size,
        dry_run=dry_run,
        data=data,
        synthetic=synthetic,
        features=features,
        checks=checks,
        training=training,
        gates=gates,
    )
    return as_state(run(options, trigger()))


def run_as_flow(options: RunOptions) -> Outcome:
    """Run the flow in this process, on a Prefect server or, where none is set up, on one that it starts for itself.

    Raises:
        OptionError: A Prefect server is set up, but does not answer.
        RetrainError: What stopped the run; its `run_id` says which run that was.
    """
    _check_server()
    values = {name: getattr(options, name) for name in RunOptions.model_fields}
    state = retrain(**values | {"models": list(options.models)}, return_state=True)
    return cast(Outcome, state.result())


def _check_server() -> None:
    """Say at once that the server is down; Prefect would try again for a while and end in a traceback."""
    url = get_current_settings().api.url
    if url is None:
        return
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise OptionError(
            f"no Prefect server answers at {url} ({type(problem).__name__}): start it, or unset PREFECT_API_URL "
            "(`prefect config unset PREFECT_API_URL`) to run without one."
        )


def run(options: RunOptions, started_by: Trigger) -> Outcome:
    """One pass, from the source to the decision. However it ends, the store says so."""
    settings = Settings.from_environment()
    settings.prepare()
    store = MetricsStore(settings.database_url)
    clean_up(settings, store)
    start = RunStart(
        line="-",
        trigger=started_by,
        options=options.model_dump(mode="json"),
        seed=options.seed,
        dry_run=options.dry_run,
        versions=library_versions(),
        git_commit=git_commit(),
    )
    run_id = store.start_run(start)
    logger.info("run %s started", run_id)
    started = time.monotonic()

    def finish(state: RunState, message: str, error: RetrainError | None = None) -> Outcome:
        store.finish_run(run_id, state, message, time.monotonic() - started)
        return Outcome(run_id, state, message, error)

    try:
        return finish("completed", pipeline(run_id, options))
    except RetrainError as error:
        error.run_id = run_id
        return finish("rejected data" if isinstance(error, DataRejectedError) else "failed", str(error), error)
    except Exception as error:
        finish("failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        # Ctrl-C, SIGTERM, and the way in which Prefect cancels a run.
        finish("cancelled", "stopped from outside before it was done")
        raise


def pipeline(run_id: str, options: RunOptions) -> str:
    """The stages, in their order; returns the verdict in one sentence.

    Raises:
        DataRejectedError: A check failed, so nothing was trained.
        RetrainError: A stage could not do its work.
    """
    snapshot = ingest(run_id, options)
    matrices_id = featurize(run_id, snapshot, options)
    checks = validate(run_id, snapshot, matrices_id, options)
    refuse_rejected(checks)
    trained = [train(run_id, model, matrices_id, options) for model in options.models]
    candidates = [evaluate(run_id, one, snapshot, matrices_id, options) for one in trained]
    decisions = promote(run_id, candidates, snapshot, options)
    headline = verdict(candidates, decisions, snapshot.line, options.dry_run)
    report(run_id, snapshot, checks, candidates, decisions, headline)
    return headline


def refuse_rejected(checks: list[CheckResult]) -> None:
    """Stop before anything is trained if a check failed.

    Raises:
        DataRejectedError: Names the checks and their evidence.
    """
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        listed = "; ".join(f"{check.name}: {check.evidence}" for check in failed)
        raise DataRejectedError(f"the data was rejected before training. {listed}")


def verdict(candidates: list[Candidate], decisions: list[Decision], line: str, dry_run: bool) -> str:
    """The decisions of a run in one sentence."""
    by_id = {candidate.id: candidate for candidate in candidates}
    for decision in decisions:
        if decision.promote:
            winner = by_id[decision.candidate_id]
            would = "a dry run: would promote" if dry_run else "promoted"
            scores = f"test accuracy {winner.test.confusion.accuracy:.4f}, AUC {winner.test.auc:.4f}"
            return f"{would} {winner.model} on {line} ({scores}): {decision.reason}"
    reasons = (f"{by_id[decision.candidate_id].model}: {decision.reason}" for decision in decisions)
    return f"nothing promoted on {line}: {'; '.join(reasons)}"


def clean_up(settings: Settings, store: MetricsStore) -> None:
    """Mark runs that died as crashed, and remove what they left half-written."""
    dead = store.reap_dead_runs()
    for run_id in dead:
        logger.warning("run %s had died without an end: marked as crashed", run_id)
    orphans = [folder for root in (settings.snapshots, settings.matrices, settings.bundles) for folder in sweep(root)]
    if dead:
        orphans += sweep_unrecorded(settings.bundles, dead, store.recorded_bundles())
    for folder in orphans:
        logger.warning("removed %s, which a process that is gone had left unfinished", folder)


def trigger() -> Trigger:
    """What started this flow run, as far as Prefect knows."""
    if runtime.deployment.id is None:
        return "command line"
    return "schedule" if "auto-scheduled" in (runtime.flow_run.tags or []) else "deployment"


def as_state(outcome: Outcome) -> State[Any]:
    """The outcome as Prefect shows it: a rejected model is a run that ended well, rejected data and faults are not."""
    message = f"{outcome.run_id}: {outcome.message}"
    if outcome.state == "completed":
        return Completed(message=message, data=outcome)
    name = "DataRejected" if outcome.state == "rejected data" else "Failed"
    return Failed(message=message, name=name, data=outcome.error)


if __name__ == "__main__":
    retrain()
