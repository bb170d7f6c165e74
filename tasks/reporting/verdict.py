"""The page of a run that decides, or checks: the verdict first, then the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from storage.records import Candidate, CheckResult, Decision, Suspect
from tasks.reporting.contents import ReportContents
from tasks.reporting.markdown import check_list, code, escaped, folded, table, verdict_item
from tasks.reporting.more import more_of
from tasks.reporting.pictures import draw_accuracies, draw_learning_curves
from tasks.reporting.scores import majority_share, scores_on_test, with_bounds


def verdict_page(contents: ReportContents, headline: str, page: str) -> str:
    """What came of a run, in markdown.

    Args:
        contents: Of a run that read a snapshot; none of its candidates where nothing was trained.
        headline: The verdict in one sentence.
        page: Where the whole page is.
    """
    snapshot, of = contents.snapshot, (contents.candidates, contents.decisions, contents.checks)
    line, read = contents.run.line, "" if snapshot is None else f", snapshot {code(snapshot.id[:12])}"
    lines = [
        *heading(headline),
        "",
        f"Run {code(contents.run.id)} on line **{escaped(line)}**{read}: "
        f"{escaped(snapshot.origin if snapshot else 'nothing was read')}.",
        "",
        f"With all curves and tables, on the machine that ran it: {code(page)}.",
        *_pictures(*of),
        *_models(*of),
    ]
    for decision in contents.decisions:
        lines += _gates(decision)
    for decision in contents.decisions:
        lines += _diagnosis(decision)
    lines += more_of(contents)
    for candidate in contents.candidates:
        lines += check_list(f"Checks of {candidate.model}", candidate.checks)
    lines += check_list("Checks of the data", contents.checks)
    return "\n".join(lines) + "\n"


def heading(headline: str) -> list[str]:
    """The verdict as a title, and why as the sentence below it."""
    title, why = title_and_why(headline)
    return [f"# {escaped(title)}", *([escaped(why)] if why else [])]


def title_and_why(headline: str) -> tuple[str, str]:
    """The verdict, and why, a sentence or nothing. A dry run says so before its verdict."""
    said = headline.removeprefix("a dry run: ")
    title, _, why = said.partition(": ")
    ended = f"{why}{'' if why.endswith('.') else '.'}" if why else ""
    return f"{'' if said == headline else 'A dry run: '}{title}", ended


def _pictures(
    candidates: Sequence[Candidate], decisions: Sequence[Decision], checks: Sequence[CheckResult]
) -> list[str]:
    if not candidates:
        return []
    majority = majority_share(candidates[0].test.confusion)
    drawn = (
        draw_accuracies(scores_on_test(candidates, decisions, checks), majority),
        draw_learning_curves(candidates),
    )
    return [line for picture in drawn if picture for line in ("", picture.markdown())]


def _models(candidates: Sequence[Candidate], decisions: Sequence[Decision], checks: Sequence[CheckResult]) -> list[str]:
    """The models beside each other, and beside what they were held against; nothing where none was trained."""
    if not candidates:
        return []
    probe = next((check.measured for check in checks if check.name == "probe"), {})
    of_probe = float(probe.get("validation_accuracy", math.nan))
    validation = {candidate.model: candidate.validation.confusion.accuracy for candidate in candidates}
    epochs = {candidate.model: f"{candidate.best_epoch} of {len(candidate.epochs)}" for candidate in candidates}
    rows = [
        (
            escaped(score.name),
            str(score),
            with_bounds(score.auc),
            with_bounds(validation.get(score.name, of_probe if score.role == "probe" else None)),
            epochs.get(score.name, "-"),
        )
        for score in scores_on_test(candidates, decisions, checks)
    ]
    share = with_bounds(majority_share(candidates[0].test.confusion))
    columns = ("model", "test accuracy, 95 %", "test AUC", "validation", "best epoch")
    return ["", "## Models", *table(columns, [*rows, ("the more frequent label", share, "-", "-", "-")])]


def _gates(decision: Decision) -> list[str]:
    title = f"## {_model(decision)}: {'promote' if decision.promote else 'reject'}"
    gates = [verdict_item(gate.name, gate.verdict, f"{escaped(gate.words)}.") for gate in decision.gates]
    return ["", title, *(["", *gates] if gates else [])]


def _diagnosis(decision: Decision) -> list[str]:
    """What may be the cause, with what to do about it, and below it what is not."""
    if not decision.diagnosis:
        return []
    suspected = [suspect for suspect in decision.diagnosis if suspect.standing != "ruled out"]
    cleared = [suspect for suspect in decision.diagnosis if suspect.standing == "ruled out"]
    return [
        *("", f"## Why {_model(decision)} may have been rejected", ""),
        *(f"{_suspect(suspect)} *What to do: {escaped(suspect.remedy)}.*" for suspect in suspected),
        *folded(f"{len(cleared)} ruled out", ["", *map(_suspect, cleared)] if cleared else []),
    ]


def _suspect(suspect: Suspect) -> str:
    return f"- **{escaped(suspect.cause)}**: {suspect.standing}, {escaped(suspect.evidence)}."


def _model(decision: Decision) -> str:
    return decision.candidate_id.split("/")[-1]
