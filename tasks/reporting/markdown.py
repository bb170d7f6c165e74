"""Small pieces of markdown, as Prefect shows it. What a person or a data set has named is shown, never obeyed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from storage.records import CheckResult

MARKS = {
    **{"pass": "✓ pass", "fail": "✗ fail", "warn": "! warn", "off": "off"},
    **{"not applicable": "not applicable", "waived": "waived"},
}
_SHOWN_ROWS, _KEPT_ROWS = 3, 20
# An underscore within a word means nothing in markdown, and every model's name has some.
_SPECIAL = re.compile(r"[\\`*<>|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=\])\(|!(?=\[)")


def escaped(text: str) -> str:
    """Text that markdown shows as it is, on one line."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], " ".join(text.split()))


def code(text: str) -> str:
    """A name in the letters of code."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`".replace("|", r"\|")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; its cells are markdown already. Nothing where there is no row."""
    if not rows:
        return []
    lines = [columns, ["---"] * len(columns), *rows]
    return ["", *(f"| {' | '.join(cells)} |" for cells in lines)]


def folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines that show when somebody clicks on the summary; nothing without lines."""
    return ["", f"<details><summary>{summary}</summary>", *lines, "", "</details>"] if lines else []


def verdict_item(name: str, verdict: str, words: str) -> str:
    """One line of a list of verdicts; in a table, which Prefect does not fold, a sentence would be cut off."""
    return f"- {MARKS[verdict]} **{escaped(name)}**: {words}"


def check_list(title: str, checks: Sequence[CheckResult]) -> list[str]:
    """What did not pass, in the open, and below it what did."""
    passed = [_check_item(check) for check in checks if check.verdict == "pass"]
    others = [_check_item(check) for check in checks if check.verdict != "pass"]
    return [
        *(["", f"## {title}"] if checks else []),
        *(["", *others] if others else []),
        *folded(f"{len(passed)} passed", ["", *passed] if passed else []),
    ]


def _check_item(check: CheckResult) -> str:
    bound = f" *Bound: {escaped(check.bound)}.*" if check.bound and check.verdict != "pass" else ""
    return verdict_item(check.name, check.verdict, f"{escaped(check.evidence)}.{bound}{_rows_in_words(check.rows)}")


def _rows_in_words(rows: Sequence[str]) -> str:
    """The first rows that offend; a check keeps no more than twenty, so that there may be others."""
    if not rows:
        return ""
    least = "at least " if len(rows) >= _KEPT_ROWS else ""
    more = f" and {least}{len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""
    return f" Rows: {', '.join(code(row) for row in rows[:_SHOWN_ROWS])}{more}"
