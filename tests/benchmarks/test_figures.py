from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.figures import Figure, markdown, read_figures, write_result


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (Figure("a", "s", 5.0, target=5.0), True),
        (Figure("a", "s", 5.1, target=5.0), False),
        (Figure("a", "s", 5.0), None),
        (Figure("a", "s", 5.0, 50.0, "b", 0.1, 0.1), True),
        (Figure("a", "s", 5.0, 45.0, "b", 0.11, 0.1), False),
        (Figure("a", "s", 0.05, 0.1, "b", None, 0.1), False),
        (Figure("a", "s", math.nan, target=5.0), False),
        (Figure("a", "s", 5.0, 50.0, "b", math.nan, 0.1), False),
    ],
)
def test_a_target_bounds_the_ratio_or_without_a_reference_the_number_itself(
    figure: Figure, reached: bool | None
) -> None:
    assert figure.reached is reached


def test_the_ratio_is_the_median_of_neighbouring_runs() -> None:
    figure = Figure.of_turns("epoch", [1.0, 4.0, 3.0], [2.0, 16.0, 4.0], against="the loop", target=0.5)

    assert (figure.ours, figure.reference, figure.ratio) == (3.0, 4.0, 0.5)
    assert figure.reached


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "part.json"
    figures = [Figure("a", "s", 0.25), Figure("b", "GB", 2.5, 5.0, "another", 0.5, 0.4)]
    write_result(path, machine={"cores": 2}, settings={"rows": 3}, found={"x": 1}, figures=figures)

    assert read_figures(path) == figures
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["machine", "settings", "found", "figures"]


def test_numbers_are_written_with_four_digits() -> None:
    assert Figure("a", "reviews/s", 12345.678, 0.123456, "b", 0.98764).to_json() == {
        "name": "a",
        "unit": "reviews/s",
        "ours": 12350.0,
        "reference": 0.1235,
        "against": "b",
        "ratio": 0.9876,
        "target": None,
    }


def test_the_table_says_what_is_bound_and_whether_it_is_reached() -> None:
    lines = markdown(
        [
            Figure("features", "s", 0.312, 6.24, "the loop", 0.05, 0.1),
            Figure("memory", "GB", 3.2, target=3.0),
            Figure("scored", "reviews/s", 12345.0),
        ]
    ).splitlines()

    assert lines[2:] == [
        "| features | 0.312 s | 6.24 s | the loop | 0.05 | ≤ 0.1 | yes |",
        "| memory | 3.2 GB |  |  |  | ≤ 3 GB | **no** |",
        "| scored | 12,345 reviews/s |  |  |  |  |  |",
    ]
