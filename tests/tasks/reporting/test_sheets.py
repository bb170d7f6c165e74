from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from storage.records import Stage
from tasks.evaluation.metrics import evaluate
from tasks.evaluation.slices import Slice
from tasks.reporting.sheets import (
    features_sheet,
    lengths_sheet,
    models_sheets,
    slices_sheet,
    stages_sheet,
)
from tests.tasks.reporting.test_page import account, answers
from tests.verdicts import COMPARED, PROBE, REJECTED, candidate, contents

ON_ALL = replace(REJECTED, comparison=replace(COMPARED, num_rows=600))


def test_what_one_looks_at_first_comes_first_and_nothing_is_there_twice() -> None:
    model = answers("a", 0.8)
    measured = evaluate("test", model.predictions.labels, model.predictions.probabilities)
    told = contents([PROBE], [candidate("a", test=measured)], [ON_ALL], answers=(model,))

    first, rest = models_sheets(told)

    assert first.columns == ("", "a", "champion: b of r0", "linear probe")
    names = [row[0] for row in first.rows]
    assert names == [
        *("test accuracy", "test AUC", "test log loss", "test Brier score", "test calibration error"),
        *("best epoch", "training, seconds", "parameters"),
    ]
    assert not set(names) & {row[0] for row in rest.rows}
    assert "test recall, class 0" in {row[0] for row in rest.rows}
    assert all(len(row) == len(first.columns) for row in (*first.rows, *rest.rows))


def test_a_champion_of_the_same_test_rows_has_all_its_numbers_and_keeps_those_of_the_comparison() -> None:
    models = answers("a", 0.8), replace(answers("champion: b", 1.0), role="champion")
    measured = evaluate("test", models[0].predictions.labels, models[0].predictions.probabilities)
    told = contents([], [candidate("a", test=measured)], [ON_ALL], answers=models)

    without, with_all = (
        {row[0]: row[2] for sheet in models_sheets(one) for row in sheet.rows}
        for one in (replace(told, answers=models[:1]), told)
    )

    assert without["test accuracy"] == with_all["test accuracy"] != "-"
    assert without["test Brier score"] == without["test calibration error"] == "-"
    assert float(with_all["test Brier score"]) > 0
    assert float(with_all["test calibration error"]) > 0
    assert with_all["best epoch"] == "-"


def test_without_a_model_there_are_no_numbers() -> None:
    assert [sheet.rows for sheet in models_sheets(contents([PROBE]))] == [(), ()]


def test_a_model_that_says_no_number_has_no_calibration_error() -> None:
    model = answers("a", 0.8)
    blind = replace(model, predictions=replace(model.predictions, probabilities=np.full(600, np.nan, np.float32)))

    first, _ = models_sheets(contents([], [candidate("a")], [], answers=(blind,)))

    assert ("test calibration error", "-") in first.rows


def test_the_tables_of_the_data_have_a_place_for_each_number() -> None:
    lengths, features = lengths_sheet(account()), features_sheet(account())

    assert lengths.rows[0] == (
        *("train", "600", "50.0%", "5.0%", "230.5", "170.2"),
        *("10", "120", "180", "280", "600", "2,400"),
    )
    assert len(lengths.columns) == len(lengths.rows[0])
    assert "its last 512 tokens" in lengths.caption
    assert features.columns == ("feature", "train", "validation", "test")
    assert features.rows[1] == ("share top 500", *["230.5 ± 170.2"] * 3)


def test_slices_have_a_column_a_model() -> None:
    parts = [Slice("1 to 9", 1200, 0.5, 0.4, 0.6)]

    sheet = slices_sheet({"a": parts, "c": parts}, "words")

    assert sheet.columns == ("words", "reviews", "a", "c")
    assert sheet.rows == (("1 to 9", "1,200", "0.5000 [0.4000, 0.6000]", "0.5000 [0.4000, 0.6000]"),)
    assert slices_sheet({}, "words").rows == ()


@pytest.mark.parametrize(("memory", "shown"), [(2**20, "1"), (3 * 2**30, "3,072")])
def test_memory_of_a_stage_is_in_mebibytes(memory: int, shown: str) -> None:
    assert stages_sheet([Stage("train", 1.25, memory)]).rows == (("train", "1.2", shown),)
