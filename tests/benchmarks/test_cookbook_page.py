from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from benchmarks.cookbook_page import PAGE, page
from benchmarks.example_year import fill, main
from storage.metrics.engine import reading_engine
from storage.metrics.integrity import damage_of
from storage.metrics.reader import MetricsReader
from storage.metrics.recipes import Recipe, recipes

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store of the example year."""
    url = f"sqlite:///{tmp_path_factory.mktemp('example')}/metrics.db"
    fill(url)
    return url


@pytest.fixture(scope="module")
def server_url(postgresql: PostgreSQL) -> Iterator[str]:
    """The same year on a PostgreSQL server."""
    url = postgresql.new_url()
    fill(url)
    yield url
    postgresql.drop(url)


def answer(url: str, recipe: Recipe) -> list[tuple[Any, ...]]:
    """The rows as SQLite's own types have them."""
    with reading_engine(url).connect() as connection:
        return [tuple(map(plain, row)) for row in connection.execute(text(recipe.sql), recipe.parameters)]


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_a_question_has_an_answer(url: str, recipe: Recipe) -> None:
    assert answer(url, recipe)


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_postgresql_gives_the_same_answer(url: str, server_url: str, recipe: Recipe) -> None:
    assert answer(server_url, recipe) == answer(url, recipe)


def test_the_page_shows_what_the_example_year_answers(url: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(url), "make it anew: python -m benchmarks.cookbook_page"


def test_the_page_is_the_same_with_the_sqlite_that_tensorflow_brings(url: str) -> None:
    """Releases of SQLite round 40.65 to 40.7 or to 40.6: no mean of the year may lie between two digits."""
    script = (
        "import sys, tensorflow\nfrom benchmarks.cookbook_page import page\n"
        "sys.stdout.buffer.write(page(sys.argv[1]).encode())"
    )
    done = subprocess.run([sys.executable, "-c", script, url], cwd=PAGE.parents[1], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == PAGE.read_text(encoding="utf-8")


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
