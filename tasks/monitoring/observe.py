"""Measurements of a champion on new labelled rows, and the verdict on it. Nothing is read, stored or announced here.

A champion has degraded where the bounds say so, not the numbers alone: of a hundred rows, a sound model gets five more
wrong than usual every few weeks. Written positively: what is not shown to hold, such as a NaN, does not pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from storage.bundles import Predictions
from storage.options import CheckOptions, MonitorOptions
from storage.records import Champion, CheckResult, CheckVerdict, ConfusionMatrix, Observation, ObservationVerdict
from tasks.checks.base import finite
from tasks.checks.effects import cliffs_delta
from tasks.evaluation.bounds import Labels, exact_interval, exact_lower_bound, placements
from tasks.evaluation.metrics import predicted_labels
from tasks.monitoring.new_rows import NewRows, Probabilities

ACCURACY, DRIFT, PREDICTIONS = "accuracy since promotion", "drift", "prediction drift"


def num_correct(labels: Labels, probabilities: Probabilities) -> int:
    """Rows that the champion gets right; what is no probability is never right."""
    return int(((predicted_labels(probabilities) == labels) & _is_probability(probabilities)).sum())


def check_accuracy(
    promoted: ConfusionMatrix, labels: Labels, probabilities: Probabilities, bounds: MonitorOptions
) -> CheckResult:
    """Hold the accuracy on new rows against that on the test rows at promotion.

    The champion has lost more than it may where even the lower bound of the one minus the upper bound of the other
    says so. Each bound is exact (Clopper–Pearson) at half of alpha, so that both hold with probability 1 - alpha.
    """
    bound = f"at most {bounds.max_accuracy_loss:g} lost since promotion, beyond sampling error at {bounds.alpha:g}"
    total = len(labels)
    if not total:
        return CheckResult(ACCURACY, "warn", {"rows": 0}, bound, "no labelled row is new to the champion")
    correct = num_correct(labels, probabilities)
    least_then = exact_lower_bound(promoted.num_correct, promoted.num_rows, bounds.alpha / 2)
    most_now = 1 - exact_lower_bound(total - correct, total, bounds.alpha / 2)
    loss, least = promoted.accuracy - correct / total, least_then - most_now
    lower, upper = exact_interval(correct, total)
    measured = finite(
        rows=total,
        accuracy=correct / total,
        lower=lower,
        upper=upper,
        promoted_accuracy=promoted.accuracy,
        promoted_rows=promoted.num_rows,
        loss=loss,
        least_loss=least,
    )
    words = (
        f"accuracy {correct / total:.4f} [{lower:.4f}, {upper:.4f}] on {total:,} new rows, {promoted.accuracy:.4f} on "
        f"{promoted.num_rows:,} test rows at promotion"
    )
    broken = int((~_is_probability(probabilities)).sum())
    if broken:
        words = f"no number from 0 to 1 comes out for {broken:,} of {total:,} rows; {words}"
        return CheckResult(ACCURACY, "fail", measured | {"no_probability": broken}, bound, words)
    if total < bounds.min_rows:
        words = f"too few new rows to tell, at least {bounds.min_rows:,} are needed; {words}"
        return CheckResult(ACCURACY, "warn", measured, bound, words)
    if not least <= bounds.max_accuracy_loss:
        words = f"{words}: at least {least:.4f} are lost"
        return CheckResult(ACCURACY, "fail", measured, bound, words)
    if not loss <= bounds.max_accuracy_loss:
        words = f"{words}: {loss:.4f} lost, too few rows to be sure of it"
        return CheckResult(ACCURACY, "warn", measured, bound, words)
    return CheckResult(ACCURACY, "pass", measured, bound, words)


def check_predictions(before: Predictions, probabilities: Probabilities, options: CheckOptions) -> CheckResult:
    """Hold the probabilities of new rows against those of the test rows at promotion, by Cliff's delta.

    It needs no labels, and moves before the accuracy does. The bound is that of drift, with 99.9 % confidence.
    """
    bound = f"effect size at most {options.max_drift_effect:g}"
    if not (len(probabilities) and len(before.probabilities)):
        return CheckResult(PREDICTIONS, "warn", {}, bound, "there are no predictions to compare")
    if not (_is_probability(probabilities).all() and _is_probability(before.probabilities).all()):
        return CheckResult(PREDICTIONS, "fail", {}, bound, "some predictions are no number from 0 to 1")
    effect = cliffs_delta(probabilities, before.probabilities)
    shares = [float(predicted_labels(side).mean()) for side in (probabilities, before.probabilities)]
    measured = finite(
        effect=effect.size,
        effect_least=effect.least,
        predicted_positive=shares[0],
        promoted_predicted_positive=shares[1],
    )
    words = (
        f"effect size {effect.size:+.3f}, at least {effect.least:.3f}, against the test rows at promotion; "
        f"{shares[0]:.1%} are predicted positive, then {shares[1]:.1%}"
    )
    verdict: CheckVerdict = "pass"
    if not effect.least <= options.max_drift_effect:
        verdict, words = "fail", f"other than before: {words}"
    elif not abs(effect.size) <= options.max_drift_effect:
        verdict, words = "warn", f"too few rows to be sure that they are other than before: {words}"
    return CheckResult(PREDICTIONS, verdict, measured, bound, words)


def as_kept(drifts: Sequence[CheckResult], bounds: MonitorOptions) -> list[CheckResult]:
    """What was measured of drift, as the store keeps it: where drift raises no alarm, a failure is a warning."""
    if not drifts:
        off = "turned off by the configuration"
        return [CheckResult(name, "off", {}, "none", off, action="off") for name in (DRIFT, PREDICTIONS)]
    if bounds.alarm_on_drift:
        return list(drifts)
    return [
        replace(drift, action="warn", verdict="warn" if drift.verdict == "fail" else drift.verdict) for drift in drifts
    ]


def observation(
    champion: Champion,
    promoted: ConfusionMatrix,
    new: NewRows,
    results: Sequence[CheckResult],
    bounds: MonitorOptions,
) -> Observation:
    """All numbers of the new rows, and the verdict.

    Args:
        champion: Who was watched.
        promoted: Its test evaluation.
        new: The rows, and what it says of them.
        results: The accuracy first, then what was measured of drift; nothing that the configuration leaves out.
        bounds: The monitor's.
    """
    labels, total = new.rows.labels, len(new.rows.labels)
    correct = num_correct(labels, new.probabilities)
    lower, upper = exact_interval(correct, total)
    auc = placements(labels, new.probabilities).auc if _is_probability(new.probabilities).all() else math.nan
    verdict, reason = verdict_of(results, total, bounds)
    return Observation(
        line=champion.line,
        position=champion.position,
        candidate_id=champion.candidate_id,
        num_rows=new.num_labelled,
        num_new=total,
        accuracy=correct / total if total else None,
        lower=lower if total else None,
        upper=upper if total else None,
        auc=auc if math.isfinite(auc) else None,
        promoted_accuracy=promoted.accuracy,
        predicted_positive=float(predicted_labels(new.probabilities).mean()) if total else None,
        positive=float((labels == 1).mean()) if total else None,
        verdict=verdict,
        reason=reason,
    )


def verdict_of(results: Sequence[CheckResult], num_new: int, bounds: MonitorOptions) -> tuple[ObservationVerdict, str]:
    """The verdict, and what led to it: the accuracy decides, then whether there are enough rows, then drift."""
    accuracy, *drifts = results
    drifted = [result for result in drifts if result.verdict == "fail"]
    if accuracy.verdict == "fail":
        return "degraded", accuracy.evidence
    if num_new < bounds.min_rows:
        return "too few rows", accuracy.evidence
    if drifted:
        return "drifted", "; ".join([*(f"{result.name}: {result.evidence}" for result in drifted), accuracy.evidence])
    return "healthy", accuracy.evidence


def is_alarming(verdict: ObservationVerdict, bounds: MonitorOptions) -> bool:
    """Whether a verdict is to start something."""
    return verdict == "degraded" or (verdict == "drifted" and bounds.alarm_on_drift)


def _is_probability(values: Probabilities) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    # Written positively: a NaN is no probability.
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (values >= 0) & (values <= 1)
    return inside
