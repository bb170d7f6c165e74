"""What a report tells of a run, gathered from the store and the bundles alone: the same input, the same contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.accounts import Account, read_account
from storage.bundles import Predictions, read_test_predictions
from storage.content import read_manifest
from storage.errors import ContentError
from storage.metrics.reader import MetricsReader
from storage.records import Candidate, CheckResult, Decision, Observation, SnapshotRecord, Stage
from storage.settings import Settings
from tasks.reporting.scores import Role
from tasks.reporting.stored import candidate_of, checks_of, decision_of, observation_of, stages_of


@dataclass(frozen=True)
class RunFacts:
    """How a run was started, and how it ended.

    Attributes:
        seconds: Wall time; None of a run that is running or has died.
        message: How it ended, in a sentence; empty while it is running.
        source_reason: Why its source was used; None of a run that read none.
    """

    id: str
    flow: str
    line: str
    state: str
    trigger: str
    dry_run: bool
    slot: str | None
    started_at: datetime
    seconds: float | None
    message: str
    options: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    source_reason: str | None = None


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model said of the test rows."""

    name: str
    role: Role
    predictions: Predictions


@dataclass(frozen=True, eq=False)
class ReportContents:
    """All of it.

    Attributes:
        snapshot: None of a run that read none.
        checks: Those of the data, or of the champion that a run watched.
        candidates: With their checks; none where nothing was trained.
        decisions: One a candidate, or the one of a rollback.
        observation: Of a run that watched a champion.
        answers: Of the models, then of the champion if it was tested on the same rows.
        accounts: What the bundles tell of the reviews, by model.
        stages: In order.
        missing: What there should be but is not, a sentence each.
    """

    run: RunFacts
    snapshot: SnapshotRecord | None = None
    checks: tuple[CheckResult, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    decisions: tuple[Decision, ...] = ()
    observation: Observation | None = None
    answers: tuple[Answers, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    missing: tuple[str, ...] = ()


def gather(settings: Settings, run_name: str) -> ReportContents:
    """Read everything about a run.

    Args:
        settings: Where store and bundles are.
        run_name: The run's id, the start of it, or `latest`.

    Raises:
        NotFoundError: No run, or more than one, is meant by that name.
        StoreError: The store cannot be read.
    """
    reader = MetricsReader(settings.database_url)
    run = reader.run(run_name)
    snapshot = reader.snapshot(run["snapshot_id"]) if run["snapshot_id"] else None
    candidates = tuple(candidate_of(run, row) for row in run["candidates"])
    decisions = tuple(decision_of(row) for row in run["decisions"])
    answers, accounts, missing = _from_bundles(settings, candidates)
    champion, why_not = _champion_answers(settings, reader, snapshot, decisions) if candidates else ([], [])
    return ReportContents(
        run=_facts(run),
        snapshot=snapshot,
        checks=checks_of(run, "champion" if run["observation"] else "data"),
        candidates=candidates,
        decisions=decisions,
        observation=observation_of(run["observation"]) if run["observation"] else None,
        answers=(*answers, *champion),
        accounts=accounts,
        stages=stages_of(run["stages"]),
        missing=(*missing, *why_not),
    )


def _facts(run: Mapping[str, Any]) -> RunFacts:
    return RunFacts(**{name: run[name] for name in RunFacts.__dataclass_fields__})


def _from_bundles(
    settings: Settings, candidates: tuple[Candidate, ...]
) -> tuple[list[Answers], dict[str, Account], list[str]]:
    answers, accounts, missing = [], {}, []
    for candidate in candidates:
        try:
            account = read_account(settings.bundles, candidate.bundle)
            predictions = read_test_predictions(settings.bundles, candidate.bundle)
        except ContentError as error:
            missing.append(f"The bundle of {candidate.model} cannot be read, so its curves are missing: {error}")
            continue
        answers.append(Answers(candidate.model, "model", predictions))
        if account is None:
            missing.append(
                f"The bundle of {candidate.model} was made before bundles told of their reviews: "
                "there are no tables of the data and no mistakes."
            )
        else:
            accounts[candidate.model] = account
    return answers, accounts, missing


def _champion_answers(
    settings: Settings, reader: MetricsReader, snapshot: SnapshotRecord | None, decisions: tuple[Decision, ...]
) -> tuple[list[Answers], list[str]]:
    """The champion that the candidates were compared with, if its own test rows were the same; else why not."""
    compared = next((decision.comparison for decision in decisions if decision.comparison), None)
    if compared is None or snapshot is None:
        return [], []
    champions = {champion.candidate_id: champion for champion in reader.champions(snapshot.line)}
    champion = champions[compared.champion_id]
    try:
        manifest = read_manifest(settings.bundles / champion.bundle, digest=champion.bundle)
        predictions = read_test_predictions(settings.bundles, champion.bundle)
    except ContentError as error:
        return [], [f"The champion's bundle cannot be read, so its curves are missing: {error}"]
    if manifest.get("test_id") != snapshot.test_id:
        return [], [
            "The champion was tested on other rows when it was made, so that its curves are not drawn; "
            "its accuracy and AUC here are on today's test rows."
        ]
    return [Answers(f"champion: {champion.model}", "champion", predictions)], []
