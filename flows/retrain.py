"""The main job.

The flow takes a snapshot of the reviews, featurizes it, checks it, trains the candidates, evaluates them, lets the
promotion rule decide, and writes everything down in the metrics store.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from pydantic import Field

from flows.approve import ask, check_can_ask
from flows.check import prepare
from flows.events import announce_decisions
from flows.forms import NamedSourceName, SourceName
from flows.logs import show_our_logs
from flows.runs import Outcome, as_state, check_may_read, record_run, run_here, run_start
from storage.content import sha256_of_json
from storage.errors import NothingChangedError
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.options import (
    ApprovalOptions,
    CheckOptions,
    ColumnOptions,
    DataOptions,
    FeatureOptions,
    GateOptions,
    RunOptions,
    SyntheticOptions,
    TrainingOptions,
)
from storage.records import MODEL_NAMES, Approval, Candidate, Decision, ModelName, SnapshotRecord, TrainedReference
from storage.settings import Settings
from storage.versions import code_digest, library_versions
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.promote import promote
from tasks.promotion.approval import APPROVED, is_unanswered
from tasks.report import report
from tasks.train import train
from tasks.training.process import end_trainings

logger = logging.getLogger(__name__)

_OPTIONS_OF_THE_SNAPSHOT = {"source", "append", "sample_size", "data", "columns", "synthetic", "force"}


@flow(name="retrain", flow_run_name="retrain {source}", validate_parameters=True)
def retrain(
    source: SourceName = "auto",
    append: list[NamedSourceName] = [],  # noqa: B006 (a default that the form shows; never changed)
    models: list[ModelName] = list(MODEL_NAMES),  # noqa: B006 (a default that the form shows; never changed)
    epochs: Annotated[int, Field(ge=1, le=1000)] = 12,
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 7,
    sample_size: Annotated[int, Field(ge=0)] = 0,
    dry_run: bool = False,
    force: bool = False,
    data: DataOptions = DataOptions(),
    columns: ColumnOptions = ColumnOptions(),
    synthetic: SyntheticOptions = SyntheticOptions(),
    features: FeatureOptions = FeatureOptions(),
    checks: CheckOptions = CheckOptions(),
    training: TrainingOptions = TrainingOptions(),
    gates: GateOptions = GateOptions(),
    approval: ApprovalOptions = ApprovalOptions(),
) -> State[Any]:
    """Retrain both models, and promote one if the rule allows it.

    Args:
        source: Where the reviews come from: `auto`, `imdb`, `synthetic`, or a name from the file of sources.
        append: More named sources of texts, whose rows are added.
        models: Models to train.
        epochs: Most epochs that a model may train; early stopping usually ends sooner.
        seed: Seed of initial weights, batch order and dropout.
        sample_size: Use only this many reviews of train and of test; 0 uses all. Such a run has a line of its own.
        dry_run: Decide and record the decision, but promote nothing.
        force: Train anew, even where nothing has changed since a finished run.
        data: How the source becomes a snapshot.
        columns: How to read labelled texts.
        synthetic: The embedded synthetic corpus.
        features: Encoding and padding.
        checks: Bounds of the checks on the data.
        training: The training loop.
        gates: Bounds of the promotion rule.
        approval: Whether a person has the last word on a promotion.
    """
    show_our_logs()
    options = RunOptions.parse(
        source=source,
        append=tuple(append),
        models=tuple(models),
        epochs=epochs,
        seed=seed,
        sample_size=sample_size,
        dry_run=dry_run,
        force=force,
        data=data,
        columns=columns,
        synthetic=synthetic,
        features=features,
        checks=checks,
        training=training,
        gates=gates,
        approval=approval,
    )
    check_may_read(options)
    return as_state(run(options))


def run_as_flow(options: RunOptions) -> Outcome:
    """Run the flow in this process, on a Prefect server or, where none is set up, on one that it starts for itself.

    Raises:
        OptionError: A Prefect server is set up, but does not answer; or none is, and a person is to be asked there.
        RetrainError: What stopped the run; its `run_id` says which run that was.
    """
    check_can_ask(options)
    values = {name: getattr(options, name) for name in RunOptions.model_fields}
    lists = {"models": list(options.models), "append": list(options.append)}
    return run_here(retrain, **values | lists)


def run(options: RunOptions) -> Outcome:
    """One pass, from the source to the decision. However it ends, the store says so."""
    start = run_start("retrain", options.model_dump(mode="json"), seed=options.seed, dry_run=options.dry_run)
    return record_run(start, lambda run_id: pipeline(run_id, options))


def pipeline(run_id: str, options: RunOptions) -> str:
    """The stages, in their order; returns the verdict in one sentence.

    Raises:
        NothingChangedError: A finished run has given what this one would.
        DataRejectedError: A check failed, so nothing was trained.
        RetrainError: A stage could not do its work.
    """
    if options.epochs == 1 and options.checks.convergence == "fail":
        logger.warning("one epoch can show no convergence: nothing will be promoted, unless checks.convergence=warn")
    ingested = ingest(run_id, options)
    snapshot = ingested[0]
    skip_unchanged(run_id, snapshot, options)
    prepared = prepare(run_id, ingested, options)
    matrices_id = prepared.matrices_id
    trained = train_all(run_id, matrices_id, options)
    candidates = evaluate(run_id, trained, snapshot, matrices_id, options)
    asked = ask(run_id, candidates, prepared.checks, snapshot, options)
    decisions = promote(run_id, candidates, prepared.checks, snapshot, options, asked)
    keep_open(run_id, decisions, asked.approval)
    headline = verdict(candidates, decisions, snapshot.line, options.dry_run)
    announce_decisions(run_id, snapshot.line, candidates, decisions, headline, dry_run=options.dry_run)
    report(run_id, headline)
    return headline


def train_all(run_id: str, matrices_id: str, options: RunOptions) -> list[TrainedReference]:
    """Train the models, one after the other or, where the options say so, all at once."""
    if not options.training.at_once:
        return [train(run_id, model, matrices_id, options) for model in options.models]
    trainings: list[PrefectFuture[TrainedReference]] = []
    try:
        for model in options.models:
            trainings.append(train.submit(run_id, model, matrices_id, options))
        return [training.result() for training in trainings]
    except BaseException:
        # Prefect waits for its threads, which nothing interrupts, and these for the processes that train.
        for training in trainings:
            while not _has_ended(training):
                end_trainings()
        raise


def _has_ended(training: PrefectFuture[TrainedReference]) -> bool:
    try:
        training.result(timeout=0.5, raise_on_failure=False)
    except TimeoutError:
        return False
    return True


def skip_unchanged(run_id: str, snapshot: SnapshotRecord, options: RunOptions) -> None:
    """Stop a run that could only give what a finished one has given.

    Raises:
        NothingChangedError: There is a finished run of the same snapshot, configuration, seed, code and libraries.
    """
    settings = Settings.from_environment()
    fingerprint = sha256_of_json(
        {
            "line": snapshot.line,
            "snapshot": snapshot.id,
            # Where the rows came from does not matter, as long as they are the same; nor does it who is asked.
            "options": {
                **options.model_dump(mode="json", exclude=_OPTIONS_OF_THE_SNAPSHOT | {"approval"}),
                "training": options.training.what_decides(),
            },
            "code": code_digest(),
            "libraries": library_versions(),
        }
    )
    reader = MetricsReader(settings.database_url)
    finished = reader.finished_run(fingerprint)
    if finished and not options.force:
        refusal = reader.failed_gate(finished, APPROVED)
        raise NothingChangedError(
            f"nothing has changed since run {finished}: the same snapshot, configuration, code and seed would give the "
            f"same models{f', and the one to promote was {refusal}' if refusal else ''}. "
            "To train anew all the same: --force."
        )
    MetricsStore(settings.database_url).record_fingerprint(run_id, fingerprint)


def keep_open(run_id: str, decisions: list[Decision], approval: Approval | None) -> None:
    """Let the next run of the same ask again, if nobody has answered; it takes up what was trained now."""
    if is_unanswered(decisions, approval):
        MetricsStore(Settings.from_environment().database_url).record_fingerprint(run_id, "")


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
