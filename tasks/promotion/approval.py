"""The gate that a person opens or shuts. How the person is asked is the flow's business."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import Approval, Basis, Decision, Gate

APPROVED = "approved by a person"


def gate_approval(candidate_id: str, basis: Basis, approval: Approval | None, *, dry_run: bool = False) -> Gate:
    """A named person has approved this very candidate, and what that person was shown still holds.

    Args:
        candidate_id: Of the candidate that passes all other gates.
        basis: What the decision rests on now.
        approval: The answer; None where nobody was asked.
        dry_run: Whether there is nothing to approve, since nothing is going to be promoted.
    """
    if dry_run:
        return Gate(APPROVED, "not applicable", None, None, "a dry run promotes nothing, so that nobody is asked")
    if approval is None or approval.candidate_id != candidate_id:
        return _gate(False, _not_asked(approval))
    said = _in_words(approval)
    if approval.approved is not True:
        return _gate(False, said)
    is_signed = bool(approval.name.strip() and approval.reason.strip())
    holds = is_signed and approval.basis == basis
    return _gate(holds, said if holds else f"{said}; but that is void: {_void(approval, basis, is_signed)}")


def is_unanswered(decisions: Sequence[Decision], approval: Approval | None) -> bool:
    """Whether a candidate still waits for an answer: it lacks the approval, and nobody has refused it."""
    lacking = [
        of.candidate_id for of in decisions for gate in of.gates if (gate.name, gate.verdict) == (APPROVED, "fail")
    ]
    is_refusal = approval is not None and approval.name.strip() and not approval.approved
    refused = approval.candidate_id if approval is not None and is_refusal else None
    return any(candidate_id != refused for candidate_id in lacking)


def _gate(passed: bool, words: str) -> Gate:
    # Measured in approvals: there is one, and one is needed.
    return Gate(APPROVED, "pass" if passed else "fail", float(passed), 1.0, words)


def _in_words(approval: Approval) -> str:
    reason = approval.reason.rstrip(". ")
    if not approval.name.strip():
        return reason
    return f"{'approved' if approval.approved else 'rejected'} by {approval.name}: {reason}"


def _not_asked(approval: Approval | None) -> str:
    about = "" if approval is None else f", but about {approval.candidate_id}"
    return f"nobody was asked about this candidate{about}"


def _void(approval: Approval, basis: Basis, is_signed: bool) -> str:
    shown = approval.basis
    if not is_signed:
        return "it needs a name and a reason"
    if shown.champion_position != basis.champion_position:
        then, now = (position or "none" for position in (shown.champion_position, basis.champion_position))
        return f"the champion has changed since (its number was {then}, and is {now})"
    return "the test set has been used for another comparison since"
