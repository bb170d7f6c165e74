"""The accuracies that a verdict rests on, all on the same test rows, with their exact 95 % bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage.records import Candidate, CheckResult, ConfusionMatrix, Decision
from tasks.evaluation.bounds import exact_interval

Role = Literal["model", "champion", "probe"]


@dataclass(frozen=True)
class Score:
    """An accuracy, as a share.

    Attributes:
        name: Whose.
        role: A newly trained model, the champion, or the linear probe.
        value: NaN where it is undefined.
        lower: Lower end of the two-sided 95 % interval of Clopper and Pearson; NaN where there is none.
        upper: Its upper end.
        auc: Area under the ROC curve; NaN where it is undefined or was not measured.
    """

    name: str
    role: Role
    value: float
    lower: float
    upper: float
    auc: float = math.nan

    def __str__(self) -> str:
        """The accuracy with its bounds: `0.8313 [0.8193, 0.8428]`."""
        return with_bounds(self.value, self.lower, self.upper)


def score_on_test(candidate: Candidate) -> Score:
    """The accuracy of a candidate on the test rows."""
    of = candidate.test.confusion
    return Score(
        candidate.model, "model", of.accuracy, *exact_interval(of.num_correct, of.num_rows), candidate.test.auc
    )


def scores_on_test(
    candidates: Sequence[Candidate], decisions: Sequence[Decision], checks: Sequence[CheckResult]
) -> list[Score]:
    """All models, then what they were held against: the champion where there is one, and the linear probe."""
    scores = [score_on_test(candidate) for candidate in candidates]
    return [*scores, *_champion_score(candidates, decisions), *_probe_score(checks)]


def majority_share(confusion: ConfusionMatrix) -> float:
    """Accuracy of one who always says the more frequent label; NaN without a row."""
    return max(confusion.num_negative, confusion.num_positive) / confusion.num_rows if confusion.num_rows else math.nan


def with_bounds(value: float | None, lower: float | None = None, upper: float | None = None) -> str:
    """A number with its bounds where it has any, to four places; a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return "-"
    bounded = all(bound is not None and math.isfinite(bound) for bound in (lower, upper))
    return f"{value:.4f} [{lower:.4f}, {upper:.4f}]" if bounded else f"{value:.4f}"


def _champion_score(candidates: Sequence[Candidate], decisions: Sequence[Decision]) -> list[Score]:
    """The champion as it was scored for the comparison; nothing where there was none."""
    by_id = {candidate.id: candidate for candidate in candidates}
    for decision in decisions:
        compared = decision.comparison
        if compared is not None and decision.candidate_id in by_id:
            test = by_id[decision.candidate_id].test
            correct = test.confusion.num_correct - compared.only_challenger + compared.only_champion
            run, _, model = compared.champion_id.partition("/")
            interval = exact_interval(correct, compared.num_rows)
            auc = test.auc - compared.auc_difference
            return [Score(f"champion: {model} of {run}", "champion", correct / compared.num_rows, *interval, auc)]
    return []


def _probe_score(checks: Sequence[CheckResult]) -> list[Score]:
    measured = next((check.measured for check in checks if check.name == "probe"), {})
    names = ("test_accuracy", "test_accuracy_lower", "test_accuracy_upper", "test_auc")
    value, lower, upper, auc = (float(measured.get(name, math.nan)) for name in names)
    return [Score("linear probe", "probe", value, lower, upper, auc)] if math.isfinite(value) else []
