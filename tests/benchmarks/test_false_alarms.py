from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.false_alarms import RESULTS, data_verdicts, markdown, tally

DOCS = Path(__file__).parents[2] / "docs" / "false-alarms.md"
DRAWS = range(501, 513)


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def test_no_check_fails_on_clean_synthetic_reviews() -> None:
    found = tally(data_verdicts(None, number) for number in DRAWS)
    assert len(found) == 9
    assert {name: of["failures"] for name, of in found.items() if of["failures"]} == {}


def test_no_check_fails_on_clean_real_reviews(imdb_file: Path) -> None:
    found = tally(data_verdicts(imdb_file, number) for number in DRAWS)
    assert {name: of["failures"] for name, of in found.items() if of["failures"]} == {}


def test_failures_and_warnings_are_counted_by_check() -> None:
    found = tally([[("a", "pass"), ("b", "fail")], [("a", "warn"), ("b", "fail")]])
    assert (found["a"]["draws"], found["a"]["failures"], found["a"]["warnings"]) == (2, 0, 1)
    assert (found["b"]["draws"], found["b"]["failures"], found["b"]["warnings"]) == (2, 2, 0)
    # Clopper and Pearson: 1 - 0.025 ** (1 / 2), and its mirror image.
    assert found["a"]["upper"] == pytest.approx(0.8418861)
    assert found["b"]["lower"] == pytest.approx(0.1581139)


def test_at_most_one_of_a_hundred_clean_draws_failed_in_each_check(stored: dict[str, Any]) -> None:
    assert stored["settings"]["draws"] >= 200
    assert set(stored["found"]) == {"synthetic reviews", "real reviews", "trained models", "resampled test rows"}
    for source in ("synthetic reviews", "real reviews", "resampled test rows"):
        for name, of in stored["found"][source].items():
            assert of["draws"] >= 200
            assert of["failures"] <= of["draws"] / 100, (source, name)


def test_the_page_shows_the_stored_figures(stored: dict[str, Any]) -> None:
    assert markdown(stored["found"]) in DOCS.read_text(encoding="utf-8")
