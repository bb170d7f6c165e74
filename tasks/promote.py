"""Task: compare the candidates with the champion, apply the rule, and write the decision down."""

from __future__ import annotations

import logging
from collections.abc import Sequence

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
from storage.records import Candidate, Champion, Comparison, Decision, SnapshotRecord
from storage.settings import Settings
from storage.snapshots import Rows, read_rows
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.metrics import predicted_labels
from tasks.evaluation.paired import compare_accuracy, compare_auc
from tasks.promotion.ledger import alpha_for
from tasks.promotion.rule import Assessment, decide
from tasks.training.runtime import prepare_keras

logger = logging.getLogger(__name__)

_TRIES = 3


@task(task_run_name="promote", cache_policy=NO_CACHE)
def promote(
    run_id: str, candidates: Sequence[Candidate], snapshot: SnapshotRecord, options: RunOptions
) -> list[Decision]:
    """Decide on all candidates of a run together, in one transaction with the new champion.

    Raises:
        StaleDecisionError: Other runs kept changing the champion or the ledger in the meantime.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "promote"):
        for attempt in range(_TRIES):
            try:
                decisions = _decide_and_record(settings, store, candidates, snapshot, options)
                break
            except StaleDecisionError:
                if attempt == _TRIES - 1:
                    raise
    for decision in decisions:
        verdict = "PROMOTE" if decision.promote else "REJECT"
        logger.info("%s %s: %s", verdict, decision.candidate_id.split("/")[-1], decision.reason)
    return decisions


def _decide_and_record(
    settings: Settings,
    store: MetricsStore,
    candidates: Sequence[Candidate],
    snapshot: SnapshotRecord,
    options: RunOptions,
) -> list[Decision]:
    reader = MetricsReader(settings.database_url)
    champion = reader.champion(snapshot.line)
    spent = reader.num_comparisons(snapshot.test_id)
    if champion is None:
        comparisons: list[Comparison | str | None] = [None] * len(candidates)
    else:
        comparisons = _compare_all(settings, champion, candidates, snapshot, options, spent)
    assessments = [
        Assessment(candidate.id, candidate.validation, candidate.test, comparison)
        for candidate, comparison in zip(candidates, comparisons, strict=True)
    ]
    decisions = decide(assessments, options.gates)
    store.record_decisions(
        decisions,
        line=snapshot.line,
        test_id=snapshot.test_id,
        dry_run=options.dry_run,
        champion_position=champion.position if champion else 0,
    )
    return decisions


def _compare_all(
    settings: Settings,
    champion: Champion,
    candidates: Sequence[Candidate],
    snapshot: SnapshotRecord,
    options: RunOptions,
    spent: int,
) -> list[Comparison | str | None]:
    """Every candidate against the champion, which is scored now, with its own bundle, on the same rows."""
    rows = read_rows(settings.snapshots, snapshot.id, "test")
    try:
        probabilities = _score_champion(settings, champion, rows)
    except ContentError as error:
        # Without the champion's answer nothing shows that a candidate is better: the gate fails.
        logger.error("the champion %s cannot be scored: %s", champion.candidate_id, error)
        return [str(error)] * len(candidates)
    logger.info("compared with the champion %s, scored now on the same test rows", champion.candidate_id)
    return [
        _compare(
            candidate_predictions=read_test_predictions(settings.bundles, candidate.bundle),
            ids=rows.ids,
            champion=champion,
            champion_probabilities=probabilities,
            index=spent + number,
            total_alpha=options.gates.comparison_alpha,
        )
        for number, candidate in enumerate(candidates)
    ]


def _score_champion(settings: Settings, champion: Champion, rows: Rows) -> npt.NDArray[np.float32]:
    prepare_keras()
    from tasks.evaluation.scoring import score

    return score(load_bundle(settings.bundles, champion.bundle), rows.tokens)


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
    )
