"""The commands around the champion: put it to work, watch it, put an earlier one back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flows.cli.shared import console, finish, json_option, prepare_flow, ready, set_option
from storage.settings import Settings


@click.command()
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option("--input", "source", help="A file (.csv, .tsv, .jsonl, .parquet), a folder or a named source.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write: .parquet, .csv or .jsonl.")
@click.option("--line", default="", help="Whose champion.  [default: the only line that has one]")
@set_option
@json_option
def predict(
    texts: tuple[str, ...],
    source: str | None,
    output: Path | None,
    line: str,
    groups: dict[str, Any],
    as_json: bool,
) -> None:
    """Label reviews with the champion: each TEXT, or all rows of --input into --output.

    \b
    Example:
      retrain predict "A wonderful film, and not a minute too long."
      retrain predict --input new-reviews.csv --output labelled.parquet
    """
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.labels import print_labels, print_scored
    from storage.options import RunOptions
    from tasks.scoring.labels import label_source, label_texts

    if bool(texts) == bool(source) or bool(source) != bool(output):
        raise click.UsageError("give texts to label, or both --input and --output.")
    settings = Settings.from_environment()
    options = RunOptions.parse(**{**({"source": source} if source else {}), **groups})
    if source is None:
        labelled = label_texts(settings, texts, line)
        print_json(labelled) if as_json else print_labels(console(), labelled)
    elif output is not None:
        scored = label_source(settings, options, output.absolute(), line)
        print_json(scored) if as_json else print_scored(console(), scored)


@click.command()
@click.argument("line", metavar="LINE")
@click.option("--reason", required=True, help="Why; it is kept in the history.")
@click.option(
    "--to", type=click.IntRange(min=1), default=None, metavar="POSITION",
    help="Number of the champion in the line's history.  [default: the one before the present one]",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Decide, but put nothing back.")
@json_option
def rollback(line: str, reason: str, to: int | None, dry_run: bool, as_json: bool) -> None:
    """Let an earlier champion of LINE serve again, if its bundle is still whole.

    \b
    Example:
      retrain rollback imdb --reason "complaints about short reviews"
    """
    from storage.metrics.reader import MetricsReader
    from tasks.promotion.rollback import earlier_champion

    if not reason.strip():
        raise click.BadParameter("a reason is kept in the history: it cannot be empty.", param_hint="--reason")
    settings = Settings.from_environment()
    # A mistake is told at once, before anything is started or written down.
    earlier_champion(MetricsReader(settings.database_url).champions(line), line, to or 0)
    prepare_flow(settings)
    from flows.rollback import rollback_as_flow

    finish(settings, lambda: rollback_as_flow(line, reason.strip(), to or 0, dry_run=dry_run), as_json=as_json)


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option("--line", default="", help="Whose champion.  [default: the only line that has one]")
@set_option
@json_option
def monitor(source: str, line: str, groups: dict[str, Any], as_json: bool) -> None:
    """Hold the champion against the labelled reviews of SOURCE that came since it was trained.

    \b
    Example:
      retrain monitor reviews.csv
      retrain monitor new-reviews.csv --line reviews --set monitor.max_accuracy_loss=0.03
    """
    from storage.metrics.reader import MetricsReader
    from storage.options import MonitorRunOptions
    from tasks.scoring.champion import serving

    options = MonitorRunOptions.parse(**{"source": source, "line": line, **groups})
    serving(MetricsReader(Settings.from_environment().database_url).champions(), line)
    settings = ready(options)
    from flows.monitor import monitor_as_flow

    finish(settings, lambda: monitor_as_flow(options), as_json=as_json, in_full=True)
