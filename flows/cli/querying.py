"""The commands that put questions of one's own to the metrics store."""

from __future__ import annotations

import sys

import click

from flows.cli.shared import console, json_option
from storage.settings import Settings

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
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", callback=_parameters,
    help="Value of a parameter, written :name in the statement.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Most rows to print.")
@click.option(
    "--timeout", type=click.IntRange(1, MOST_SECONDS), default=10, show_default=True,
    metavar="SECONDS", help=f"When to give up; at most {MOST_SECONDS}, so that a run that writes is not held up.",
)  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table: NULL is empty.")
@json_option
def sql(
    statement: str | None, parameters: dict[str, str], limit: int, timeout: int, as_csv: bool, as_json: bool
) -> None:
    """Ask the metrics store in SQL; `-` reads the question from standard input. Nothing can be changed with it.

    Without a question: which tables and views there are. The table rounds numbers; CSV and JSON have them in full.

    \b
    Example:
      retrain sql
      retrain sql "SELECT state, count(*) AS runs FROM runs GROUP BY state"
      retrain sql --csv "SELECT * FROM stages WHERE seconds > :least" --param least=60
    """
    from flows.cli.terminal.answer import print_answer, print_csv, print_relations, print_rows_as_json
    from flows.cli.terminal.common import print_json
    from storage.metrics.ad_hoc import Limits, ask
    from storage.metrics.relations import relations

    if as_csv and as_json:
        raise click.UsageError("--csv and --json are two forms of the same answer: choose one.")
    if statement is None:
        if as_json:
            print_json(relations())
        else:
            print_relations(console(), relations())
        return
    # What is no UTF-8 is told by `ask`, in a sentence.
    question = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if statement == "-" else statement
    answer = ask(Settings.from_environment().database_url, question, parameters, Limits(limit, timeout))
    if as_json:
        print_rows_as_json(answer)
    elif as_csv:
        print_csv(answer)
    else:
        print_answer(console(), answer)
    if answer.is_cut:
        click.echo(f"cut after {limit:,} rows: there are more; --limit says how many are printed.", err=True)
