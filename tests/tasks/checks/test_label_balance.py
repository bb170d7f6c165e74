from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from storage.options import CheckOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks.base import CheckedData
from tasks.checks.label_balance import check_label_balance


def rows(num_positive: int, num_rows: int) -> Rows:
    tokens = Sequences.from_lists([[1]] * num_rows)
    return Rows(row_ids("train", tokens), (np.arange(num_rows) < num_positive).astype(np.uint8), tokens)


def check(data: CheckedData, split: Split, num_positive: int, num_rows: int = 100, **options: float) -> CheckResult:
    """The result where one split has so many positive rows and the others are balanced."""
    changed = replace(data, rows={**data.rows, split: rows(num_positive, num_rows)})
    return check_label_balance(changed, CheckOptions.model_validate(options))


def test_balanced_splits_pass(checked_data: CheckedData) -> None:
    result = check_label_balance(checked_data, CheckOptions())
    assert (result.name, result.verdict) == ("label balance", "pass")
    assert result.measured == {f"positive_share_{split}": 0.5 for split in SPLITS}
    assert result.bound == "each class at least 20% of each split"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("num_positive", "verdict"), [(19, "fail"), (20, "pass"), (50, "pass"), (80, "pass"), (81, "fail")]
)
def test_the_bound_holds_on_both_sides_for_both_classes(
    checked_data: CheckedData, split: Split, num_positive: int, verdict: str
) -> None:
    result = check(checked_data, split, num_positive)
    assert result.verdict == verdict
    assert result.measured[f"positive_share_{split}"] == num_positive / 100


@pytest.mark.parametrize(
    ("share", "num_positive", "verdict"),
    [(0.5, 50, "pass"), (0.5, 49, "fail"), (0.5, 51, "fail"), (0.1, 10, "pass"), (0.1, 90, "pass"), (0.1, 9, "fail")],
)
def test_the_bound_is_the_one_of_the_options(
    checked_data: CheckedData, share: float, num_positive: int, verdict: str
) -> None:
    assert check(checked_data, "test", num_positive, min_class_share=share).verdict == verdict


@pytest.mark.parametrize("split", SPLITS)
def test_the_unbalanced_split_is_named(checked_data: CheckedData, split: Split) -> None:
    evidence = check(checked_data, split, 10).evidence
    assert f"the smaller class of {split} has only 10.0% of its rows" in evidence
    assert f"{split} 10.0%" in evidence


@pytest.mark.parametrize("num_positive", [0, 100])
@pytest.mark.parametrize("split", SPLITS)
def test_a_split_of_one_class_is_named(checked_data: CheckedData, split: Split, num_positive: int) -> None:
    result = check(checked_data, split, num_positive)
    assert result.verdict == "fail"
    assert result.evidence.startswith(f"{split} has only one class")


@pytest.mark.parametrize("num_rows", [0, 100])
@pytest.mark.parametrize("split", SPLITS)
def test_no_bound_lets_one_class_through(checked_data: CheckedData, split: Split, num_rows: int) -> None:
    assert check(checked_data, split, 0, num_rows, min_class_share=0).verdict == "fail"
    assert check(checked_data, split, 1, min_class_share=0).verdict == "pass"


def test_an_empty_split_fails(checked_data: CheckedData) -> None:
    assert check(checked_data, "validation", 0, num_rows=0).verdict == "fail"
