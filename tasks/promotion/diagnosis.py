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
from tasks.promotion.approval import APPROVED
from tasks.promotion.gates import CONTRADICTED

Pattern = Literal["test alone", "both alike", "none"]

_ORDER: Mapping[Standing, int] = {"shown": 0, "likely": 1, "possible": 2, "ruled out": 3}
_AGAINST_CHAMPION = (
    "better than the champion",
    "not worse than the champion",
    "AUC not below the champion's",
    "not below the high-water mark",
    "AUC not below the high-water mark's",
)
_AGAINST_SISTER = "best of its run"
_RESTORE = "restore its bundle, put an earlier champion back with `retrain rollback`"
_SWAPPED = (
    "look up some reviews by their row ids: are negative and positive exchanged in this source? If they were when the "
    "champion was trained, put an earlier one back with `retrain rollback`"
)
_UNAPPROVED = "nothing has to be repaired: the champion stays. To be asked again, run it once more with `force`"
_FORCE = ", or set gates.replace_unscorable_champion for one run"
# What a check says that could not measure: it neither shows a cause nor clears it.
_UNMEASURED = (
    "too few rows to",
    "says nothing of a model's predictions",
    "nothing can be said",
    "nothing could be measured",
    "there are no test rows",
)
_WEAK = (
    "above chance",
    "informed about both classes",
    "not inverted or misaligned",
    "AUC above chance",
    "recall of class 0",
    "recall of class 1",
    "better than the probe",
)


@dataclass(frozen=True)
class _Cause:
    """A cause, what it hits, and the checks that show or clear it.

    Attributes:
        why: How the pattern comes about.
        phrases: Where a check can fail for several causes, what its evidence says of this one.
        reaches_chance: Whether it can bring a model down to guessing.
    """

    name: str
    hits: Pattern
    checks: tuple[str, ...]
    why: str
    remedy: str
    phrases: tuple[str, ...] = ()
    reaches_chance: bool = True


# In the order in which they are suspected where nothing else tells them apart.
_CAUSES = (
    _Cause(
        "alignment",
        "test alone",
        ("train/test alignment", "row alignment"),
        "so scores a test set whose sequences, features and labels are of different reviews",
        "carry row ids with sequences, features and labels, and join by them; sort or filter none of them alone",
    ),
    _Cause(
        "split",
        "test alone",
        ("split",),
        "so scores a validation set that is no random part of the whole, or a test set of other reviews",
        "draw validation at random from the training rows, stratified by label, and never from the end of a file",
    ),
    _Cause(
        "scaling",
        "test alone",
        ("consistent scaler",),
        "so scores a test set whose features stand on another scale than those of train and validation",
        "fit the scaler on the training rows once, and apply that one to validation and test",
    ),
    _Cause(
        "labels of test",
        "test alone",
        ("probe",),
        "so score shuffled or swapped test labels",
        "look up some test reviews by their row ids: are the labels shuffled, swapped, or those of other reviews?",
    ),
    _Cause(
        "leakage",
        "test alone",
        ("leakage",),
        "so scores a validation set that repeats training rows",
        "remove the duplicates between the splits",
        reaches_chance=False,
    ),
    _Cause(
        "padding mask",
        "both alike",
        ("padding",),
        "so scores a model that reads the padding as words",
        "give the embedding mask_zero=True, and let every layer after it pass the mask on",
    ),
    _Cause(
        "too few epochs",
        "both alike",
        ("convergence",),
        "so scores a model that has hardly begun to learn",
        "allow more epochs; early stopping ends the training when it is time",
        phrases=("too few epochs", "still falling"),
    ),
    _Cause(
        "learning rate",
        "both alike",
        ("convergence",),
        "so scores a model whose steps are too large, or too small, to get anywhere",
        "lower training.learning_rate, or raise it if the loss hardly moves",
        phrases=("learning rate", "best in epoch 1 of", "not finite"),
    ),
    _Cause(
        "threshold or output",
        "both alike",
        ("degenerate predictions",),
        "so scores a model whose output is turned about, constant, or cut at the wrong place",
        "look at the distribution of the probabilities, and at the last layer: activation, threshold, label order",
    ),
    _Cause(
        "reviews",
        "both alike",
        ("label balance", "degenerate reviews", "label association"),
        "so scores a model of reviews that say little about their labels",
        "look at the reviews that the checks name",
    ),
    _Cause(
        "bundle",
        "none",
        ("reload",),
        "",
        "look for a custom layer, a changed version of Keras, or a preprocessing step that the bundle does not hold",
    ),
)


@dataclass(frozen=True)
class _Symptoms:
    """What the scores alone show: where the fault hits, and whether the test accuracy is that of guessing."""

    pattern: Pattern
    at_chance: bool
    scores: str


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
    if set(failed) in ({_AGAINST_SISTER}, {APPROVED}):
        # It passed all that is measured of it alone: there is nothing to search for.
        return tuple(_no_fault(gates))
    symptoms = _Symptoms(_pattern(failed), at_chance="above chance" in failed, scores=_scores(validation, test))
    found = [suspect for cause in _CAUSES if (suspect := _suspect(cause, checks, symptoms)) is not None]
    if symptoms.pattern != "none" and all(suspect.standing == "ruled out" for suspect in found):
        found.insert(0, _unexplained(symptoms))
    found += _no_fault(gates)
    if failed and all(suspect.standing == "ruled out" for suspect in found):
        found += [
            Suspect(name, "shown", words, "look at what this gate holds against what") for name, words in failed.items()
        ]
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


def _suspect(cause: _Cause, checks: Sequence[CheckResult], symptoms: _Symptoms) -> Suspect | None:
    """Where a cause stands; None if nothing was measured that concerns it."""
    concerned = [check for check in checks if check.name in cause.checks and _was_measured(check)]
    named = [check for check in concerned if check.verdict != "pass" and _speaks_of(cause, check)]
    fits = symptoms.pattern != "none" and cause.hits == symptoms.pattern
    standing: Standing = "likely" if cause.reaches_chance or not symptoms.at_chance else "possible"

    def suspect(standing: Standing, evidence: str) -> Suspect:
        return Suspect(cause.name, standing, evidence, cause.remedy)

    for check in named:
        if check.verdict == "fail":
            return suspect("shown", check.evidence)
    if named:
        return suspect(standing if fits else "possible", named[0].evidence)
    if concerned:
        return suspect("ruled out", _cleared(concerned))
    if fits:
        return suspect(standing, f"{symptoms.scores}: {cause.why}")
    if symptoms.pattern == "none" or cause.hits == "none":
        return None
    other = "hit validation as well" if cause.hits == "both alike" else "spare validation"
    return suspect("ruled out", f"it would {other}; {symptoms.scores}")


def _was_measured(check: CheckResult) -> bool:
    """Whether a check can speak of a cause at all: it was not turned off, and had rows enough."""
    is_blank = check.verdict == "warn" and any(words in check.evidence for words in _UNMEASURED)
    return check.verdict != "off" and not is_blank


def _speaks_of(cause: _Cause, check: CheckResult) -> bool:
    """Whether a check that did not pass names this cause, or none of those that it knows."""

    def named(other: _Cause) -> bool:
        return any(phrase in check.evidence for phrase in other.phrases)

    return named(cause) or not any(named(other) for other in _CAUSES if check.name in other.checks)


def _cleared(concerned: Sequence[CheckResult]) -> str:
    others = [check for check in concerned if check.verdict != "pass"]
    if others:
        # The check has something to say, but of another cause that it knows.
        return f"the check {others[0].name!r} found another cause"
    return "; ".join(f"the check {check.name!r} passed: {check.evidence}" for check in concerned)


def _unexplained(symptoms: _Symptoms) -> Suspect:
    if symptoms.pattern == "test alone":
        return Suspect(
            "another population",
            "possible",
            f"{symptoms.scores}, and every check passed: test may hold reviews of another kind, or the model has "
            "overfitted",
            "compare the splits by rating, date and source; train with more dropout or on more reviews",
        )
    return Suspect(
        "weak model",
        "possible",
        f"{symptoms.scores}, and every check passed: the model has learned too little",
        "compare with the probe; try more reviews, more epochs, another learning rate or another architecture",
    )


def _no_fault(gates: Sequence[Gate]) -> list[Suspect]:
    """What is no fault of the model: it is sound, but no better than the champion, which may be lost, or its sister, or
    a person did not approve it.

    A broken model loses to both as well: there this would hide what has to be repaired.
    """
    failed = [gate for gate in gates if gate.verdict == "fail"]
    if not all(gate.name in (*_AGAINST_CHAMPION, _AGAINST_SISTER, APPROVED) for gate in failed):
        return []
    lost = [gate for gate in failed if gate.name in _AGAINST_CHAMPION and not _is_unscored(gate)]
    sisters = [gate for gate in failed if gate.name == _AGAINST_SISTER]
    result = []
    # One that the configuration lets be replaced unseen is no less damaged.
    unscored = [gate for gate in gates if gate.name in _AGAINST_CHAMPION and _is_unscored(gate)]
    if unscored and not sisters:
        remedy = _RESTORE + (_FORCE if unscored[0].verdict == "fail" and not lost else "")
        result.append(Suspect("champion cannot be scored", "shown", unscored[0].words, remedy))
    if any(CONTRADICTED in gate.words for gate in lost):
        return [*result, Suspect("swapped classes", "shown", lost[0].words, _SWAPPED + _FORCE)]
    if lost:
        remedy = (
            "train a better model: what could be scored is not beaten, so that a forced replacement is refused as well"
            if unscored
            else "nothing has to be repaired: the champion stays. New test reviews start a new ledger"
        )
        result.append(Suspect("no better than the champion", "shown", lost[0].words, remedy))
    result += [
        Suspect("no better than its sister", "shown", gate.words, "nothing has to be repaired") for gate in sisters
    ]
    result += [Suspect("not approved", "shown", gate.words, _UNAPPROVED) for gate in failed if gate.name == APPROVED]
    return result


def _is_unscored(gate: Gate) -> bool:
    """Whether a gate had nothing to compare with, although there is a champion."""
    return gate.verdict in ("fail", "waived") and gate.value is None and gate.bound is None
