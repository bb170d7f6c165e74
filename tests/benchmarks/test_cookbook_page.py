from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from benchmarks.cookbook_page import PAGE, page
from benchmarks.example_year import fill, main
from storage.metrics.engine import reading_engine
from storage.metrics.integrity import damage_of
from storage.metrics.reader import MetricsReader
from storage.metrics.recipes import Recipe, recipes


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store of the example year."""
    url = f"sqlite:///{tmp_path_factory.mktemp('example')}/metrics.db"
    fill(url)
    return url


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_a_question_has_an_answer(url: str, recipe: Recipe) -> None:
    with reading_engine(url).connect() as connection:
        assert connection.execute(text(recipe.sql), recipe.parameters).all()


def test_the_page_shows_what_the_example_year_answers(url: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(url), "make it anew: python -m benchmarks.cookbook_page"


def test_the_example_year_is_a_whole_store_in_which_all_sorts_of_things_happened(url: str) -> None:
    runs = MetricsReader(url).history(limit=1000)

    assert damage_of(url) == []
    assert {run.flow for run in runs} == {"retrain", "monitor", "rollback"}
    assert {run.state for run in runs} == {"completed", "rejected data", "failed", "skipped", "cancelled"}
    assert {champion.succession for champion in MetricsReader(url).champions("imdb")} == {"promotion", "rollback"}


def test_an_example_is_not_written_over_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "metrics.db"
    file.write_text("a letter")

    result = CliRunner().invoke(main, [str(file)])

    assert result.exit_code == 2
    assert "is there already" in result.output
    assert file.read_text() == "a letter"
