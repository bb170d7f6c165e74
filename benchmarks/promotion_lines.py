"""Lines of champions under the project's own rule, in both of its modes, and under two that are in use elsewhere.

The project's own is called as the flow calls it: `decide` on an `Assessment` with comparisons from `compare_accuracy`,
DeLong's test and `alpha_for`. Nothing of it is written again here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from benchmarks.simulated_models import Model
from storage.options import GateOptions
from storage.records import CheckResult, Comparison, Decision
from tasks.evaluation.paired import PairedAccuracy, PairedAuc, compare_accuracy, compare_placements
from tasks.promotion.gates import RELOAD
from tasks.promotion.ledger import alpha_for
from tasks.promotion.rule import Assessment, decide

PLAIN_ALPHA = 0.05
LENIENT = GateOptions(comparison="non-inferiority", accuracy_loss_margin=0.005)
_OPTIONS = GateOptions()
_RELOADED: dict[str, float | int | str] = {
    "rows": 256,
    "rows_changed": 0,
    "largest_difference": 0.0,
    "tolerance": 1e-4,
}
_CHECKS = (
    CheckResult("label balance", "pass", {"smallest_share": 0.5}, "at least 0.2", "both classes are there"),
    CheckResult(RELOAD, "pass", _RELOADED, "at most 1e-4", "256 test rows give the same probabilities"),
)
# Words in the names of the gates that shall decide.
_DECIDING = ("champion", "high-water mark", "best of its run")


@dataclass(frozen=True)
class Line:
    """A line as it stands between two runs.

    Attributes:
        champion: Serves now.
        mark: The high-water mark; None if that is the champion itself.
        spent: Comparisons that the test set has seen.
        promotions: Champions that were replaced.
    """

    champion: Model
    mark: Model | None = None
    spent: int = 0
    promotions: int = 0


Rule = Callable[[Line, Sequence[Model]], Line]


def by_ledger(
    line: Line, challengers: Sequence[Model], options: GateOptions = _OPTIONS, *, hold_mark: bool = True
) -> Line:
    """One run under the project's rule.

    Args:
        line: Before the run.
        challengers: The run's candidates.
        options: Bounds of the gates.
        hold_mark: Whether challengers are held against the high-water mark; without it, the rule as it would be.
    """
    for challenger, decision in zip(challengers, _decisions(line, challengers, options), strict=True):
        if decision.promote:
            keeps_mark = hold_mark and not decision.moves_mark
            mark = (line.mark or line.champion) if keeps_mark else None
            line = Line(challenger, mark, line.spent, line.promotions + 1)
    return replace(line, spent=line.spent + len(challengers))


def by_mcnemar(line: Line, challengers: Sequence[Model]) -> Line:
    """A plain McNemar test at 0.05 each time; of several that pass, validation chooses."""
    passing = [model for model in challengers if _paired(model, line.champion)[0].p_value <= PLAIN_ALPHA]
    return _promote(line, max(passing, key=lambda model: model.validation.confusion.accuracy, default=None))


def by_greater(line: Line, challengers: Sequence[Model]) -> Line:
    """The best on test, if its accuracy is greater than the champion's: no test at all."""
    best = max(challengers, key=_test_accuracy)
    return _promote(line, best if _test_accuracy(best) > _test_accuracy(line.champion) else None)


def by_non_inferiority(line: Line, challengers: Sequence[Model]) -> Line:
    """The project's rule where only non-inferiority by half a point is asked for."""
    return by_ledger(line, challengers, LENIENT)


LEDGER, NON_INFERIORITY = "the rule", "the rule, non-inferiority"
RULES: dict[str, Rule] = {
    LEDGER: by_ledger,
    "McNemar at 0.05": by_mcnemar,
    "bare `>`": by_greater,
    NON_INFERIORITY: by_non_inferiority,
}


def _decisions(line: Line, challengers: Sequence[Model], options: GateOptions) -> list[Decision]:
    """What the project's rule says of a run's candidates.

    Raises:
        RuntimeError: A gate fails that has nothing to do with the champion: the simulation would count that for it.
    """
    assessments = []
    for number, challenger in enumerate(challengers):
        index = line.spent + number
        comparison = _compare(challenger, line.champion, index, options)
        mark = _compare(challenger, line.mark, index, options) if line.mark else None
        parts = challenger.validation, challenger.test, _CHECKS, comparison, mark
        assessments.append(Assessment(f"candidate {index}", *parts))
    decisions = decide(assessments, options)
    for gate in (gate for of in decisions for gate in of.gates if gate.verdict == "fail"):
        if not any(words in gate.name for words in _DECIDING):
            raise RuntimeError(f"the gate {gate.name!r} decided, and only those against the champion should: {gate}")
    return decisions


def _promote(line: Line, model: Model | None) -> Line:
    return line if model is None else Line(model, promotions=line.promotions + 1)


def _test_accuracy(model: Model) -> float:
    return model.test.confusion.accuracy


# Several lines of a year ask for the same pair in the same week.
@lru_cache(maxsize=32)
def _paired(challenger: Model, opponent: Model) -> tuple[PairedAccuracy, PairedAuc]:
    return (
        compare_accuracy(challenger.correct, opponent.correct),
        compare_placements(challenger.placements, opponent.placements),
    )


def _compare(challenger: Model, opponent: Model, index: int, options: GateOptions) -> Comparison:
    accuracy, auc = _paired(challenger, opponent)
    return Comparison(
        champion_id="champion",
        index=index,
        alpha=alpha_for(index, options.comparison_alpha),
        num_rows=len(challenger.correct),
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
