"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass

from storage.records.words import CheckAction, CheckVerdict


@dataclass(frozen=True)
class CheckResult:
    """What a check measured and what it makes of it.

    Attributes:
        name: The check.
        verdict: `fail` of a check of the data stops the run before training, `fail` of a check of a trained model stops
            its promotion; `off` was not measured.
        measured: The numbers, by name.
        bound: What they were held against, in words or numbers.
        evidence: One sentence for a person.
        rows: Ids of up to 20 offending rows.
        action: What the configuration makes of a failure: `fail`, `warn` (it passes as a warning), or `off`.
    """

    name: str
    verdict: CheckVerdict
    measured: dict[str, float | int | str]
    bound: str
    evidence: str
    rows: tuple[str, ...] = ()
    action: CheckAction = "fail"
