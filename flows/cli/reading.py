"""The commands that read the metrics store, and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import click

from flows.cli.shared import console, json_option, show_run
from storage.errors import NotFoundError
from storage.records import FlowName, RunState
from storage.settings import Settings


def _since(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    """A date, or a number of hours, days or weeks that have passed."""
    if value is None:
        return None
    ago = re.fullmatch(r"(\d{1,4})([hdw])", value)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(hours=int(ago[1]) * {"h": 1, "d": 24, "w": 168}[ago[2]])
        moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"expected a date such as 2026-03-31, in UTC, or 36h, 7d or 12w; received {value!r}."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _known_model(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from storage.records import MODEL_NAMES

    if value is not None and value not in MODEL_NAMES:
        raise click.BadParameter(f"{value!r} is none of {', '.join(MODEL_NAMES)}.")
    return value


@click.command()
@click.option("--line", help="Runs of this line only.")
@click.option("--model", callback=_known_model, help="Runs that trained this model.")
@click.option("--state", type=click.Choice(get_args(RunState)), help="Runs in this state.")
@click.option("--flow", type=click.Choice(get_args(FlowName)), help="Runs of this flow.")
@click.option("--since", callback=_since, metavar="WHEN", help="Runs since a date, in UTC, or since 36h, 7d or 12w.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs.")
@json_option
def history(limit: int, as_json: bool, **only: Any) -> None:
    """List the last runs, newest first, with what came of them.

    \b
    Example:
      retrain history --limit 5
      retrain history --line imdb --state failed --since 12w
    """
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.history import print_history
    from storage.metrics.history import RunFilter
    from storage.metrics.reader import MetricsReader

    chosen = RunFilter(**only)
    runs = MetricsReader(Settings.from_environment().database_url).history(limit, chosen)
    if as_json:
        print_json(runs)
    elif runs or chosen == RunFilter():
        print_history(console(), runs)
    else:
        click.echo("no run is like that", err=True)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--all", "in_full", is_flag=True, help="Learning curves, all options, versions and hashes, too.")
@json_option
def show(run: str, in_full: bool, as_json: bool) -> None:
    """Show everything about RUN: its id, the start of it, or `latest`.

    \b
    Example:
      retrain show latest
      retrain show latest --all
    """
    show_run(Settings.from_environment(), run, as_json=as_json, in_full=in_full)


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@json_option
def compare(first: str, second: str, as_json: bool) -> None:
    """Set two runs side by side: options, code, data, their models' test metrics, what their steps cost.

    A difference is the second run's number minus the first's. Where both were tested on the same rows it has a paired
    interval. To look here spends no error: what may be promoted is up to the promotion rule and its ledger.

    \b
    Example:
      retrain compare 20261125-193644-0282 latest
    """
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.compare import print_comparison
    from storage.metrics.reader import MetricsReader
    from tasks.reporting.comparison import compare_runs

    settings = Settings.from_environment()
    reader = MetricsReader(settings.database_url)
    compared = compare_runs(reader.run(first), reader.run(second), settings.bundles)
    if as_json:
        print_json(compared)
    else:
        print_comparison(console(), compared)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it here instead.")
def report(run: str, output: Path | None) -> None:
    """Write the page of RUN again, from the store and the bundles, and print where it is.

    RUN is an id, the start of it, or `latest`. The same store and bundles give the same bytes.

    \b
    Example:
      retrain report latest
      retrain report latest --output report.html
    """
    from tasks.reporting.page import write_report

    click.echo(write_report(Settings.from_environment(), run, output))


@click.command()
@click.argument("line", metavar="LINE")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it here instead.")
def trend(line: str, output: Path | None) -> None:
    """Write the page of LINE, all its runs over time and what served when, and print where it is.

    Each run of the line writes it anew. The same store gives the same bytes, beside the same pages of runs.

    \b
    Example:
      retrain trend imdb
      retrain trend imdb --output trend.html
    """
    from tasks.reporting.trend import write_trend

    click.echo(write_trend(Settings.from_environment(), line, output))


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
