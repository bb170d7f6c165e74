"""Read a source and check its data, as the main job does before it trains anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.events import announce_rejection
from flows.forms import NamedSourceName, SourceName
from flows.logs import show_our_logs
from flows.runs import Outcome, as_state, check_may_read, record_run, run_here, run_start
from storage.errors import DataRejectedError
from storage.options import CheckOptions, ColumnOptions, DataOptions, FeatureOptions, RunOptions, SyntheticOptions
from storage.records import CheckResult, Contents, SnapshotRecord
from tasks.featurize import featurize
from tasks.ingest import ingest
from tasks.report import report
from tasks.validate import validate

_OPTIONS = ("source", "append", "sample_size", "data", "columns", "synthetic", "features", "checks")


@dataclass(frozen=True)
class Prepared:
    """A snapshot that passed its checks, and the matrices made of it."""

    snapshot: SnapshotRecord
    matrices_id: str
    checks: tuple[CheckResult, ...]


@flow(name="check", flow_run_name="check {source}", validate_parameters=True)
def check(
    source: SourceName = "auto",
    append: list[NamedSourceName] = [],  # noqa: B006 (a default that the form shows; never changed)
    sample_size: Annotated[int, Field(ge=0)] = 0,
    data: DataOptions = DataOptions(),
    columns: ColumnOptions = ColumnOptions(),
    synthetic: SyntheticOptions = SyntheticOptions(),
    features: FeatureOptions = FeatureOptions(),
    checks: CheckOptions = CheckOptions(),
) -> State[Any]:
    """Say whether a source is fit to be trained on; nothing is trained.

    Args:
        source: Where the reviews come from: `auto`, `imdb`, `synthetic`, or a name from the file of sources.
        append: More named sources of texts, whose rows are added.
        sample_size: Use only this many reviews of train and of test; 0 uses all.
        data: How the source becomes a snapshot.
        columns: How to read labelled texts.
        synthetic: The embedded synthetic corpus.
        features: Encoding and padding.
        checks: Which checks, and their bounds.
    """
    show_our_logs()
    options = RunOptions.parse(
        source=source,
        append=tuple(append),
        sample_size=sample_size,
        data=data,
        columns=columns,
        synthetic=synthetic,
        features=features,
        checks=checks,
    )
    check_may_read(options)
    return as_state(run(options))


def check_as_flow(options: RunOptions) -> Outcome:
    """Run the flow in this process, on a Prefect server or on one that it starts for itself.

    Raises:
        OptionError: A Prefect server is set up, but does not answer.
        DataRejectedError: A check failed.
        RetrainError: The source could not be read.
    """
    values = {name: getattr(options, name) for name in _OPTIONS} | {"append": list(options.append)}
    return run_here(check, **values)


def run(options: RunOptions) -> Outcome:
    """One pass, from the source to the verdicts of the checks."""
    start = run_start("check", options.model_dump(mode="json", include=set(_OPTIONS)))

    def stages(run_id: str) -> str:
        prepared = prepare(run_id, ingest(run_id, options), options)
        headline = fitness(prepared.snapshot.line, prepared.checks)
        report(run_id, headline)
        return headline

    return record_run(start, stages)


def prepare(run_id: str, ingested: tuple[SnapshotRecord, Contents], options: RunOptions) -> Prepared:
    """The stages between ingest and training: featurize, validate.

    Raises:
        DataRejectedError: A check failed; an event says so, and its page is made.
    """
    snapshot, contents = ingested
    matrices_id = featurize(run_id, snapshot, options)
    checks = validate(run_id, snapshot, contents, matrices_id, options)
    rejection = rejected_because(checks)
    if rejection:
        announce_rejection(run_id, snapshot.line, checks, rejection)
        report(run_id, rejection)
        raise DataRejectedError(rejection)
    return Prepared(snapshot, matrices_id, checks)


def rejected_because(checks: Sequence[CheckResult]) -> str:
    """Which checks failed, and their evidence, in one sentence; empty if none did."""
    failed = [check for check in checks if check.verdict == "fail"]
    listed = "; ".join(f"{check.name}: {check.evidence}" for check in failed)
    return f"the data was rejected before training: {listed}" if failed else ""


def fitness(line: str, checks: Sequence[CheckResult]) -> str:
    """The verdicts of checks none of which failed, in one sentence."""
    names = {
        verdict: [check.name for check in checks if check.verdict == verdict] for verdict in ("pass", "warn", "off")
    }
    parts = [f"{len(names['pass'])} checks passed"]
    for verdict, words in (("warn", "warned"), ("off", "turned off")):
        if names[verdict]:
            parts.append(f"{len(names[verdict])} {words} ({', '.join(names[verdict])})")
    return f"{line} is fit to be trained on: {', '.join(parts)}"
