from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks import performance
from benchmarks.figures import Figure, read_figures, write_result
from benchmarks.performance import PAGE, PARTS, RESULTS, collect, description, main, page

MACHINE = {"date": "2026-03-02", "processor": "a processor", "cores": 2, "python": "3.11.7", "numpy": "2.4"}


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"split": ["train", "test"], "text": ["a film", "a bad film"], "label": [1, 0]}), path)
    return path


def test_the_page_is_that_of_the_figures_as_they_are() -> None:
    stored = json.loads((RESULTS / "performance.json").read_text(encoding="utf-8"))

    again = "make it anew: python -m benchmarks.performance --page-only"
    assert stored == collect(RESULTS), again
    assert PAGE.read_text(encoding="utf-8") == page(stored), again


@pytest.mark.parametrize("name", PARTS)
def test_a_part_says_how_to_repeat_it(name: str) -> None:
    assert f"python -m benchmarks.{name}" in description(name)


def test_the_page_shows_each_parts_figures_machine_and_settings(tmp_path: Path) -> None:
    figure = Figure("scoring, 3 reviews", "s", 0.5, 2.0, "another", 0.25, 0.3)
    write_result(tmp_path / "scoring.json", machine=MACHINE, settings={"rows": 8192}, found={}, figures=[figure])

    shown = page(collect(tmp_path))
    assert "| scoring, 3 reviews | 0.5 s | 2 s | another | 0.25 | ≤ 0.3 | yes |" in shown
    assert "| scoring | 2026-03-02 | a processor | 2 | 3.11.7 | numpy 2.4 |" in shown
    assert description("scoring") in shown
    assert "Measured with rows 8,192." in shown


def test_a_part_runs_in_a_process_and_the_rest_is_taken_from_earlier(reviews: Path, tmp_path: Path) -> None:
    results, output = tmp_path / "results", tmp_path / "page.md"
    results.mkdir()
    figure = Figure("earlier", "s", 0.5)
    write_result(results / "scoring.json", machine=MACHINE, settings={"rows": 1}, found={}, figures=[figure])
    given = ["--only", "tokenization", "--reviews", str(reviews), "--results", str(results), "--output", str(output)]
    done = CliRunner().invoke(main, given, catch_exceptions=False)

    assert done.exit_code == 0
    assert read_figures(results / "scoring.json") == [figure]
    stored = json.loads((results / "performance.json").read_text(encoding="utf-8"))
    assert stored["tokenization"]["settings"]["rows"] == 2
    assert output.read_text(encoding="utf-8") == page(stored)
    assert "| earlier | 0.5 s |" in done.output


def test_a_part_that_fails_is_named_and_the_others_are_run(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance, "PARTS", {"no_such_part": False, "tokenization": True})
    given = ["--reviews", str(reviews), "--results", str(tmp_path), "--output", str(tmp_path / "page.md")]
    done = CliRunner().invoke(main, given)

    assert done.exit_code == 1
    assert "Error: no_such_part failed" in done.output
    assert "tokenization, 2 raw reviews" in (tmp_path / "page.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ([], [name for name in PARTS if name not in ("training_gpu", "accuracy")]),
        (["--only", "accuracy", "--only", "scoring"], ["scoring", "accuracy"]),
    ],
)
def test_what_needs_a_gpu_or_hours_is_run_where_it_is_named(
    given: list[str], run: list[str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def part(name: str, *_: Path) -> int:
        ran.append(name)
        return 0

    monkeypatch.setattr(performance, "run_part", part)
    paths = ["--reviews", str(reviews), "--results", str(tmp_path), "--output", str(tmp_path / "page.md")]
    CliRunner().invoke(main, [*given, *paths], catch_exceptions=False)

    assert ran == run


def test_reviews_are_asked_for_before_anything_runs(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--results", str(tmp_path / "results")])

    assert done.exit_code == 2
    assert "--reviews" in done.output
    assert not (tmp_path / "results").exists()
