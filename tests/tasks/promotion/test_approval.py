"""The gate that a person opens: what passes it, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.options import GateOptions
from storage.records import Approval, Basis, Decision
from tasks.promotion.approval import APPROVED, gate_approval, is_unanswered
from tasks.promotion.rule import decide
from tests.tasks.promotion.conftest import ADVANCED, BASELINE, BETTER, failed, gate_of, validation

SHOWN = Basis(champion_position=3, num_comparisons=5)
YES = Approval("run/baseline", SHOWN, approved=True, name="Ana", reason="reads well")
NO = replace(YES, approved=False, reason="too many false positives.")
NOBODY = Approval("run/baseline", SHOWN, approved=False, name="", reason="nobody approved it within 24 hours")
SISTER = replace(BASELINE, candidate_id="run/sister", validation=validation(0.83))


def gate(approval: Approval | None, basis: Basis = SHOWN) -> tuple[str, float | None, float | None, str]:
    made = gate_approval("run/baseline", basis, approval)
    assert made.name == APPROVED
    return made.verdict, made.value, made.bound, made.words


def decided(approval: Approval | None, *others: object) -> list[Decision]:
    assessments = [replace(BASELINE, comparison=BETTER), *others]
    return decide(assessments, GateOptions(), lambda of: gate_approval(of, SHOWN, approval))  # type: ignore[arg-type]


def test_an_approval_of_this_candidate_against_this_champion_passes() -> None:
    assert gate(YES) == ("pass", 1.0, 1.0, "approved by Ana: reads well")


@pytest.mark.parametrize(
    ("approval", "words"),
    [
        (NO, "rejected by Ana: too many false positives"),
        (NOBODY, "nobody approved it within 24 hours"),
        (None, "nobody was asked about this candidate"),
        (
            replace(YES, candidate_id="run/sister"),
            "nobody was asked about this candidate, but about run/sister",
        ),
        (replace(YES, name=" "), "reads well; but that is void: it needs a name and a reason"),
        (replace(YES, reason=""), "approved by Ana: ; but that is void: it needs a name and a reason"),
        (replace(YES, approved=None), "rejected by Ana: reads well"),  # type: ignore[arg-type]
    ],
    ids=["rejected", "no answer", "nobody asked", "another candidate", "no name", "no reason", "neither"],
)
def test_whatever_is_no_approval_fails_with_who_and_why(approval: Approval | None, words: str) -> None:
    assert gate(approval) == ("fail", 0.0, 1.0, words)


@pytest.mark.parametrize(
    ("basis", "why"),
    [
        (replace(SHOWN, champion_position=4), "the champion has changed since (its number was 3, and is 4)"),
        (replace(SHOWN, champion_position=0), "the champion has changed since (its number was 3, and is none)"),
        (replace(SHOWN, num_comparisons=6), "the test set has been used for another comparison since"),
    ],
)
def test_an_approval_is_void_once_what_was_shown_has_changed(basis: Basis, why: str) -> None:
    assert gate(YES, basis) == ("fail", 0.0, 1.0, f"approved by Ana: reads well; but that is void: {why}")
    assert gate(NO, basis)[0] == "fail"


def test_in_a_dry_run_nobody_is_asked() -> None:
    made = gate_approval("run/baseline", SHOWN, None, dry_run=True)
    assert (made.verdict, made.value, made.bound) == ("not applicable", None, None)


# In the rule.


def test_an_approved_candidate_is_promoted_with_the_persons_words_in_its_reason() -> None:
    (decision,) = decided(YES)
    assert decision.promote
    assert decision.reason == (
        "all gates passed, and better than the champion: +0.0120 in accuracy; approved by Ana: reads well"
    )
    assert decision.gates[-1].name == APPROVED
    assert decision.diagnosis == ()


def test_a_refused_candidate_has_no_fault() -> None:
    (decision,) = decided(NO)
    assert not decision.promote
    assert failed(decision) == [APPROVED]
    assert decision.reason == "rejected by Ana: too many false positives"
    (suspect,) = decision.diagnosis
    assert (suspect.cause, suspect.standing) == ("not approved", "shown")
    assert suspect.evidence == decision.reason
    assert "nothing has to be repaired" in suspect.remedy


@pytest.mark.parametrize("answer", [NO, NOBODY, None])
def test_the_next_best_is_not_promoted_in_place_of_the_one_that_was_refused(answer: Approval | None) -> None:
    winner, sister = decided(answer, SISTER)
    assert failed(winner) == [APPROVED]
    assert failed(sister) == ["best of its run"]
    assert APPROVED not in [gate.name for gate in sister.gates]


def test_nobody_is_asked_about_a_candidate_that_fails_another_gate() -> None:
    (decision,) = decide([ADVANCED], GateOptions(), lambda of: gate_approval(of, SHOWN, YES))
    assert not decision.promote
    assert APPROVED not in [gate.name for gate in decision.gates]


def test_an_approval_of_one_candidate_does_not_promote_the_one_that_wins_instead() -> None:
    first, second = decided(replace(YES, candidate_id="run/sister"), SISTER)
    assert (first.promote, second.promote) == (False, False)
    assert gate_of(first, APPROVED).words == "nobody was asked about this candidate, but about run/sister"


# Whether to ask again.


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (YES, False),
        (NO, False),
        (NOBODY, True),
        (None, True),
        (replace(YES, basis=Basis(2, 5)), True),
        (replace(NO, candidate_id="run/sister"), True),
    ],
    ids=["approved", "rejected", "no answer", "nobody asked", "void", "another was rejected"],
)
def test_a_candidate_waits_until_a_person_has_approved_or_refused_it(answer: Approval | None, waits: bool) -> None:
    assert is_unanswered(decided(answer, SISTER), answer) == waits


def test_where_no_person_has_a_say_nothing_waits() -> None:
    assert not is_unanswered(decide([BASELINE, ADVANCED], GateOptions()), None)
    assert not is_unanswered([], None)
