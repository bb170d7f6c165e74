"""Task: compare the candidates with the champion, apply the rule, and write the decision down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.bundles import Predictions, load_bundle, read_test_predictions
from storage.errors import ContentError, StaleDecisionError
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import (
    Approval,
    Asked,
    Basis,
    Candidate,
    Champion,
    CheckResult,
    Comparison,
    Decision,
    Gate,
    Proposal,
    SnapshotRecord,
)
from storage.settings import Settings
from storage.snapshots import Raw, Rows, open_snapshot
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.metrics import predicted_labels
from tasks.evaluation.paired import compare_accuracy, compare_auc
from tasks.promotion.approval import gate_approval
from tasks.promotion.ledger import alpha_for
from tasks.promotion.rule import Assessment, decide
from tasks.training.runtime import prepare_keras

logger = logging.getLogger(__name__)

_TRIES = 3


@task(task_run_name="propose", cache_policy=NO_CACHE)
def propose(
    run_id: str,
    candidates: Sequence[Candidate],
    checks: Sequence[CheckResult],
    snapshot: SnapshotRecord,
    options: RunOptions,
) -> Proposal:
    """Say what would be decided now, for a person who is going to be asked; nothing of it is recorded.

    The arguments are those of `promote`.
    """
    settings = Settings.from_environment()
    with measured_stage(MetricsStore(settings.database_url), run_id, "propose"):
        opponents = _Opponents(settings, snapshot, options)
        assessments, basis = _assess(opponents, candidates, checks)
        return Proposal(tuple(decide(assessments, options.gates)), basis, opponents.answers)


@task(task_run_name="promote", cache_policy=NO_CACHE)
def promote(
    run_id: str,
    candidates: Sequence[Candidate],
    checks: Sequence[CheckResult],
    snapshot: SnapshotRecord,
    options: RunOptions,
    asked: Asked | None = None,
) -> list[Decision]:
    """Decide on all candidates of a run together, in one transaction with the new champion.

    Args:
        run_id: The run.
        candidates: With what the checks of each trained model said.
        checks: What the checks of the data said.
        snapshot: What they were trained on, and whose test rows the champion is scored on.
        options: The run's.
        asked: What came of asking a person, where one was asked.

    Raises:
        StaleDecisionError: Other runs kept changing the champion or the ledger in the meantime.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    asked = asked or Asked()
    opponents = _Opponents(settings, snapshot, options, dict(asked.answers))
    with measured_stage(store, run_id, "promote"):
        for attempt in range(_TRIES):
            assessments, basis = _assess(opponents, candidates, checks)
            decisions = decide(assessments, options.gates, _approval_gate(options, basis, asked.approval))
            try:
                store.record_decisions(
                    run_id,
                    decisions,
                    line=snapshot.line,
                    test_id=snapshot.test_id,
                    dry_run=options.dry_run,
                    champion_position=basis.champion_position,
                )
                break
            except StaleDecisionError:
                if attempt == _TRIES - 1:
                    raise
    _log_decisions(decisions)
    return decisions


def _log_decisions(decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        verdict = "PROMOTE" if decision.promote else "REJECT"
        logger.info("%s %s: %s", verdict, decision.candidate_id.split("/")[-1], decision.reason)
        suspected = [suspect for suspect in decision.diagnosis if suspect.standing != "ruled out"]
        for suspect in suspected:
            logger.info("  %s: %s, since %s", suspect.standing, suspect.cause, suspect.evidence)
        cleared = [suspect.cause for suspect in decision.diagnosis if suspect not in suspected]
        if cleared:
            logger.info("  ruled out: %s", ", ".join(cleared))


def _approval_gate(options: RunOptions, basis: Basis, approval: Approval | None) -> Callable[[str], Gate] | None:
    if not options.approval.required:
        return None
    return partial(gate_approval, basis=basis, approval=approval, dry_run=options.dry_run)


def _assess(
    opponents: _Opponents, candidates: Sequence[Candidate], checks: Sequence[CheckResult]
) -> tuple[list[Assessment], Basis]:
    """All that the rule is told, and what it rests on as of now."""
    reader = MetricsReader(opponents.settings.database_url)
    served = reader.champions(opponents.snapshot.line)
    champion = served[-1] if served else None
    basis = Basis(champion.position if champion else 0, reader.num_comparisons(opponents.snapshot.test_id))
    compare = partial(opponents.compare, candidates=candidates, spent=basis.num_comparisons)
    against_champion = compare(champion, role="champion")
    # A champion that is the high-water mark itself need not be compared with twice.
    mark = served[champion.mark - 1] if champion and champion.mark != champion.position else None
    against_mark = compare(mark, role="high-water mark")
    assessments = [
        Assessment(candidate.id, candidate.validation, candidate.test, (*checks, *candidate.checks), *compared)
        for candidate, *compared in zip(candidates, against_champion, against_mark, strict=True)
    ]
    return assessments, basis


@dataclass(frozen=True)
class _Opponents:
    """What the candidates are compared with: each scored in this run, with its own bundle, on today's test rows.

    Attributes:
        answers: What each has said, by its bundle's digest: it is asked once, however often a decision is tried.
    """

    settings: Settings
    snapshot: SnapshotRecord
    options: RunOptions
    answers: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def _test(self) -> tuple[Rows, Raw]:
        """The test rows, read once for all opponents, and not where there are none."""
        stored = open_snapshot(self.settings.snapshots, self.snapshot.id)
        return stored.rows("test"), stored.raw("test")

    def compare(
        self, opponent: Champion | None, *, candidates: Sequence[Candidate], spent: int, role: str
    ) -> Sequence[Comparison | str | None]:
        """Every candidate with one opponent: None if there is none, a reason if it cannot be scored."""
        if opponent is None:
            return [None] * len(candidates)
        rows, reviews = self._test
        try:
            if opponent.bundle not in self.answers:
                self.answers[opponent.bundle] = _score_champion(self.settings, opponent, reviews)
        except ContentError as error:
            # Without the opponent's answer nothing shows that a candidate is better: the gate fails.
            logger.error("the %s %s cannot be scored: %s", role, opponent.candidate_id, error)
            return [str(error).rstrip(".")] * len(candidates)
        logger.info("compared with the %s %s, scored now on the same test rows", role, opponent.candidate_id)
        # The ledger pays less for each further comparison: the candidate that validation prefers goes first.
        accuracies = [candidate.validation.confusion.accuracy for candidate in candidates]
        ranks = np.argsort(np.argsort(-np.nan_to_num(accuracies), kind="stable"))
        return [
            _compare(
                candidate_predictions=read_test_predictions(self.settings.bundles, candidate.bundle),
                ids=rows.ids,
                champion=opponent,
                champion_probabilities=self.answers[opponent.bundle],
                index=spent + int(rank),
                total_alpha=self.options.gates.comparison_alpha,
            )
            for rank, candidate in zip(ranks, candidates, strict=True)
        ]


def _score_champion(settings: Settings, champion: Champion, reviews: Raw) -> npt.NDArray[np.float32]:
    prepare_keras()
    from tasks.evaluation.scoring import score

    return score(load_bundle(settings.bundles, champion.bundle), reviews)


def _compare(
    *,
    candidate_predictions: Predictions,
    ids: pa.StringArray,
    champion: Champion,
    champion_probabilities: npt.NDArray[np.float32],
    index: int,
    total_alpha: float,
) -> Comparison:
    labels = candidate_predictions.labels
    challenger = candidate_predictions.probabilities
    theirs = join_by_id(candidate_predictions.row_ids, ids, champion_probabilities)
    accuracy = compare_accuracy(predicted_labels(challenger) == labels, predicted_labels(theirs) == labels)
    auc = compare_auc(labels, challenger, theirs)
    return Comparison(
        champion_id=champion.candidate_id,
        index=index,
        alpha=alpha_for(index, total_alpha),
        num_rows=len(labels),
        only_challenger=accuracy.only_first,
        only_champion=accuracy.only_second,
        p_value=accuracy.p_value,
        difference=accuracy.difference,
        lower=accuracy.lower,
        upper=accuracy.upper,
        auc_difference=auc.difference,
        auc_lower=auc.lower,
        auc_upper=auc.upper,
        auc_standard_error=auc.standard_error,
    )
