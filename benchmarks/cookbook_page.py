"""The page of the cook book: each question with its query and what a year of runs answers.

    python -m benchmarks.cookbook_page

writes docs/cookbook.md; a test holds that it is what this gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from sqlalchemy import Row, text

from benchmarks.example_year import fill
from storage.metrics.engine import reading_engine
from storage.metrics.recipes import Recipe, recipes

PAGE = Path(__file__).parents[1] / "docs" / "cookbook.md"
_LONGEST_CELL = 80
_HEAD = """# Questions to the store

Each of these is a file in [`storage/metrics/cookbook/`](../storage/metrics/cookbook); SQLite and PostgreSQL read them
alike. A word with a colon, such as `:line`, is a parameter. The tables and views are described in
[store.md](store.md).

The answers are real: they come from a year of weekly retrains of simulated models, which
`python -m benchmarks.example_year example.db` writes into a store of your own. In it, some data were refused, a run met
shuffled test labels, a rollback was asked for, and the monitor saw a champion degrade. Long cells are cut short here.

This page is made by `python -m benchmarks.cookbook_page`.
"""


def page(url: str) -> str:
    """The page in Markdown, with the answers of the store at a URL."""
    book = recipes()
    listed = "\n".join(f"- [{recipe.question}](#{recipe.name})" for recipe in book)
    with reading_engine(url).connect() as connection:
        answered = [_section(recipe, connection.execute(text(recipe.sql), recipe.parameters).all()) for recipe in book]
    return "\n".join([_HEAD, listed, "", *answered])


def _section(recipe: Recipe, rows: Sequence[Row[Any]]) -> str:
    given = ", ".join(f"`:{name}` is `{value}`" for name, value in recipe.parameters.items())
    head = rows[0]._fields
    table = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(
        [
            f'<a id="{recipe.name}"></a>',
            f"## {recipe.question}",
            "",
            recipe.explanation + (f" Here, {given}." if given else ""),
            "",
            f"```sql\n{recipe.sql}\n```",
            "",
            *(f"| {' | '.join(cells)} |" for cells in table),
            "",
        ]
    )


def _cell(value: Any) -> str:
    words = "" if value is None else str(value).replace("|", "\\|")
    return words if len(words) <= _LONGEST_CELL else f"{words[:_LONGEST_CELL]}…"


def example_page() -> str:
    """The page with the answers of the example year."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/example.db"
        fill(url)
        return page(url)


@click.command()
@click.option("--output", default=PAGE, type=click.Path(dir_okay=False, path_type=Path), help="Where the page goes.")
def main(output: Path) -> None:
    """Ask the example year all questions, and write the page."""
    output.write_text(example_page(), encoding="utf-8")
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
