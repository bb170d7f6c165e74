from __future__ import annotations

import re
from dataclasses import replace

import pytest

from storage.records import CheckResult
from tasks.reporting.verdict import verdict_page
from tests.verdicts import BALANCE, PADDING, PROBE, REJECTED, SNAPSHOT, candidate, contents

HEADLINE = "nothing promoted on imdb: a: near chance"
FILE = "/home/x/reports/r1.html"
MAX_BYTES = 200_000


@pytest.fixture
def page() -> list[str]:
    models = [candidate("a", checks=(PADDING,)), candidate("c")]
    return verdict_page(contents([BALANCE, PROBE], models, [REJECTED]), HEADLINE, FILE).splitlines()


def section(lines: list[str], title: str) -> list[str]:
    """What stands below a title, up to the next empty line."""
    rest = lines[lines.index(title) + 2 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_the_page_begins_with_the_verdict(page: list[str]) -> None:
    assert page[:6] == [
        "# nothing promoted on imdb",
        "a: near chance.",
        "",
        f"Run `r1` on line **imdb**, snapshot `{'s' * 12}`: a file.",
        "",
        f"With all curves and tables, on the machine that ran it: `{FILE}`.",
    ]


def test_the_pictures_come_before_the_numbers_and_the_checks_at_the_end(page: list[str]) -> None:
    order = [line.split("(data:")[0][:16] if line.startswith("![") else line for line in page]
    assert [line for line in order if line.startswith(("#", "!["))] == [
        "# nothing promoted on imdb",
        "![Test accuracy ",
        "![Loss by epoch.",
        "## Models",
        "## a: reject",
        "## Why a may have been rejected",
        "## Checks of a",
        "## Checks of the data",
    ]


def test_the_pictures_say_their_numbers_to_whoever_cannot_see_them(page: list[str]) -> None:
    accuracies, curves = (line for line in page if line.startswith("!["))
    assert re.match(
        r"!\[[^\[\]]*a 0\.8000 \(0\.7082 to 0\.8733\)[^\[\]]*\]\(data:image/png;base64,[\w+/=]+\)$", accuracies
    )
    assert re.match(r"!\[[^\[\]]*kept epoch 2 with 0\.5500[^\[\]]*\]\(data:image/png;base64,[\w+/=]+\)$", curves)


def test_a_page_with_all_that_it_can_have_is_small_enough_for_a_database(page: list[str]) -> None:
    assert len("\n".join(page).encode()) < MAX_BYTES


def test_models_stand_beside_what_they_were_held_against(page: list[str]) -> None:
    assert section(page, "## Models") == [
        "| model | test accuracy, 95 % | test AUC | validation | best epoch |",
        "| --- | --- | --- | --- | --- |",
        "| a | 0.8000 [0.7082, 0.8733] | 0.9000 | 0.8000 | 2 of 3 |",
        "| c | 0.8000 [0.7082, 0.8733] | 0.9000 | 0.8000 | 2 of 3 |",
        "| champion: b of r0 | 0.8300 [0.7418, 0.8977] | 0.9200 | - | - |",
        "| linear probe | 0.8900 [0.8500, 0.9200] | - | 0.9000 | - |",
        "| the more frequent label | 0.5000 | - | - | - |",
    ]


def test_every_gate_stands_below_its_model_with_its_verdict(page: list[str]) -> None:
    assert section(page, "## a: reject") == [
        r"- ✗ fail **above chance**: near chance \| with a bar.",
        "- not applicable **better than the champion**: no champion.",
        "- waived **better than the probe**: a linear model does as well.",
    ]


def test_a_rejection_says_why_and_what_to_do_about_what_was_not_ruled_out(page: list[str]) -> None:
    assert section(page, "## Why a may have been rejected") == [
        "- **padding mask**: shown, a logit moves. *What to do: use mask_zero.*"
    ]
    folded = page.index("<details><summary>1 ruled out</summary>")
    assert page[folded + 1 : folded + 5] == ["", "- **alignment**: ruled out, all ids agree.", "", "</details>"]


def test_a_promotion_says_nothing_of_causes() -> None:
    promoted = replace(REJECTED, promote=True, diagnosis=())
    headline = "a dry run: would promote a on imdb (test accuracy 0.8000, AUC 0.9000): all gates passed"
    lines = verdict_page(contents([], [candidate()], [promoted]), headline, FILE).splitlines()

    assert lines[:2] == [
        "# A dry run: would promote a on imdb (test accuracy 0.8000, AUC 0.9000)",
        "all gates passed.",
    ]
    assert "## a: promote" in lines
    assert not any("rejected" in line for line in lines)


def test_checks_of_the_model_and_of_the_data_stand_apart(page: list[str]) -> None:
    assert section(page, "## Checks of a") == ["- ✗ fail **padding**: a logit moves."]
    assert section(page, "## Checks of the data") == ["- ! warn **label balance**: lopsided. *Bound: at least 20 %.*"]


def test_data_that_was_rejected_has_a_page_too() -> None:
    headline = "the data was rejected before training: label balance: lopsided"
    lines = verdict_page(contents([BALANCE]), headline, FILE).splitlines()

    assert lines[:2] == ["# the data was rejected before training", "label balance: lopsided."]
    assert [line for line in lines if line.startswith(("## ", "!["))] == ["## Checks of the data"]


def test_what_a_user_has_named_is_shown_and_not_obeyed() -> None:
    odd = replace(SNAPSHOT, line="a*b*", origin="![x](http://example.org/x.png) <b>")
    check = CheckResult("split", "fail", {}, "", "<img src=x>")
    text = verdict_page(contents([check], snapshot=odd), "a*b* is unfit: <i>", FILE).replace(r"\<", "")

    assert "<" not in text
    assert r"**a\*b\***" in text
    assert "](http" not in text
