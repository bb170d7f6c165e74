"""The commands that read the metrics store, and nothing else."""

from __future__ import annotations

import click

from flows.cli.shared import console, json_option, show_run
from storage.errors import NotFoundError
from storage.settings import Settings


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs.")
@json_option
def history(limit: int, as_json: bool) -> None:
    """List the last runs, newest first, with what came of them.

    \b
    Example:
      retrain history --limit 5
    """
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.history import print_history
    from storage.metrics.reader import MetricsReader

    runs = MetricsReader(Settings.from_environment().database_url).history(limit)
    if as_json:
        print_json(runs)
    else:
        print_history(console(), runs)


@click.command()
@click.argument("run", metavar="RUN")
@json_option
def show(run: str, as_json: bool) -> None:
    """Show everything about RUN: its id, the start of it, or `latest`.

    \b
    Example:
      retrain show latest
    """
    show_run(Settings.from_environment(), run, as_json=as_json)


@click.command()
@click.option("--line", help="Only this line.")
@click.option("--history", "all_of_them", is_flag=True, help="What served when, and why, instead of what serves now.")
@json_option
def champion(line: str | None, all_of_them: bool, as_json: bool) -> None:
    """Show what serves now, on each line.

    \b
    Example:
      retrain champion --line imdb --history
    """
    from flows.cli.terminal.champions import print_champions, print_succession
    from flows.cli.terminal.common import print_json
    from storage.metrics.reader import MetricsReader

    served = MetricsReader(Settings.from_environment().database_url).champions(line)
    if not served:
        of = f"the line {line!r}" if line else "any line"
        raise NotFoundError(f"there is no champion of {of} yet: no candidate has passed all gates.")
    shown = served if all_of_them else list({entry.line: entry for entry in served}.values())
    if as_json:
        print_json(shown)
    elif all_of_them:
        print_succession(console(), shown)
    else:
        print_champions(console(), shown)
