from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from storage.options import CheckOptions
from storage.records import CheckResult, Contents
from tasks.checks.base import CheckedData
from tasks.checks.contents import check_contents

Run = Callable[..., CheckResult]


@pytest.fixture
def check(checked_data: CheckedData) -> Run:
    def run(contents: Contents | None, **options: float) -> CheckResult:
        return check_contents(replace(checked_data, contents=contents), CheckOptions.model_validate(options))

    return run


def refused(count: int, of: int = 1000) -> Contents:
    return Contents(
        num_rows=of,
        num_refused=count,
        reasons={"no text": count},
        examples=("shop, row 3: no text",),
        quarantine="rows.jsonl",
    )


def test_a_source_of_which_all_can_be_used_passes(check: Run) -> None:
    result = check(Contents(num_rows=1000))
    assert (result.verdict, result.evidence) == ("pass", "1,000 rows were read, all can be used")


def test_any_refused_row_is_told(check: Run) -> None:
    result = check(refused(1))
    assert result.verdict == "warn"
    assert result.evidence == "1,000 rows were read, and 1 refused and kept in rows.jsonl: no text (1 of them)"
    assert result.rows == ("shop, row 3: no text",)
    assert result.measured["refused: no text"] == 1


@pytest.mark.parametrize(("count", "verdict"), [(0, "pass"), (50, "warn"), (51, "fail"), (1000, "fail")])
def test_more_than_the_bound_is_refused(check: Run, count: int, verdict: str) -> None:
    assert check(refused(count)).verdict == verdict


def test_the_bound_can_be_set(check: Run) -> None:
    assert check(refused(51), max_refused_share=0.1).verdict == "warn"
    assert check(refused(1), max_refused_share=0).verdict == "fail"


def test_what_was_left_out_and_what_is_new_is_told(check: Run) -> None:
    result = check(Contents(num_rows=1000, num_neutral=20, num_repeated=30, num_new=7))
    assert result.verdict == "pass"
    for words in ("20 are neither negative nor positive", "30 are in an earlier source", "7 are new since"):
        assert words in result.evidence
    assert (result.measured["neutral"], result.measured["repeated"], result.measured["new"]) == (20, 30, 7)


def test_a_source_of_nothing_divides_by_nothing(check: Run) -> None:
    assert check(Contents(num_rows=0)).measured["refused_share"] == 0


def test_what_is_not_known_does_not_pass(check: Run) -> None:
    assert check(None).verdict == "warn"
