"""The rule: every candidate through every gate; of those that pass all, one is promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.options import GateOptions
from storage.records import Comparison, Decision, Evaluation, Gate
from tasks.promotion import gates


@dataclass(frozen=True)
class Assessment:
    """What the rule is told of a candidate.

    Attributes:
        comparison: With the champion, both scored now on the same rows; None if the line has no champion; a reason, in
            words, if the champion could not be scored, which never passes.
    """

    candidate_id: str
    validation: Evaluation
    test: Evaluation
    comparison: Comparison | str | None


def decide(assessments: Sequence[Assessment], options: GateOptions) -> list[Decision]:
    """Decide on the candidates of one run, in their order.

    At most one decision promotes. Where several candidates pass, validation accuracy chooses between them: to choose by
    test accuracy would be one more use of the test set.
    """
    judged = [judge(assessment, options) for assessment in assessments]
    passing = [number for number, of in enumerate(judged) if not _failing(of)]
    best = max(passing, key=lambda number: _validation_accuracy(assessments[number]), default=None)
    if best is not None:
        for number in passing:
            judged[number] += (_gate_best_of_run(assessments[number], assessments[best], number == best),)
    return [_decision(assessment, of) for assessment, of in zip(assessments, judged, strict=True)]


def judge(assessment: Assessment, options: GateOptions) -> tuple[Gate, ...]:
    """One candidate through all gates that concern it alone."""
    test = assessment.test
    return (
        gates.gate_above_chance(test, options),
        gates.gate_not_inverted(test, options),
        gates.gate_auc(test, options),
        gates.gate_recall(test, 0, options),
        gates.gate_recall(test, 1, options),
        gates.gate_validation_gap(assessment.validation, test, options),
        gates.gate_beats_champion(assessment.comparison),
    )


def _gate_best_of_run(assessment: Assessment, best: Assessment, is_best: bool) -> Gate:
    accuracies = _validation_accuracy(assessment), _validation_accuracy(best)
    return gates.gate_best_of_run(is_best, *accuracies, best.candidate_id)


def _decision(assessment: Assessment, of: tuple[Gate, ...]) -> Decision:
    failing = _failing(of)
    comparison = assessment.comparison if isinstance(assessment.comparison, Comparison) else None
    reason = _rejection_reason(failing) if failing else _promotion_reason(comparison)
    return Decision(assessment.candidate_id, not failing, reason, of, comparison)


def _rejection_reason(failing: list[Gate]) -> str:
    others = ", ".join(gate.name for gate in failing[1:])
    return failing[0].words + (f"; also failed: {others}" if others else "")


def _promotion_reason(comparison: Comparison | None) -> str:
    if comparison is None:
        return "all gates passed, and the line had no champion"
    return f"all gates passed, and better than the champion by {comparison.difference:+.4f} in accuracy"


def _failing(of: tuple[Gate, ...]) -> list[Gate]:
    # What is neither passed nor not applicable has failed.
    return [gate for gate in of if gate.verdict not in ("pass", "not applicable")]


def _validation_accuracy(assessment: Assessment) -> float:
    return assessment.validation.confusion.accuracy
