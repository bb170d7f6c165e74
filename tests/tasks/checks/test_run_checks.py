from __future__ import annotations

from dataclasses import replace

import numpy as np

from storage.options import CheckOptions
from tasks.checks import DATA_CHECKS, run_checks
from tasks.checks.base import CheckedData

# A probe has nothing to learn from random words: what it says of them is tested with it.
OF_RANDOM_WORDS = {
    "label balance",
    "split",
    "train/test alignment",
    "consistent scaler",
    "leakage",
    "degenerate reviews",
    "label association",
}


def test_every_check_gives_a_result_in_a_fixed_order(checked_data: CheckedData) -> None:
    results = run_checks(DATA_CHECKS, checked_data, CheckOptions())
    assert [result.name for result in results] == [check.name for check in DATA_CHECKS]
    assert {result.verdict for result in results if result.name in OF_RANDOM_WORDS} == {"pass"}


def test_the_options_reach_the_checks(checked_data: CheckedData) -> None:
    rows = checked_data.rows["test"].take(np.arange(1, 60))  # 30 of one class, 29 of the other
    data = replace(checked_data, rows={**checked_data.rows, "test": rows})
    for share, verdict in ((0.5, "fail"), (0.49, "pass")):
        results = {one.name: one for one in run_checks(DATA_CHECKS, data, CheckOptions(min_class_share=share))}
        assert results["label balance"].verdict == verdict


def test_no_check_raises_on_data_that_does_not_fit_together(checked_data: CheckedData) -> None:
    rows = checked_data.rows["test"].take(np.arange(7))
    data = replace(checked_data, rows={**checked_data.rows, "test": rows})
    verdicts = {result.name: result.verdict for result in run_checks(DATA_CHECKS, data, CheckOptions())}
    assert verdicts["label balance"] == "pass"
    assert verdicts["train/test alignment"] == "fail"
    assert verdicts["consistent scaler"] == "fail"
