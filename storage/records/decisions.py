"""What the promotion rule takes and says, and what served when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

from storage.records.words import GateVerdict, Standing, Succession


@dataclass(frozen=True)
class Champion:
    """An entry in a line's history of what served; the last one serves now.

    Attributes:
        position: From 1, in the order in which they served.
        bundle: The bundle's digest.
        snapshot_id: What it was trained on.
        succession: How it came to serve.
        mark: Position of the line's high-water mark from here on: the last champion that was shown to be better than
            the mark before it, or was put there by hand. Challengers are held against it too, so that a row of small
            losses, each within its margin, cannot add up.
    """

    line: str
    position: int
    candidate_id: str
    model: str
    bundle: str
    snapshot_id: str
    succession: Succession
    mark: int
    reason: str
    promoted_at: datetime


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same rows, both scored now.

    Attributes:
        champion_id: The champion's candidate id.
        index: How many comparisons this test set had seen before (k, from 0).
        alpha: Error that this comparison may spend.
        only_challenger: Rows that only the challenger gets right (b).
        only_champion: Rows that only the champion gets right (c).
        p_value: Exact McNemar, one-sided: the challenger is not better.
        difference: Accuracy of the challenger minus the champion's, (b - c) / n, with `lower` and `upper` at 95 %.
        auc_difference: The same for the AUC, with DeLong's paired interval at 95 %.
        auc_standard_error: DeLong's, of the difference; NaN where it is undefined.
    """

    champion_id: str
    index: int
    alpha: float
    num_rows: int
    only_challenger: int
    only_champion: int
    p_value: float
    difference: float
    lower: float
    upper: float
    auc_difference: float
    auc_lower: float
    auc_upper: float
    auc_standard_error: float


@dataclass(frozen=True)
class Gate:
    """One condition of the promotion rule, with its numbers.

    Attributes:
        value: What was measured; None where nothing could be measured, which never passes.
        bound: What the value was held against.
        words: One sentence for a person.
    """

    name: str
    verdict: GateVerdict
    value: float | None
    bound: float | None
    words: str


@dataclass(frozen=True)
class Suspect:
    """A cause that a rejection may have.

    Attributes:
        cause: In the field's words, such as `alignment` or `too few epochs`.
        standing: `shown` by a check that names it, `likely` or `possible` from what was measured, or `ruled out`.
        evidence: One sentence with the numbers.
        remedy: What to do about it.
    """

    cause: str
    standing: Standing
    evidence: str
    remedy: str


@dataclass(frozen=True)
class Decision:
    """What the rule said about one candidate.

    Attributes:
        diagnosis: Of a rejection: the suspected causes, the strongest first, then those that are ruled out.
        succession: How the candidate comes to serve, if it does.
        moves_mark: Whether it becomes the line's high-water mark, if it serves.
    """

    candidate_id: str
    promote: bool
    reason: str
    gates: tuple[Gate, ...]
    comparison: Comparison | None = None
    diagnosis: tuple[Suspect, ...] = ()
    succession: Succession = "promotion"
    moves_mark: bool = True


@dataclass(frozen=True)
class Basis:
    """What decisions rest on besides the candidates: once it has changed, they have to be computed anew.

    Attributes:
        champion_position: Place of the champion that serves in its line's history; 0 for none.
        num_comparisons: How often the test set has been used to compare a challenger with a champion.
    """

    champion_position: int
    num_comparisons: int


@dataclass(frozen=True)
class Proposal:
    """What the rule would decide now; nothing of it is recorded.

    Attributes:
        decisions: On all candidates.
        basis: What they rest on.
        answers: What the opponents say of the test rows, each by its bundle's digest, float32 `(rows,)`, in the order
            of the snapshot.
    """

    decisions: tuple[Decision, ...]
    basis: Basis
    answers: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class Approval:
    """What came of asking a person whether a candidate may be promoted.

    Attributes:
        candidate_id: The candidate that was asked about.
        basis: What the decision rested on that the person was shown.
        approved: Whether the person said yes.
        name: Who decided; empty where nobody did.
        reason: In that person's words; where nobody decided, how that came.
    """

    candidate_id: str
    basis: Basis
    approved: bool
    name: str
    reason: str


@dataclass(frozen=True)
class Asked:
    """What a run brings from the question to the decision.

    Attributes:
        approval: The answer; None where nobody was asked.
        answers: Those of the proposal, so that no opponent is scored again.
    """

    approval: Approval | None = None
    answers: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
