"""Task: run the checks on the data that the models are about to be trained on."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.errors import ContentError
from storage.matrices import read_featurized, read_matrix
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import RunOptions
from storage.records import SPLITS, CheckResult, Contents, SnapshotRecord
from storage.sequences import Sequences, spooled
from storage.settings import Settings
from storage.snapshots import Rows, open_snapshot
from tasks.checks import DATA_CHECKS, PROBE, log_results, run_checks
from tasks.checks.base import CheckedData
from tasks.features.encoding import Encoder
from tasks.features.scaler import Scaler
from tasks.features.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


@task(task_run_name="validate", cache_policy=NO_CACHE)
def validate(
    run_id: str, snapshot: SnapshotRecord, contents: Contents, matrices_id: str, options: RunOptions
) -> tuple[CheckResult, ...]:
    """Measure everything, write all results down, and return them; the flow decides what a failure means."""
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "validate"):
        stored = open_snapshot(settings.snapshots, snapshot.id)
        words = stored.vocabulary()
        vocabulary = Vocabulary.from_json(words) if words else None
        featurized = read_featurized(settings.matrices, matrices_id)
        data = CheckedData(
            rows={name: stored.rows(name) for name in SPLITS},
            matrices={name: read_matrix(settings.matrices, matrices_id, name) for name in SPLITS},
            encoder=Encoder.from_json(featurized.encoder),
            scaler=Scaler.from_json(featurized.scaler),
            reference=_reference(settings, snapshot, vocabulary),
            contents=contents,
            vocabulary=vocabulary,
            scratch=settings.matrices,
        )
        others = [check for check in DATA_CHECKS if check.name != PROBE]
        found = {result.name: result for result in run_checks(others, data, options.checks)}
    # It trains a model: what that takes is told apart from what the checks take.
    with measured_stage(store, run_id, "probe"):
        probes = [check for check in DATA_CHECKS if check.name == PROBE]
        found |= {result.name: result for result in run_checks(probes, data, options.checks)}
        results = tuple(found[check.name] for check in DATA_CHECKS)
        store.record_checks(run_id, results)
    log_results(logger, "data", results)
    return results


def _reference(settings: Settings, snapshot: SnapshotRecord, today: Vocabulary | None) -> Rows | str | None:
    """What the champion was trained on; None without a champion; why, where it cannot be read."""
    champion = MetricsReader(settings.database_url).champion(snapshot.line)
    if champion is None:
        return None
    try:
        stored = open_snapshot(settings.snapshots, champion.snapshot_id)
        rows, theirs = stored.rows("train"), stored.vocabulary()
    except ContentError as error:
        return str(error)
    if (today is None) != (theirs is None):
        return "they are word ranks without words, and today's reviews are texts, or the other way round"
    if today is not None and theirs is not None:
        # A rank is a word only together with its vocabulary, and this week's is another one.
        tokens = _translated(rows.tokens, Vocabulary.from_json(theirs), today, settings.matrices)
        rows = replace(rows, tokens=tokens)
    return rows


def _translated(tokens: Sequences, theirs: Vocabulary, today: Vocabulary, scratch: Path | None = None) -> Sequences:
    """The same words by the ranks of today's vocabulary; words that it does not have get ranks beyond its last one.

    Were they all one unknown word, each of the champion's reviews would have it and none of today's, whose words made
    the vocabulary: the two sides would look different where they are alike.
    """
    ranks = np.append(today.ranks_of_table(theirs.words), today.oov_rank)
    is_theirs_alone = ranks[:-1] == today.oov_rank
    ranks[:-1][is_theirs_alone] += np.arange(1, int(is_theirs_alone.sum()) + 1)
    numbers = ranks.astype(np.int32)
    return spooled((Sequences(numbers[piece.values - 1], piece.offsets) for _, piece in tokens.pieces()), scratch)
