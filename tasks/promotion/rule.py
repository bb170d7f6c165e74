"""The rule: every candidate through every gate; of those that pass all, one is promoted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storage.options import GateOptions
from storage.records import CheckResult, Comparison, Decision, Evaluation, Gate
from tasks.promotion import gates
from tasks.promotion.approval import APPROVED
from tasks.promotion.diagnosis import diagnose


@dataclass(frozen=True)
class Assessment:
    """What the rule is told of a candidate.

    Attributes:
        checks: What the checks of the data and of this model said.
        comparison: With the champion, both scored now on the same rows; None if the line has no champion; a reason, in
            words, if the champion could not be scored, which never passes.
        mark: The same with the line's high-water mark; None if that is the champion itself.
    """

    candidate_id: str
    validation: Evaluation
    test: Evaluation
    checks: tuple[CheckResult, ...]
    comparison: Comparison | str | None
    mark: Comparison | str | None = None


def decide(
    assessments: Sequence[Assessment], options: GateOptions, approval: Callable[[str], Gate] | None = None
) -> list[Decision]:
    """Decide on the candidates of one run, in their order.

    At most one decision promotes. Where several candidates pass, validation accuracy chooses between them: to choose by
    test accuracy would be one more use of the test set. If a person refuses the one that is chosen, none is promoted:
    nobody has approved the next best.

    Args:
        assessments: Of each candidate.
        options: Bounds of the gates.
        approval: Gives the last gate of the candidate of that id; None where no person has a say.
    """
    judged = [judge(assessment, options) for assessment in assessments]
    passing = [number for number, of in enumerate(judged) if not _failing(of)]
    best = max(passing, key=lambda number: _validation_accuracy(assessments[number]), default=None)
    if best is not None:
        for number in passing:
            judged[number] += (_gate_best_of_run(assessments[number], assessments[best], number == best),)
        if approval is not None:
            judged[best] += (approval(assessments[best].candidate_id),)
    return [_decision(assessment, of) for assessment, of in zip(assessments, judged, strict=True)]


def judge(assessment: Assessment, options: GateOptions) -> tuple[Gate, ...]:
    """One candidate through all gates that concern it alone."""
    test = assessment.test
    return (
        gates.gate_checks(assessment.checks),
        gates.gate_reload(assessment.checks),
        gates.gate_above_chance(test, options),
        gates.gate_informedness(test, options),
        gates.gate_not_inverted(test, options),
        gates.gate_auc(test, options),
        gates.gate_recall(test, 0, options),
        gates.gate_recall(test, 1, options),
        gates.gate_validation_gap(assessment.validation, test, options),
        gates.gate_probe(test, assessment.checks, options),
        gates.gate_champion(assessment.comparison, options),
        gates.gate_champion_auc(assessment.comparison, options),
        gates.gate_mark(assessment.mark, options),
        gates.gate_mark_auc(assessment.mark, options),
    )


def _gate_best_of_run(assessment: Assessment, best: Assessment, is_best: bool) -> Gate:
    accuracies = _validation_accuracy(assessment), _validation_accuracy(best)
    return gates.gate_best_of_run(is_best, *accuracies, best.candidate_id)


def _decision(assessment: Assessment, of: tuple[Gate, ...]) -> Decision:
    failing = _failing(of)
    # Whatever was compared with, the test set was used once.
    made = [of for of in (assessment.comparison, assessment.mark) if isinstance(of, Comparison)]
    comparison = made[0] if made else None
    # Only a champion that was not compared with makes a promotion a forced one.
    waived = [gate for gate in of if gate.verdict == "waived" and gate.name not in (gates.PROBE, gates.RELOAD)]
    return Decision(
        assessment.candidate_id,
        promote=not failing,
        reason=_rejection_reason(failing) if failing else _promotion_reason(comparison, waived) + _approved_words(of),
        gates=of,
        comparison=comparison,
        diagnosis=diagnose(assessment.checks, assessment.validation, assessment.test, of) if failing else (),
        succession="forced replacement" if waived else "promotion",
        moves_mark=_moves_mark(assessment),
    )


def _moves_mark(assessment: Assessment) -> bool:
    """Whether a candidate that serves is the new high-water mark: only what is shown to be better than the old one is.

    The old mark is the champion itself where no other is named. Where there is none, or it cannot be scored any more,
    what serves begins a new one.
    """
    against = assessment.comparison if assessment.mark is None else assessment.mark
    return not isinstance(against, Comparison) or against.p_value <= against.alpha


def _rejection_reason(failing: list[Gate]) -> str:
    others = ", ".join(gate.name for gate in failing[1:])
    return failing[0].words + (f"; also failed: {others}" if others else "")


def _promotion_reason(comparison: Comparison | None, waived: list[Gate]) -> str:
    if waived:
        return f"forced by the configuration: {waived[0].words}; all other gates passed"
    if comparison is None:
        return "all gates passed, and the line had no champion"
    better = "better than" if comparison.p_value <= comparison.alpha else "not worse, by more than the margin, than"
    return f"all gates passed, and {better} the champion: {comparison.difference:+.4f} in accuracy"


def _approved_words(of: tuple[Gate, ...]) -> str:
    return "".join(f"; {gate.words}" for gate in of if (gate.name, gate.verdict) == (APPROVED, "pass"))


def _failing(of: tuple[Gate, ...]) -> list[Gate]:
    # What is neither passed, nor waived by the configuration, nor not applicable has failed.
    return [gate for gate in of if gate.verdict not in ("pass", "not applicable", "waived")]


def _validation_accuracy(assessment: Assessment) -> float:
    return assessment.validation.confusion.accuracy
