"""The command `retrain`: parse, one call, translate the error.

Exit codes: 0 the command ended well, whatever the rule decided; 1 a fault; 2 a mistake in what was asked for; 3 a check
refused the data; 4 what was named does not exist; 130 it was stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storage.errors import DataRejectedError, NotFoundError, OptionError, RetrainError, UserError
from storage.settings import Settings

if TYPE_CHECKING:
    from flows.runs import Outcome
    from storage.options import RunOptions

EXIT_FAULT, EXIT_USER, EXIT_DATA_REJECTED, EXIT_NOT_FOUND, EXIT_STOPPED = 1, 2, 3, 4, 130

# Nothing is sent home, and a server that a single run starts for itself gets the time that a slow machine needs.
_PREFECT_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "",
}

logger = logging.getLogger(__name__)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def main() -> None:
    """Run the command and turn our own errors into one sentence and an exit code."""
    try:
        cli(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("retrain: stopped", err=True)
        sys.exit(EXIT_STOPPED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USER)
    except RetrainError as error:
        click.echo(f"retrain: {error}", err=True)
        sys.exit(exit_code(error))
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; keep Python from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAULT)


def exit_code(error: RetrainError) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, NotFoundError):
        return EXIT_NOT_FOUND
    if isinstance(error, UserError):
        return EXIT_USER
    return EXIT_DATA_REJECTED if isinstance(error, DataRejectedError) else EXIT_FAULT


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="review-sentiment-retrain")
def cli() -> None:
    """Retrain a review-sentiment classifier, and never let a broken model through.

    \b
    retrain check        read a source and check its data, and train nothing
    retrain run          train, evaluate, decide
    retrain history      what was run, and what came of it
    retrain show latest  one run in full
    retrain champion     what serves now, and what served before
    retrain predict      label new reviews with the champion
    retrain rollback     put an earlier champion back
    retrain monitor      hold the champion against the labelled reviews that came since

    Where things are kept: the folder in RETRAIN_HOME (default ~/.retrain).
    """


def _comma_separated(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value is not None else None


def _group_options(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    groups: dict[str, dict[str, str]] = {}
    for value in values:
        name, separator, text = value.partition("=")
        group, dot, key = name.partition(".")
        if not (separator and dot):
            raise click.BadParameter(f"expected GROUP.NAME=VALUE, such as training.batch_size=128; received {value!r}.")
        groups.setdefault(group, {})[key] = text
    return groups


set_option = click.option(
    "--set", "groups", multiple=True, metavar="GROUP.NAME=VALUE", callback=_group_options,
    help="Any other option, such as training.batch_size=128 or checks.leakage=warn.",
)  # fmt: skip
sample_option = click.option(
    "--sample-size", type=int, help="Only so many reviews of train and of test.  [default: all]"
)


@cli.command()
@click.argument("sources", metavar="SOURCE", nargs=-1, required=True)
@sample_option
@set_option
@json_option
def check(sources: tuple[str, ...], sample_size: int | None, groups: dict[str, Any], as_json: bool) -> None:
    """Read SOURCE and check its data; nothing is trained. SOURCE is what `retrain run --source` takes.

    \b
    Example:
      retrain check reviews.csv
      retrain check reviews.csv more-reviews.csv --set columns.text=body
    """
    from storage.options import RunOptions

    flat = {**_sources(sources), **({"sample_size": sample_size} if sample_size else {})}
    options = RunOptions.parse(**{**flat, **groups})
    settings = _ready(options)
    from flows.check import check_as_flow

    _finish(settings, lambda: check_as_flow(options), as_json=as_json, in_full=True)


@cli.command()
@click.option(
    "--source", "sources", multiple=True,
    help="A file (.csv, .tsv, .jsonl, .parquet, .npz), a folder, a named source, auto, imdb or synthetic; several are "
    "put together.  [default: auto]",
)  # fmt: skip
@click.option("--models", callback=_comma_separated, help="Models to train, separated by commas.  [default: both]")
@click.option("--epochs", type=int, help="Most epochs a model may train.  [default: 12]")
@click.option("--seed", type=int, help="Seed of weights, batches and dropout.  [default: 7]")
@sample_option
@click.option("--dry-run", is_flag=True, default=None, help="Decide, but promote nothing.")
@click.option("--force", is_flag=True, default=None, help="Train anew, even if nothing has changed since a run.")
@set_option
@json_option
def run(sources: tuple[str, ...], groups: dict[str, Any], as_json: bool, **flat: Any) -> None:
    """Train both models, evaluate them, and promote one if the rule allows it.

    \b
    Example:
      retrain run --source synthetic --epochs 20
      retrain run --source reviews.csv --source more-reviews.csv
    """
    from storage.options import RunOptions

    given = {**_sources(sources), **{name: value for name, value in flat.items() if value is not None}}
    options = RunOptions.parse(**{**given, **groups})
    settings = _ready(options)
    from flows.retrain import run_as_flow

    _finish(settings, lambda: run_as_flow(options), as_json=as_json)


@cli.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs.")
@json_option
def history(limit: int, as_json: bool) -> None:
    """List the last runs, newest first, with what came of them.

    \b
    Example:
      retrain history --limit 5
    """
    from flows import terminal
    from storage.metrics.reader import MetricsReader

    runs = MetricsReader(Settings.from_environment().database_url).history(limit)
    if as_json:
        terminal.print_json(runs)
    else:
        terminal.print_history(_console(), runs)


@cli.command()
@click.argument("run", metavar="RUN")
@json_option
def show(run: str, as_json: bool) -> None:
    """Show everything about RUN: its id, the start of it, or `latest`.

    \b
    Example:
      retrain show latest
    """
    _show(Settings.from_environment(), run, as_json=as_json)


@cli.command()
@click.option("--line", help="Only this line.")
@click.option("--history", "all_of_them", is_flag=True, help="What served when, and why, instead of what serves now.")
@json_option
def champion(line: str | None, all_of_them: bool, as_json: bool) -> None:
    """Show what serves now, on each line.

    \b
    Example:
      retrain champion --line imdb --history
    """
    from flows import terminal
    from storage.metrics.reader import MetricsReader

    served = MetricsReader(Settings.from_environment().database_url).champions(line)
    if not served:
        of = f"the line {line!r}" if line else "any line"
        raise NotFoundError(f"there is no champion of {of} yet: no candidate has passed all gates.")
    shown = served if all_of_them else list({entry.line: entry for entry in served}.values())
    if as_json:
        terminal.print_json(shown)
    elif all_of_them:
        terminal.print_succession(_console(), shown)
    else:
        terminal.print_champions(_console(), shown)


@cli.command()
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
    from flows import terminal
    from storage.options import RunOptions
    from tasks.scoring.labels import label_source, label_texts

    if bool(texts) == bool(source) or bool(source) != bool(output):
        raise click.UsageError("give texts to label, or both --input and --output.")
    settings = Settings.from_environment()
    options = RunOptions.parse(**{**({"source": source} if source else {}), **groups})
    if source is None:
        labelled = label_texts(settings, texts, line)
        terminal.print_json(labelled) if as_json else terminal.print_labels(_console(), labelled)
    elif output is not None:
        scored = label_source(settings, options, output.absolute(), line)
        terminal.print_json(scored) if as_json else terminal.print_scored(_console(), scored)


@cli.command()
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
    _prepare_flow()
    from flows.rollback import rollback_as_flow

    _finish(settings, lambda: rollback_as_flow(line, reason.strip(), to or 0, dry_run=dry_run), as_json=as_json)


@cli.command()
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
    settings = _ready(options)
    from flows.monitor import monitor_as_flow

    _finish(settings, lambda: monitor_as_flow(options), as_json=as_json, in_full=True)


def _sources(sources: tuple[str, ...]) -> dict[str, Any]:
    return {"source": sources[0], "append": sources[1:]} if sources else {}


def _ready(options: RunOptions) -> Settings:
    """Tell a mistake at once, before a server is started or a run is written down."""
    from tasks.sources.resolve import check_source

    settings = Settings.from_environment()
    settings.prepare()
    check_source(options, settings)
    _prepare_flow()
    return settings


def _finish(settings: Settings, flow: Callable[[], Outcome], *, as_json: bool, in_full: bool = False) -> None:
    """Run a flow and print what came of it; where it was stopped, too, if somebody is going to read it all."""
    try:
        outcome = flow()
    except RetrainError as error:
        if error.run_id and (as_json or in_full):
            _show(settings, error.run_id, as_json=as_json)
        raise
    except RuntimeError as error:
        if "ephemeral Prefect API server" not in str(error):
            raise
        raise OptionError(
            f"Prefect's temporary server did not start ({error}) It needs a folder that it can write to (PREFECT_HOME, "
            "by default ~/.prefect); or start a server of your own, and name it in PREFECT_API_URL."
        ) from error
    if as_json or in_full:
        _show(settings, outcome.run_id, as_json=as_json)
    else:
        click.echo(f"\n{outcome.message}\n\nretrain show {outcome.run_id}")


def _prepare_flow() -> None:
    """What comes before a flow is run in this process."""
    _log_to_terminal()
    # Python would die of SIGTERM on the spot; like this the run is marked, and Prefect's temporary server is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name, value in _PREFECT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logger.info("starting Prefect; without PREFECT_API_URL, with a temporary server, which takes some seconds")


def _show(settings: Settings, run_id: str, *, as_json: bool) -> None:
    from flows import terminal
    from storage.metrics.reader import MetricsReader

    found = MetricsReader(settings.database_url).run(run_id)
    if as_json:
        terminal.print_json(found)
    else:
        terminal.print_run(_console(), found)


def _console() -> Any:
    from rich.console import Console

    # A pipe has no width: do not fold what a program is going to read.
    return Console() if sys.stdout.isatty() else Console(width=200)


def _log_to_terminal() -> None:
    """Our own log lines on standard error, with the time of day: one line each in a file, folded in a terminal."""
    handler: logging.Handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(
            console=Console(stderr=True),
            show_path=False,
            show_level=False,
            log_time_format="%H:%M:%S",
            omit_repeated_times=False,
        )
    for name in ("flows", "tasks", "storage"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = [handler]
