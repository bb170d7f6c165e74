from __future__ import annotations

import numpy as np
import pyarrow as pa

from storage.records import Contents
from tasks.sources.contents import CheckedRows, Refusal
from tasks.sources.tally import Tally


def batch(texts: list[str], *refusals: Refusal, num_neutral: int = 0) -> CheckedRows:
    return CheckedRows(pa.array(texts), None, None, None, None, np.arange(len(texts)), refusals, num_neutral)


def refusal(position: int, reason: str) -> Refusal:
    return Refusal(position, f"row {position + 1}", reason, "…")


def test_rows_are_counted_once_and_reasons_by_how_often_they_stand() -> None:
    tally = Tally()
    read, found_later = refusal(2, "no label"), refusal(0, "no word in its text")
    tally.count("a.csv", batch(["…", "good"], read, num_neutral=3), (read, found_later))
    tally.count("b.csv", batch(["bad"], refusal(1, "no label")), (refusal(1, "no label"),))
    tally.num_repeated += 1

    assert tally.contents("refused.jsonl", num_new=2) == Contents(
        num_rows=8,
        num_refused=3,
        num_neutral=3,
        num_repeated=1,
        num_new=2,
        reasons={"no label": 2, "no word in its text": 1},
        examples=("a.csv, row 3: no label", "a.csv, row 1: no word in its text", "b.csv, row 2: no label"),
        quarantine="refused.jsonl",
    )


def test_where_nothing_is_refused_no_file_is_named() -> None:
    tally = Tally()
    tally.count("a.csv", batch(["good"]), ())
    assert tally.contents("refused.jsonl") == Contents(num_rows=1)


def test_only_the_first_refused_rows_are_examples() -> None:
    tally = Tally()
    for part in ("a.csv", "b.csv"):
        refused = tuple(refusal(position, "no label") for position in range(15))
        tally.count(part, batch([], *refused), refused)
    contents = tally.contents("refused.jsonl")
    assert (contents.num_refused, len(contents.examples)) == (30, 20)
    assert contents.examples[-1] == "b.csv, row 5: no label"
