from __future__ import annotations

import math
from dataclasses import replace

import pytest

from storage.records import (
    Candidate,
    CheckResult,
    ConfusionMatrix,
    Decision,
    Evaluation,
    Gate,
    SnapshotRecord,
    Suspect,
)
from tasks.report import verdict_markdown

SCORES = Evaluation("test", ConfusionMatrix(40, 10, 10, 40), auc=0.9, auc_standard_error=0.01)
SNAPSHOT = SnapshotRecord("s" * 64, "t" * 64, "imdb", "a file", "it was there", "", {"train": 1}, 1, 1)
PADDING = CheckResult("padding", "fail", {}, "", "a logit moves")
MODEL = Candidate("r1/a", "r1", "a", "b" * 64, "cpu", 1, 2, 3.0, (), SCORES, SCORES, (PADDING,))
BALANCE = CheckResult("label balance", "warn", {"share": math.pi}, "", "lopsided")
GATES = (
    Gate("above chance", "fail", 0.5, 0.55, "near chance | with a bar"),
    Gate("better than the champion", "not applicable", None, None, "no champion"),
    Gate("better than the probe", "waived", 0.8, 0.9, "a linear model does as well"),
)
SUSPECTS = (
    Suspect("padding mask", "shown", "a logit moves", "use mask_zero"),
    Suspect("alignment", "ruled out", "all ids agree", "join by ids"),
)
REJECTED = Decision("r1/a", False, "near chance", GATES, diagnosis=SUSPECTS)


def page(decision: Decision = REJECTED, checks: tuple[CheckResult, ...] = (BALANCE,)) -> list[str]:
    headline = "nothing promoted on imdb: a: near chance"
    return verdict_markdown("r1", SNAPSHOT, checks, [MODEL], [decision], headline).splitlines()


def section(lines: list[str], title: str) -> list[str]:
    """The list below a title."""
    rest = lines[lines.index(title) + 2 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_the_page_begins_with_the_verdict_and_the_numbers() -> None:
    lines = page()
    assert lines[:2] == ["# nothing promoted on imdb", "a: near chance."]
    assert "| a | 0.8000 | 0.9000 | 0.8000 | 2 of 0 |" in lines
    assert f"Run `r1` on line **imdb**, snapshot `{'s' * 12}`: a file." in lines


def test_every_gate_stands_below_its_model_with_its_verdict() -> None:
    assert section(page(), "## a: reject") == [
        "- **above chance**: ✗ fail, near chance | with a bar",
        "- **better than the champion**: not applicable, no champion",
        "- **better than the probe**: waived, a linear model does as well",
    ]


def test_a_rejection_says_why_and_what_to_do_about_what_was_not_ruled_out() -> None:
    assert section(page(), "### Why a may have been rejected") == [
        "- **padding mask**: shown, a logit moves. *What to do: use mask_zero.*",
        "- **alignment**: ruled out, all ids agree.",
    ]


def test_a_promotion_says_nothing_of_causes() -> None:
    lines = page(replace(REJECTED, promote=True, diagnosis=()))
    assert "## a: promote" in lines
    assert not any("rejected" in line for line in lines)


def test_checks_of_the_model_and_of_the_data_stand_apart() -> None:
    lines = page()
    assert section(lines, "### Checks of a") == ["- **padding**: ✗ fail, a logit moves"]
    assert section(lines, "### Checks of the data") == ["- **label balance**: ! warn, lopsided"]


@pytest.mark.parametrize(
    ("verdict", "mark"), [("pass", "✓ pass"), ("warn", "! warn"), ("fail", "✗ fail"), ("off", "off")]
)
def test_every_verdict_of_a_check_has_its_mark(verdict: str, mark: str) -> None:
    check = replace(BALANCE, verdict=verdict)  # type: ignore[arg-type]
    assert section(page(checks=(check,)), "### Checks of the data") == [f"- **label balance**: {mark}, lopsided"]


def test_a_check_that_did_not_pass_tells_its_bound_and_its_rows() -> None:
    leaking = replace(BALANCE, verdict="fail", bound="at most 2 %", rows=("test/1/ab", "test/2/cd"))
    assert section(page(checks=(leaking,)), "### Checks of the data") == [
        "- **label balance**: ✗ fail, lopsided. *Bound: at most 2 %.* Rows: `test/1/ab`, `test/2/cd`"
    ]
    passed = replace(leaking, verdict="pass", rows=())
    assert section(page(checks=(passed,)), "### Checks of the data") == ["- **label balance**: ✓ pass, lopsided"]


def test_data_that_was_rejected_has_a_page_too() -> None:
    headline = "the data was rejected before training: label balance: lopsided"
    lines = verdict_markdown("r1", SNAPSHOT, (BALANCE,), [], [], headline).splitlines()
    assert lines[:2] == ["# the data was rejected before training", "label balance: lopsided."]
    assert not [line for line in lines if line.startswith("|")]
    assert "- **label balance**: ! warn, lopsided" in lines


def test_the_probe_stands_beside_the_models() -> None:
    probe = CheckResult("probe", "pass", {"test_accuracy": 0.89, "test_auc": 0.95, "validation_accuracy": 0.9}, "", "")
    lines = page(checks=(probe,))
    models = lines.index("| a | 0.8000 | 0.9000 | 0.8000 | 2 of 0 |")
    assert lines[models + 1] == "| linear probe | 0.8900 | 0.9500 | 0.9000 | |"
