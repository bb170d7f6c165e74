"""Task: put an earlier champion of a line back, if its bundle is still what it was."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.bundles import read_test_predictions
from storage.errors import ContentError
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import CheckOptions
from storage.records import Champion, Decision, Gate
from storage.settings import Settings
from storage.snapshots import open_snapshot, take_raw
from tasks.evaluation.alignment import join_by_id
from tasks.evaluation.fresh_process import score_in_fresh_process
from tasks.promotion.gates import RELOAD
from tasks.promotion.rollback import earlier_champion

logger = logging.getLogger(__name__)

_RELOADED_ROWS = 256


@task(task_run_name="roll back {line}", cache_policy=NO_CACHE)
def roll_back(run_id: str, line: str, to: int, reason: str, dry_run: bool) -> Decision:
    """Decide on a rollback and write the decision down; the bundle has to prove itself in a fresh process.

    Args:
        run_id: The run.
        line: Whose champion is replaced.
        to: Position of the earlier champion in the line's history; 0 for the one that served before the present one.
        reason: Why, in the words of whoever asks for it.
        dry_run: Decide, but put nothing back.

    Raises:
        NotFoundError: The line has no such champion.
        OptionError: It is the one that serves already.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "roll back"):
        reader = MetricsReader(settings.database_url)
        served = reader.champions(line)
        former = earlier_champion(served, line, to)
        snapshot = reader.snapshot(former.snapshot_id)
        store.record_snapshot(run_id, snapshot)
        gate = _gate_reload(settings, former)
        decision = Decision(
            candidate_id=former.candidate_id,
            promote=gate.verdict == "pass",
            reason=reason if gate.verdict == "pass" else f"{gate.words}; asked for because: {reason}",
            gates=(gate,),
            succession="rollback",
        )
        store.record_decisions(
            run_id,
            [decision],
            line=line,
            test_id=snapshot.test_id,
            dry_run=dry_run,
            champion_position=served[-1].position,
        )
    logger.info("%s %s: %s", "ROLL BACK TO" if decision.promote else "REJECT", former.candidate_id, decision.reason)
    return decision


def _gate_reload(settings: Settings, champion: Champion) -> Gate:
    """The bundle gives the probabilities that were stored when it was published, on rows of its own test set."""
    bound = CheckOptions().reload_tolerance
    try:
        stored = read_test_predictions(settings.bundles, champion.bundle)
        snapshot = open_snapshot(settings.snapshots, champion.snapshot_id)
        rows = snapshot.rows("test")
        positions = np.unique(np.linspace(0, len(rows.ids) - 1, _RELOADED_ROWS).astype(np.int64))
        expected = join_by_id(rows.ids.take(pa.array(positions)), stored.row_ids, stored.probabilities)
        sample = take_raw(snapshot.raw("test"), positions)
        again = score_in_fresh_process(settings.bundles, champion.bundle, sample)
    except ContentError as error:
        return Gate(RELOAD, "fail", None, None, f"the champion cannot be put back: {str(error).rstrip('.')}")
    largest = float(np.abs(again - expected).max())
    words = f"largest difference {largest:.3g} on {len(positions)} of its test rows, in a fresh process"
    if not largest <= bound:
        value = largest if np.isfinite(largest) else None
        return Gate(RELOAD, "fail", value, bound, f"the bundle gives other probabilities than it did: {words}")
    return Gate(RELOAD, "pass", largest, bound, words)
