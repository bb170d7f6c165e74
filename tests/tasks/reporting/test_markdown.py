from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from tasks.reporting.markdown import check_list, code, escaped, folded, table
from tests.verdicts import BALANCE, PADDING


def rendered(lines: list[str]) -> str:
    html: str = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render("\n".join(lines))
    return html


@pytest.mark.parametrize(
    "text",
    [
        "a | b",
        "2 * 3 * 4 and **so**",
        "<script>alert(1)</script>",
        "[a link](https://example.org) and ![a picture](x.png)",
        "`code`, ~~gone~~, ~/.keras, _slanted_ and __bold__",
        r"back\slash and \| both",
        "baseline_avgpool 0.8 [0.7, 0.9]",
    ],
)
def test_whatever_a_text_says_is_shown_as_it_is(text: str) -> None:
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert rendered([escaped(text)]) == f"<p>{shown}</p>\n"
    assert f"<td>{shown}</td>" in rendered(table(["name"], [[escaped(text)]]))


def test_a_text_of_several_lines_becomes_one() -> None:
    assert escaped("one\n\n# two\t three ") == "one # two three"


def test_a_models_name_is_left_alone() -> None:
    assert escaped("advanced_bilstm_features") == "advanced_bilstm_features"


@pytest.mark.parametrize("row", ["test/1/ab", "a|b", "a`b"])
def test_a_row_is_shown_in_the_letters_of_code(row: str) -> None:
    shown = row.replace("`", "'")
    assert f"<td><code>{shown}</code></td>" in rendered(table(["row"], [[code(row)]]))


def test_nothing_is_made_of_nothing() -> None:
    assert table(["name"], []) == []
    assert folded("none", []) == []
    assert check_list("Checks", []) == []


def test_what_passed_is_folded_away_below_what_did_not() -> None:
    passed = replace(BALANCE, name="split", verdict="pass")
    lines = check_list("Checks of the data", [passed, BALANCE, PADDING])

    assert lines[1] == "## Checks of the data"
    assert [line.partition(":")[0] for line in lines if line.startswith("- ")] == [
        "- ! warn **label balance**",
        "- ✗ fail **padding**",
        "- ✓ pass **split**",
    ]
    assert lines.index("<details><summary>1 passed</summary>") > lines.index("- ✗ fail **padding**: a logit moves.")
    assert lines[-1] == "</details>"


@pytest.mark.parametrize(
    ("verdict", "mark"), [("pass", "✓ pass"), ("warn", "! warn"), ("fail", "✗ fail"), ("off", "off")]
)
def test_every_verdict_of_a_check_has_its_mark(verdict: str, mark: str) -> None:
    check = replace(BALANCE, verdict=verdict)  # type: ignore[arg-type]
    bound = "" if verdict == "pass" else " *Bound: at least 20 %.*"
    assert f"- {mark} **label balance**: lopsided.{bound}" in check_list("Checks", [check])


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "Rows: `test/0`"),
        (3, "Rows: `test/0`, `test/1`, `test/2`"),
        (4, "Rows: `test/0`, `test/1`, `test/2` and 1 more"),
        (20, "Rows: `test/0`, `test/1`, `test/2` and at least 17 more"),
    ],
)
def test_the_first_rows_that_offend_are_named(count: int, words: str) -> None:
    check = replace(BALANCE, rows=tuple(f"test/{number}" for number in range(count)))
    assert f"- ! warn **label balance**: lopsided. *Bound: at least 20 %.* {words}" in check_list("Checks", [check])
