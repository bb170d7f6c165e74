"""The main job.

The flow takes a snapshot of the reviews, featurizes it, checks it, trains the candidates, evaluates them, lets the
promotion rule decide, and writes everything down in the metrics store.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.check import prepare
from flows.runs import Outcome, as_state, check_server, record_run, show_our_logs, trigger
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
from storage.records import Candidate, Decision, RunStart, Trigger
from storage.versions import git_commit, library_versions
from tasks.evaluate import evaluate
from tasks.promote import promote
from tasks.report import report
from tasks.train import train

logger = logging.getLogger(__name__)


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
    show_our_logs()
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
    check_server()
    values = {name: getattr(options, name) for name in RunOptions.model_fields}
    state = retrain(**values | {"models": list(options.models)}, return_state=True)
    return cast(Outcome, state.result())


def run(options: RunOptions, started_by: Trigger) -> Outcome:
    """One pass, from the source to the decision. However it ends, the store says so."""
    start = RunStart(
        flow="retrain",
        line="-",
        trigger=started_by,
        options=options.model_dump(mode="json"),
        seed=options.seed,
        dry_run=options.dry_run,
        versions=library_versions(),
        git_commit=git_commit(),
    )
    return record_run(start, lambda run_id: pipeline(run_id, options))


def pipeline(run_id: str, options: RunOptions) -> str:
    """The stages, in their order; returns the verdict in one sentence.

    Raises:
        DataRejectedError: A check failed, so nothing was trained.
        RetrainError: A stage could not do its work.
    """
    if options.epochs == 1 and options.checks.convergence == "fail":
        logger.warning("one epoch can show no convergence: nothing will be promoted, unless checks.convergence=warn")
    prepared = prepare(run_id, options)
    snapshot, matrices_id = prepared.snapshot, prepared.matrices_id
    trained = [train(run_id, model, matrices_id, options) for model in options.models]
    candidates = [evaluate(run_id, one, snapshot, matrices_id, options) for one in trained]
    decisions = promote(run_id, candidates, prepared.checks, snapshot, options)
    headline = verdict(candidates, decisions, snapshot.line, options.dry_run)
    report(run_id, snapshot, prepared.checks, candidates, decisions, headline)
    return headline


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


if __name__ == "__main__":
    retrain()
