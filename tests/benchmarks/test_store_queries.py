from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.large_store import fill
from benchmarks.store_queries import LARGEST_MS, RESULTS, main, markdown
from storage.metrics.integrity import damage_of
from storage.metrics.recipes import recipes
from storage.metrics.tables import Base
from storage.metrics.views import VIEWS

NAMES = {view.name for view in VIEWS} | {recipe.name for recipe in recipes()}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 1,000 runs, where the command looks for it."""
    file = tmp_path_factory.mktemp("large") / "store-1000.db"
    fill(f"sqlite:///{file}", 1000)
    return file


def test_a_large_store_has_rows_in_every_table_and_is_whole(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in Base.metadata.tables
        }

    assert counts["runs"] == 1000
    assert min(counts.values()) >= 1
    assert damage_of(f"sqlite:///{store}") == []


def test_every_view_and_every_recipe_is_asked_and_finds_rows(store: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    given = [str(store.parent), "--runs", "1000", "--repeats", "1", "--output", str(output)]

    result = CliRunner().invoke(main, given, catch_exceptions=False)

    assert result.exit_code == 0
    figures = json.loads(output.read_text(encoding="utf-8"))
    asked = {name.split(",")[0] for name in figures["found"]}
    assert asked == NAMES
    assert [name for name, of in figures["found"].items() if not of["rows"]] == []
    assert markdown(figures["found"]) in result.output


def test_the_stored_figures_are_of_a_hundred_thousand_runs_and_short_enough() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert stored["settings"]["rows"]["runs"] == stored["settings"]["runs"] == 100_000
    assert {name.split(",")[0] for name in stored["found"]} == NAMES
    assert [name for name, of in stored["found"].items() if of["wall_ms"] > LARGEST_MS] == []
