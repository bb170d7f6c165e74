"""The gates: one condition each, written positively, so that missing, NaN and unknown never pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from scipy import stats

from storage.options import GateOptions
from storage.records import CheckResult, Comparison, ConfusionMatrix, Evaluation, Gate
from tasks.evaluation.bounds import exact_lower_bound, normal_quantile
from tasks.evaluation.paired import non_inferiority_p_value

RELOAD = "reload"
PROBE = "better than the probe"
CONTRADICTED = "the champion contradicts the labels"
_MOST_WRONG = 0.5


def gate_checks(checks: Sequence[CheckResult]) -> Gate:
    """No check of the data or of this model has failed; none at all is no proof."""
    name = "all checks passed"
    failed = [check for check in checks if check.verdict not in ("pass", "warn", "off")]
    counts = {verdict: sum(check.verdict == verdict for check in checks) for verdict in ("pass", "warn", "off")}
    if not checks:
        return Gate(name, "fail", None, None, "no check was made")
    words = f"{counts['pass']} of {len(checks)} checks passed"
    words += "".join(f", {counts[verdict]} {verdict}" for verdict in ("warn", "off") if counts[verdict])
    listed = "; ".join(f"{check.name}: {check.evidence}" for check in failed)
    return _gate(name, not failed, len(failed), 0, words, failing=listed)


def gate_reload(checks: Sequence[CheckResult]) -> Gate:
    """The published bundle was loaded in a fresh process and gave the same probabilities."""
    for check in checks:
        if check.name == RELOAD:
            if check.verdict == "off":
                return Gate(RELOAD, "not applicable", None, None, check.evidence)
            if (check.verdict, check.action) == ("warn", "warn"):
                return Gate(RELOAD, "waived", None, None, f"{check.evidence}; the configuration lets it pass")
            changed = float(check.measured.get("rows_changed", math.nan))
            passed = check.verdict == "pass"
            return _gate(RELOAD, passed, changed, 0, check.evidence, failing="the bundle is not the trained model")
    return Gate(RELOAD, "fail", None, None, "the bundle was not loaded back")


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


def gate_informedness(test: Evaluation, options: GateOptions) -> Gate:
    """The true positive and the true negative rate, each bounded from below, exceed 1 together, by twice the margin.

    Their sum minus 1 is Youden's index J (Cancer 3, 1950), 0 for every kind of guessing whatever the balance of the
    classes: saying «positive» nine times of ten gives rates of 0.9 and 0.1. Each bound takes half of the error.
    """
    confusion = test.confusion
    alpha = options.chance_alpha / 2
    positive = exact_lower_bound(confusion.true_positives, confusion.num_positive, alpha)
    negative = exact_lower_bound(confusion.true_negatives, confusion.num_negative, alpha)
    bound = 2 * options.accuracy_margin
    return _above(
        "informed about both classes",
        positive + negative - 1,
        bound,
        f"true positive rate at least {positive:.4f}, true negative rate at least {negative:.4f} at "
        f"{1 - options.chance_alpha:.1%}; needed: above {1 + bound:.4f} together",
        failing="the model tells the classes apart no better than by guessing",
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


def gate_probe(test: Evaluation, checks: Sequence[CheckResult], options: GateOptions) -> Gate:
    """Test accuracy is above that of the probe, a linear model on word counts; asked for only where configured."""
    accuracy = next((check.measured.get("test_accuracy") for check in checks if check.name == "probe"), None)
    if not isinstance(accuracy, (int, float)):
        return Gate(PROBE, "fail" if options.beat_probe else "not applicable", None, None, "the probe was not measured")
    words = f"test accuracy {test.confusion.accuracy:.4f}, the linear probe's {accuracy:.4f}"
    gate = _above(PROBE, test.confusion.accuracy, float(accuracy), words, failing="a linear model does as well")
    if gate.verdict == "fail" and not options.beat_probe:
        return replace(gate, verdict="waived", words=f"{gate.words}; the configuration does not ask for more")
    return gate


def gate_champion(comparison: Comparison | str | None, options: GateOptions) -> Gate:
    """Accuracy against the champion on the same rows, at this comparison's share of the ledger.

    Superiority: exact McNemar. Non-inferiority: Tango's score test of a loss by the margin or more.

    A champion has shown that it knows both classes. If it is wrong now on more than half of the rows, the labels have
    changed, not the quality: a model trained on swapped classes beats every sound champion.

    Args:
        comparison: The comparison; None if the line has no champion; a reason if the champion cannot be scored.
        options: Which of the two, and the margin.
    """
    superiority = options.comparison == "superiority"
    name = "better than the champion" if superiority else "not worse than the champion"
    if not isinstance(comparison, Comparison):
        return _without_comparison(name, comparison, options)
    # It is wrong on these rows at least.
    wrong = exact_lower_bound(comparison.only_challenger, comparison.num_rows, options.chance_alpha)
    if not wrong <= _MOST_WRONG:
        return _contradicted(name, wrong, comparison, options)
    p_value = comparison.p_value if superiority else _loss_p_value(comparison, options)
    test = "exact one-sided" if superiority else f"one-sided against a loss of {options.accuracy_loss_margin},"
    return _gate(
        name,
        p_value <= comparison.alpha,
        p_value,
        comparison.alpha,
        f"accuracy differs by {_interval(comparison.difference, comparison.lower, comparison.upper)} "
        f"({comparison.only_challenger:,} rows against {comparison.only_champion:,}), {test} "
        f"{_p_words(p_value)}; needed: at most {comparison.alpha:.3g} (comparison {comparison.index + 1} on "
        "this test set)",
        failing=f"not shown to be {name}",
    )


def gate_champion_auc(comparison: Comparison | str | None, options: GateOptions) -> Gate:
    """DeLong's lower bound of the difference in AUC, at this comparison's share of the ledger, is above a loss margin.

    Accuracy looks at one threshold: a model may win there and rank worse everywhere else.
    """
    name = "AUC not below the champion's"
    if not isinstance(comparison, Comparison):
        return _without_comparison(name, comparison, options)
    return _no_auc_loss(name, comparison, options, failing="the model may rank reviews worse than the champion")


def gate_mark(mark: Comparison | str | None, options: GateOptions) -> Gate:
    """Not worse than the line's high-water mark, by the margin: small losses, each allowed, do not add up.

    Args:
        mark: Compared with the mark; None if that is the champion itself, or there is none; a reason if the mark
            cannot be scored.
        options: The margin.
    """
    name = "not below the high-water mark"
    if not isinstance(mark, Comparison):
        return _without_mark(name, mark, options)
    p_value = _loss_p_value(mark, options)
    return _gate(
        name,
        p_value <= mark.alpha,
        p_value,
        mark.alpha,
        f"against {mark.champion_id}, accuracy differs by {_interval(mark.difference, mark.lower, mark.upper)}, "
        f"one-sided against a loss of {options.accuracy_loss_margin}, {_p_words(p_value)}; needed: at most "
        f"{mark.alpha:.3g}",
        failing="not shown to be as good as the best champion so far",
    )


def gate_mark_auc(mark: Comparison | str | None, options: GateOptions) -> Gate:
    """The same for the AUC, as against the champion: it could be lost little by little at an accuracy that stays."""
    name = "AUC not below the high-water mark's"
    if not isinstance(mark, Comparison):
        return _without_mark(name, mark, options)
    return _no_auc_loss(name, mark, options, failing="the model may rank reviews worse than the best champion so far")


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


def _without_comparison(name: str, reason: str | None, options: GateOptions, who: str = "the champion") -> Gate:
    if reason is None:
        return Gate(name, "not applicable", None, None, "the line has no champion yet")
    words = f"{who} could not be scored: {reason}"
    if options.replace_unscorable_champion:
        return Gate(name, "waived", None, None, f"{words}; the configuration lets it be replaced unseen")
    return Gate(name, "fail", None, None, words)


def _contradicted(name: str, wrong: float, comparison: Comparison, options: GateOptions) -> Gate:
    alone, rows = comparison.only_challenger, comparison.num_rows
    words = (
        f"{CONTRADICTED}: it alone is wrong on {alone:,} of {rows:,} rows, a share of at least {wrong:.4f} at "
        f"{1 - options.chance_alpha:.1%}; allowed: {_MOST_WRONG}. The classes seem to be swapped, in these reviews or "
        "in those that it was trained on"
    )
    if options.replace_unscorable_champion:
        return Gate(name, "waived", wrong, _MOST_WRONG, f"{words}; the configuration lets it be replaced")
    return _gate(name, False, wrong, _MOST_WRONG, words, failing="the comparison says nothing")


def _without_mark(name: str, reason: str | None, options: GateOptions) -> Gate:
    if reason is None:
        return Gate(name, "not applicable", None, None, "the champion is the high-water mark, or there is none")
    return _without_comparison(name, reason, options, who="the high-water mark")


def _no_auc_loss(name: str, comparison: Comparison, options: GateOptions, *, failing: str) -> Gate:
    lower = comparison.auc_difference - normal_quantile(1 - comparison.alpha) * comparison.auc_standard_error
    return _above(
        name,
        lower,
        -options.auc_loss_margin,
        f"AUC differs by {_interval(comparison.auc_difference, comparison.auc_lower, comparison.auc_upper)}, at least "
        f"{lower:+.4f} at {1 - comparison.alpha:.3%}; needed: above {-options.auc_loss_margin:+.4f}",
        failing=failing,
    )


def _loss_p_value(comparison: Comparison, options: GateOptions) -> float:
    counts = comparison.only_challenger, comparison.only_champion, comparison.num_rows
    return non_inferiority_p_value(*counts, options.accuracy_loss_margin)


def _interval(value: float, lower: float, upper: float) -> str:
    return f"{value:+.4f} [{lower:+.4f}, {upper:+.4f}]"


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
