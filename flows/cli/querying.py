"""The commands that put questions of one's own to the metrics store."""

from __future__ import annotations

import difflib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from flows.cli.shared import console
from storage.errors import NotFoundError, OptionError
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.metrics.recipes import Recipe

# As `storage.metrics.ad_hoc` has it, which is not imported for a help text; a test holds them together.
MOST_SECONDS = 25


def _parameters(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        name, separator, _ = value.partition("=")
        if not separator or not name.isidentifier():
            raise click.BadParameter(f"expected NAME=VALUE, such as line=imdb; received {value!r}.")
    return {name: text for name, _, text in (value.partition("=") for value in values)}


@click.command()
@click.argument("statement", metavar="[SELECT]", required=False)
@click.option("--recipe", metavar="NAME", help="Ask a question of the cook book.")
@click.option("--recipes", "lists_recipes", is_flag=True, help="List the questions of the cook book.")
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", callback=_parameters,
    help="Value of a parameter, written :name in the statement.",
)  # fmt: skip
@click.option(
    "--limit", "rows", type=click.IntRange(min=1), default=1000, show_default=True, help="Most rows to print."
)
@click.option(
    "--timeout", "seconds", type=click.IntRange(1, MOST_SECONDS), default=10, show_default=True, metavar="SECONDS",
    help=f"When to give up; at most {MOST_SECONDS}, so that a run that writes is not held up.",
)  # fmt: skip
@click.option("--csv", "form", flag_value="csv", help="Print CSV instead of a table: NULL is empty.")
@click.option("--json", "form", flag_value="json", help="Print JSON instead of a table.")
def sql(
    statement: str | None,
    recipe: str | None,
    lists_recipes: bool,
    parameters: dict[str, str],
    form: str | None,
    **limits: int,
) -> None:
    """Ask the metrics store in SQL; `-` reads the question from standard input. Nothing can be changed with it.

    Without a question: which views and tables there are. The table rounds numbers; CSV and JSON have them in full.

    \b
    Example:
      retrain sql
      retrain sql "SELECT state, count(*) AS runs FROM runs GROUP BY state"
      retrain sql --csv "SELECT * FROM stages WHERE seconds > :least" --param least=60
      retrain sql --recipe champion_on_a_day --param day=2026-03-03
    """
    from flows.cli.terminal.answer import print_answer, print_question, print_recipes, print_relations
    from flows.cli.terminal.common import print_json
    from storage.metrics.ad_hoc import Limits, ask
    from storage.metrics.recipes import recipes
    from storage.metrics.relations import relations

    if sum((statement is not None, recipe is not None, lists_recipes)) > 1:
        raise click.UsageError("give a question, or --recipe, or --recipes.")
    url = Settings.from_environment().database_url
    if recipe is not None:
        found = _recipe(recipe, parameters)
        answer = ask(url, found.sql, found.parameters, Limits(**limits))
        if form is None:
            print_question(console(), found)
    elif statement is not None:
        # What is no UTF-8 is told by `ask`, in a sentence.
        question = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if statement == "-" else statement
        answer = ask(url, question, parameters, Limits(**limits))
    else:
        listed = recipes() if lists_recipes else relations()
        if form == "json":
            print_json(listed)
        elif lists_recipes:
            print_recipes(console(), recipes())
        else:
            print_relations(console(), relations())
        return
    print_answer(console(), answer, form)
    if answer.is_cut:
        told = f"{limits['rows']:,} row{'' if limits['rows'] == 1 else 's'}"
        click.echo(f"cut after {told}: there are more; --limit says how many are printed.", err=True)


def _recipe(name: str, parameters: dict[str, str]) -> Recipe:
    """A recipe with these parameters in place of its own.

    Raises:
        NotFoundError: There is none of that name.
        OptionError: It has no such parameter.
    """
    from storage.metrics.recipes import recipes

    book = {recipe.name: recipe for recipe in recipes()}
    if name not in book:
        near = difflib.get_close_matches(name, book, n=3)
        hint = f" Is it {' or '.join(near)}?" if near else ""
        raise NotFoundError(f"the cook book has no recipe {name!r}.{hint} `retrain sql --recipes` lists them.")
    recipe = book[name]
    unknown = [one for one in parameters if one not in recipe.parameters]
    if unknown:
        known = ", ".join(recipe.parameters) or "none"
        raise OptionError(f"the recipe {name} has no parameter {unknown[0]!r}; it has: {known}.")
    return replace(recipe, parameters={**recipe.parameters, **parameters})
