"""Reload: the published bundle, loaded in a fresh process, gives the probabilities that were measured."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from storage.errors import ContentError
from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict
from tasks.checks.base import CheckedModel, finite, in_words, offending
from tasks.evaluation.alignment import join_by_id

_NAME = "reload"
_SAMPLE = 256


def check_reload(model: CheckedModel, options: CheckOptions) -> CheckResult:
    """Score up to 256 test rows, spread over the set, from their raw tokens, the way a user of the champion will.

    In the process that trained it, a model may lean on what only that process has: a layer of its own, a seed, a
    vocabulary in memory. What serves is what a fresh process makes of the bundle's files.
    """
    bound = f"probabilities differ by at most {options.reload_tolerance:g}"
    rows = np.unique(np.linspace(0, len(model.matrix) - 1, _SAMPLE).astype(np.int64))
    if len(model.matrix) == 0:
        return CheckResult(_NAME, "warn", {"rows": 0}, bound, "there are no test rows to score")
    try:
        ids = model.matrix.sequence_ids.take(pa.array(rows))
        expected = join_by_id(ids, model.predictions.row_ids, model.predictions.probabilities)
        again = model.reload(rows)
    except ContentError as error:
        return CheckResult(_NAME, "fail", {"rows": len(rows)}, bound, in_words(error))
    if again.shape != expected.shape:
        evidence = f"{len(rows)} test rows were scored in a fresh process, and {len(again)} probabilities came back"
        return CheckResult(_NAME, "fail", {"rows": len(rows)}, bound, evidence)
    # A model that says NaN says the same again: what is wrong with it, another check tells.
    is_wrong = ~np.isclose(again, expected, rtol=0, atol=options.reload_tolerance, equal_nan=True)
    largest = float(np.nan_to_num(np.abs(again - expected)).max())
    verdict: CheckVerdict = "pass"
    evidence = f"{len(rows)} test rows, scored in a fresh process, differ by {largest:.2g} at most"
    if is_wrong.any():
        verdict = "fail"
        evidence = (
            f"loaded in a fresh process, the published bundle gives other probabilities for {is_wrong.sum()} of "
            f"{len(rows)} test rows (largest difference {largest:.3g})"
        )
    measured = finite(rows=len(rows), rows_changed=int(is_wrong.sum()), largest_difference=largest)
    return CheckResult(_NAME, verdict, measured, bound, evidence, offending(ids, is_wrong))
