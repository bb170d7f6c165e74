from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from tasks.reporting.tables import artifact_key, checks_table, gates_table, metrics_table
from tests.verdicts import BALANCE, PADDING, PROBE, REJECTED, candidate


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("imdb", "verdict-imdb"),
        ("imdb-sample-500", "verdict-imdb-sample-500"),
        ("Shop_EU 2026", "verdict-shop-eu-2026"),
        ("--a..b--", "verdict-a-b"),
        ("映画", "verdict-unnamed"),
    ],
)
def test_a_line_becomes_a_key_that_prefect_takes(line: str, key: str) -> None:
    assert artifact_key("verdict", line) == key
    assert re.fullmatch(r"[a-z0-9-]+", key)


def test_metrics_stand_in_a_column_a_model() -> None:
    rows = metrics_table([candidate("a"), candidate("c", epochs=5)], [REJECTED], [PROBE])

    assert rows[0] == {
        "metric": "test accuracy",
        "a": "0.8000 [0.7000, 0.9000]",
        "c": "0.8000 [0.7000, 0.9000]",
        "champion: b of r0": "0.8300 [0.7418, 0.8977]",
        "linear probe": "0.8900 [0.8500, 0.9200]",
    }
    by_name = {row["metric"]: row for row in rows}
    assert by_name["test AUC"]["a"] == "-"
    assert by_name["test AUC"]["champion: b of r0"] == "0.9200"
    assert by_name["test support, class 1"]["a"] == "1,250"
    assert by_name["best epoch"] == {
        **{"metric": "best epoch", "a": "2 of 3", "c": "4 of 5", "champion: b of r0": "-", "linear probe": "-"}
    }


def test_the_probe_is_known_on_the_validation_rows_too() -> None:
    one = candidate(validation=replace(candidate().test, split="validation"))

    (row,) = [row for row in metrics_table([one], [REJECTED], [PROBE]) if row["metric"] == "validation accuracy"]

    assert (row["a"], row["champion: b of r0"], row["linear probe"]) == ("0.8000 [0.7000, 0.9000]", "-", "0.9000")


def test_a_metric_that_one_model_lacks_is_a_dash() -> None:
    without = candidate("c", test=replace(candidate().test, metrics=()))

    rows = metrics_table([candidate("a"), without], [], [])

    assert rows[0] == {"metric": "test accuracy", "a": "0.8000 [0.7000, 0.9000]", "c": "-"}


def test_without_a_model_there_are_no_metrics() -> None:
    assert metrics_table([], [], [PROBE]) == []


def test_checks_say_whose_they_are_and_name_all_rows() -> None:
    leaking = replace(BALANCE, rows=("test/1", "test/2"))

    assert checks_table([leaking], [candidate("a", checks=(PADDING,))]) == [
        {
            **{"of": "data", "check": "label balance", "verdict": "warn", "evidence": "lopsided"},
            **{"bound": "at least 20 %", "rows": "test/1, test/2"},
        },
        {
            **{"of": "a", "check": "padding", "verdict": "fail", "evidence": "a logit moves"},
            **{"bound": "-", "rows": "-"},
        },
    ]


def test_gates_have_their_numbers_and_what_is_not_measured_is_a_dash() -> None:
    rows = gates_table([REJECTED])

    assert [(row["gate"], row["value"], row["bound"]) for row in rows] == [
        ("above chance", "0.5", "0.55"),
        ("better than the champion", "-", "-"),
        ("better than the probe", "0.8", "-"),
    ]
    assert rows[0]["what was measured"] == "near chance | with a bar"


def test_no_cell_is_anything_that_json_has_no_word_for() -> None:
    odd = replace(REJECTED, gates=(replace(REJECTED.gates[0], value=math.inf, bound=-math.inf),))
    tables = [metrics_table([candidate()], [odd], [PROBE]), gates_table([odd]), checks_table([BALANCE], [])]

    for rows in tables:
        assert json.loads(json.dumps(rows, allow_nan=False)) == rows
