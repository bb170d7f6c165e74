"""The gates: one condition each, written positively, so that missing, NaN and unknown never pass."""

from __future__ import annotations

import math

from scipy import stats

from storage.options import GateOptions
from storage.records import Comparison, ConfusionMatrix, Evaluation, Gate
from tasks.evaluation.bounds import exact_lower_bound, normal_quantile


def gate_above_chance(test: Evaluation, options: GateOptions) -> Gate:
    """The accuracy's exact lower bound exceeds the majority class's share plus a margin."""
    confusion = test.confusion
    majority = _ratio(max(confusion.num_negative, confusion.num_positive), confusion.num_rows)
    lower = exact_lower_bound(confusion.num_correct, confusion.num_rows, options.chance_alpha)
    return _above(
        "above chance",
        lower,
        majority + options.accuracy_margin,
        f"test accuracy {confusion.accuracy:.4f}, at least {lower:.4f} at {1 - options.chance_alpha:.1%}; needed: "
        f"above {majority + options.accuracy_margin:.4f} (the majority's {majority:.4f} + {options.accuracy_margin})",
        failing="the model scores near chance",
    )


def gate_not_inverted(test: Evaluation, options: GateOptions) -> Gate:
    """The accuracy is not significantly below the one of blind guessing with the same share of positives.

    That level is Cohen's chance agreement (Educational and Psychological Measurement 20, 1960). To be wrong more often
    than that, a model must know the labels: its output, the labels, or the order of the rows is turned about.
    """
    confusion = test.confusion
    chance = chance_agreement(confusion)
    p_value = below_chance_p_value(confusion)
    return _above(
        "not inverted or misaligned",
        1.0 if confusion.accuracy >= chance else p_value,
        options.inversion_alpha,
        f"test accuracy {confusion.accuracy:.4f} against {chance:.4f} for blind guessing, two-sided exact "
        f"{_p_words(p_value)}",
        failing="significantly below chance: labels or scores are inverted, or rows are misaligned",
    )


def gate_auc(test: Evaluation, options: GateOptions) -> Gate:
    """DeLong's lower bound of the AUC exceeds 0.5 plus a margin."""
    lower = test.auc - normal_quantile(1 - options.chance_alpha) * test.auc_standard_error
    bound = 0.5 + options.auc_margin
    return _above(
        "AUC above chance",
        lower,
        bound,
        f"test AUC {test.auc:.4f}, at least {lower:.4f} at {1 - options.chance_alpha:.1%}; needed: above {bound:.4f}",
        failing="the model ranks reviews near chance",
    )


def gate_recall(test: Evaluation, label: int, options: GateOptions) -> Gate:
    """The exact lower bound of one class's recall exceeds the floor."""
    confusion = test.confusion
    correct = (confusion.true_negatives, confusion.true_positives)[label]
    support = (confusion.num_negative, confusion.num_positive)[label]
    lower = exact_lower_bound(correct, support, options.chance_alpha)
    return _above(
        f"recall of class {label}",
        lower,
        options.recall_floor,
        f"recall of class {label} is {_ratio(correct, support):.4f}, at least {lower:.4f} at "
        f"{1 - options.chance_alpha:.1%}; needed: above {options.recall_floor}",
        failing=f"the model misses too many reviews of class {label}",
    )


def gate_validation_gap(validation: Evaluation, test: Evaluation, options: GateOptions) -> Gate:
    """Validation accuracy does not exceed test accuracy by more than a margin, beyond sampling error.

    Plain significance would reject too much, since early stopping selects on validation.
    """
    p_v, n_v = validation.confusion.accuracy, validation.confusion.num_rows
    p_t, n_t = test.confusion.accuracy, test.confusion.num_rows
    if not (n_v and n_t):
        return Gate("validation agrees with test", "fail", None, None, "validation or test has no rows")
    error = math.sqrt(p_v * (1 - p_v) / n_v + p_t * (1 - p_t) / n_t)
    lower = (p_v - p_t) - normal_quantile(1 - options.chance_alpha) * error
    return _gate(
        "validation agrees with test",
        lower <= options.validation_gap_margin,
        lower,
        options.validation_gap_margin,
        f"validation accuracy {p_v:.4f}, test accuracy {p_t:.4f}: the gap is at least {lower:.4f} at "
        f"{1 - options.chance_alpha:.1%}; allowed: {options.validation_gap_margin}",
        failing="test disagrees with validation: look for a fault in the split, the alignment or the scaling",
    )


def gate_beats_champion(comparison: Comparison | str | None) -> Gate:
    """Exact McNemar against the champion on the same rows, at this comparison's share of the ledger.

    Args:
        comparison: The comparison; None if the line has no champion; a reason if the champion cannot be scored.
    """
    name = "better than the champion"
    if comparison is None:
        return Gate(name, "not applicable", None, None, "the line has no champion yet")
    if isinstance(comparison, str):
        return Gate(name, "fail", None, None, f"the champion could not be scored: {comparison}")
    return _gate(
        name,
        comparison.p_value <= comparison.alpha,
        comparison.p_value,
        comparison.alpha,
        f"accuracy differs by {comparison.difference:+.4f} [{comparison.lower:+.4f}, {comparison.upper:+.4f}] "
        f"({comparison.only_challenger:,} rows against {comparison.only_champion:,}), exact one-sided "
        f"{_p_words(comparison.p_value)}; needed: at most {comparison.alpha:.3g} (comparison {comparison.index + 1} on "
        "this test set)",
        failing="not shown to be better than the champion",
    )


def gate_best_of_run(is_best: bool, value: float, best: float, best_id: str) -> Gate:
    """Of the candidates that pass all other gates, the one with the best validation accuracy is promoted."""
    return _gate(
        "best of its run",
        is_best,
        value,
        best,
        f"validation accuracy {value:.4f}, the best of this run is {best:.4f} ({best_id})",
        failing="another candidate of this run is preferred",
    )


def chance_agreement(confusion: ConfusionMatrix) -> float:
    """Accuracy of guessing at random with the model's own share of positives (Cohen's p_e)."""
    predicted_positive = _ratio(confusion.true_positives + confusion.false_positives, confusion.num_rows)
    positive = _ratio(confusion.num_positive, confusion.num_rows)
    return predicted_positive * positive + (1 - predicted_positive) * (1 - positive)


def below_chance_p_value(confusion: ConfusionMatrix) -> float:
    """Two-sided exact binomial p-value of the accuracy against chance agreement; NaN without rows."""
    if not confusion.num_rows:
        return math.nan
    return float(stats.binomtest(confusion.num_correct, confusion.num_rows, chance_agreement(confusion)).pvalue)


def _p_words(p_value: float) -> str:
    # Floating point ends there; no p-value is zero.
    return "p < 1e-300" if p_value < 1e-300 else f"p = {p_value:.3g}"


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _above(name: str, value: float, bound: float, words: str, *, failing: str) -> Gate:
    return _gate(name, value > bound, value, bound, words, failing=failing)


def _gate(name: str, passed: bool, value: float, bound: float, words: str, *, failing: str) -> Gate:
    measured = math.isfinite(value) and math.isfinite(bound)
    if not measured:
        words = f"could not be measured ({words})"
    return Gate(
        name=name,
        verdict="pass" if passed and measured else "fail",
        value=value if math.isfinite(value) else None,
        bound=bound if math.isfinite(bound) else None,
        words=words if passed and measured else f"{failing}: {words}",
    )
