"""Why a model was rejected: the suspected causes in order, each with its evidence, and what has been ruled out.

Two kinds of evidence meet. A check may name a cause outright, or clear it. And causes leave a pattern: what is wrong
with one split, with its alignment, its scaling, its labels, hits test and spares validation; what is wrong with the
model or its training, a missing mask, too few epochs, too large a learning rate, hits both alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.records import CheckResult, Evaluation, Gate, Standing, Suspect

Pattern = Literal["test alone", "both alike", "none"]

_ORDER: Mapping[Standing, int] = {"shown": 0, "likely": 1, "possible": 2, "ruled out": 3}
_AGAINST_CHAMPION = (
    "better than the champion",
    "not worse than the champion",
    "AUC not below the champion's",
    "not below the high-water mark",
)
_WEAK = (
    "above chance",
    "informed about both classes",
    "not inverted or misaligned",
    "AUC above chance",
    "recall of class 0",
    "recall of class 1",
)


@dataclass(frozen=True)
class _Cause:
    """A cause, the checks that show or clear it, and what it hits.

    Attributes:
        phrase: Where a check can fail for several causes, what its evidence says of this one.
    """

    name: str
    hits: Pattern
    checks: tuple[str, ...]
    remedy: str
    phrase: str = ""


# In the order in which they are suspected where nothing else tells them apart.
_CAUSES = (
    _Cause(
        "alignment", "test alone", ("train/test alignment", "row alignment"),
        "carry row ids with sequences, features and labels, and join by them; sort or filter none of them alone",
    ),
    _Cause(
        "split", "test alone", ("split",),
        "draw validation at random from the training rows, stratified by label, and never from the end of a file",
    ),
    _Cause(
        "scaling", "test alone", ("consistent scaler",),
        "fit the scaler on the training rows once, and apply that one to validation and test",
    ),
    _Cause(
        "labels of test", "test alone", ("probe",),
        "look up some test reviews by their row ids: are the labels shuffled, swapped, or those of other reviews?",
    ),
    _Cause(
        "leakage", "test alone", ("leakage",),
        "remove the duplicates between the splits: validation looks better than it is where it repeats training rows",
    ),
    _Cause(
        "padding mask", "both alike", ("padding",),
        "give the embedding mask_zero=True, and let every layer after it pass the mask on",
    ),
    _Cause(
        "too few epochs", "both alike", ("convergence",),
        "allow more epochs; early stopping ends the training when it is time", "too few epochs",
    ),
    _Cause(
        "learning rate", "both alike", ("convergence",), "lower training.learning_rate", "learning rate",
    ),
    _Cause(
        "threshold or output", "both alike", ("degenerate predictions",),
        "look at the distribution of the probabilities, and at the last layer: activation, threshold, label order",
    ),
    _Cause(
        "reviews", "both alike", ("label balance", "degenerate reviews", "label association"),
        "look at the reviews that the checks name",
    ),
    _Cause(
        "bundle", "none", ("reload",),
        "look for a custom layer, a changed version of Keras, or a preprocessing step that the bundle does not hold",
    ),
)  # fmt: skip


def diagnose(
    checks: Sequence[CheckResult], validation: Evaluation, test: Evaluation, gates: Sequence[Gate]
) -> tuple[Suspect, ...]:
    """Rank what may have led to a rejection.

    Args:
        checks: What the checks of the data and of the model said; may be empty.
        validation: The rejected model on validation rows.
        test: The same on test rows.
        gates: All gates, some of which failed.
    """
    failed = {gate.name: gate.words for gate in gates if gate.verdict == "fail"}
    pattern = _pattern(failed)
    scores = _scores(validation, test)
    found = [suspect for cause in _CAUSES if (suspect := _suspect(cause, checks, pattern, scores)) is not None]
    if pattern != "none" and all(suspect.standing == "ruled out" for suspect in found):
        found.insert(0, _unexplained(pattern, scores))
    found += _no_fault(failed)
    return tuple(sorted(found, key=lambda suspect: _ORDER[suspect.standing]))


def _pattern(failed: Mapping[str, str]) -> Pattern:
    if "validation agrees with test" in failed:
        return "test alone"
    return "both alike" if any(name in failed for name in _WEAK) else "none"


def _scores(validation: Evaluation, test: Evaluation) -> str:
    parts = (
        f"{of.split} accuracy is {of.confusion.accuracy:.4f} on {of.confusion.num_rows:,} rows"
        for of in (validation, test)
    )
    return ", ".join(parts)


def _suspect(cause: _Cause, checks: Sequence[CheckResult], pattern: Pattern, scores: str) -> Suspect | None:
    """Where a cause stands; None if nothing was measured that concerns it."""
    concerned = [check for check in checks if check.name in cause.checks and check.verdict != "off"]
    named = [check for check in concerned if check.verdict != "pass" and cause.phrase in check.evidence]
    fits = pattern != "none" and cause.hits == pattern

    def suspect(standing: Standing, evidence: str) -> Suspect:
        return Suspect(cause.name, standing, evidence, cause.remedy)

    for check in named:
        if check.verdict == "fail":
            return suspect("shown", check.evidence)
    if named:
        return suspect("likely" if fits else "possible", named[0].evidence)
    if concerned:
        words = "; ".join(f"the check {check.name!r} passed: {check.evidence}" for check in concerned)
        return suspect("ruled out", _cleared(cause, concerned, words))
    if fits:
        return suspect("likely", f"{scores}: {_FITS[pattern]}, as this cause would do")
    if pattern == "none" or cause.hits == "none":
        return None
    return suspect("ruled out", f"{scores}: {_FITS[pattern]}, and this cause would hit {_HITS[cause.hits]}")


_FITS: Mapping[Pattern, str] = {
    "test alone": "the fault spares validation and hits test",
    "both alike": "validation and test are hit alike",
}
_HITS: Mapping[Pattern, str] = {"test alone": "test and spare validation", "both alike": "validation alike"}


def _cleared(cause: _Cause, concerned: Sequence[CheckResult], words: str) -> str:
    others = [check for check in concerned if check.verdict != "pass"]
    # The check has something to say, but of another cause that it knows.
    return f"the check {others[0].name!r} found another cause" if others else words


def _unexplained(pattern: Pattern, scores: str) -> Suspect:
    if pattern == "test alone":
        return Suspect(
            "another population",
            "possible",
            f"{scores}, and every check passed: test may hold reviews of another kind, or training has overfitted",
            "compare the splits by rating, date and source; train with more dropout or on more reviews",
        )
    return Suspect(
        "weak model",
        "possible",
        f"{scores}, and every check passed: the model has learned too little",
        "compare with the probe; try more reviews, more epochs, another learning rate or another architecture",
    )


def _no_fault(failed: Mapping[str, str]) -> list[Suspect]:
    """What is no fault at all: a sound model that is not better than the champion or than its sister."""
    result = []
    lost = [words for name, words in failed.items() if name in _AGAINST_CHAMPION]
    if lost:
        result.append(
            Suspect(
                "no better than the champion",
                "shown",
                lost[0],
                "nothing has to be repaired: the champion stays. New test reviews start a new ledger",
            )
        )
    if "best of its run" in failed:
        result.append(
            Suspect("no better than its sister", "shown", failed["best of its run"], "nothing has to be repaired")
        )
    return result
