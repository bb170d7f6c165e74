"""What a champion does once it serves, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass

from storage.records.checks import CheckResult
from storage.records.words import ObservationVerdict


@dataclass(frozen=True)
class Observation:
    """How a champion does on labelled reviews that came since it was trained.

    Attributes:
        line: Whose champion.
        position: Its place in the line's history.
        candidate_id: The champion's candidate id.
        num_rows: Labelled rows that were read and can be used.
        num_new: Those that the champion's snapshot does not hold, each counted once. All shares are of these.
        accuracy: Share of them that it gets right, with `lower` and `upper` at 95 %; None without any.
        auc: Area under the ROC curve; None where it is undefined.
        promoted_accuracy: Its accuracy on its test rows, as it was when it was promoted.
        predicted_positive: Share that it labels positive; None without any row.
        positive: Share that is positive; None without any row.
        reason: What led to the verdict, in a sentence.
    """

    line: str
    position: int
    candidate_id: str
    num_rows: int
    num_new: int
    accuracy: float | None
    lower: float | None
    upper: float | None
    auc: float | None
    promoted_accuracy: float
    predicted_positive: float | None
    positive: float | None
    verdict: ObservationVerdict
    reason: str


@dataclass(frozen=True)
class Watched:
    """What a run of the monitor found.

    Attributes:
        results: What was measured: the accuracy first, then drift.
        source_line: The line that the watched reviews would be trained on as; often the champion's own.
    """

    observation: Observation
    results: tuple[CheckResult, ...]
    source_line: str


@dataclass(frozen=True)
class LabelledText:
    """A text and what the champion says of it: `probability` that it is positive, `label` 1 above one half."""

    text: str
    probability: float
    label: int
    champion: str


@dataclass(frozen=True)
class ScoredFile:
    """What came of a source.

    Attributes:
        path: The output.
        champion: Candidate id of the champion that labelled it.
        num_rows: All rows, refused ones included.
        num_positive: Rows labelled 1.
        num_refused: Rows without a label, for the reason that stands beside them.
    """

    path: str
    champion: str
    num_rows: int
    num_positive: int
    num_refused: int
