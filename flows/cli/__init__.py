"""The command `retrain`: parse, one call, translate the error.

Exit codes: 0 the command ended well, whatever the rule decided; 1 a fault; 2 a mistake in what was asked for; 3 a check
refused the data; 4 what was named does not exist; 130 it was stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import os
import sys

import click

from flows.cli.exploring import explore
from flows.cli.querying import sql
from flows.cli.reading import champion, compare, history, report, show, trend
from flows.cli.retraining import check, run
from flows.cli.scheduling import down, up
from flows.cli.serving import monitor, predict, rollback
from flows.cli.shared import collect_rarely
from flows.cli.store import db
from storage.errors import DataRejectedError, NotFoundError, RetrainError, UserError

EXIT_FAULT, EXIT_USER, EXIT_DATA_REJECTED, EXIT_NOT_FOUND, EXIT_STOPPED = 1, 2, 3, 4, 130


def main() -> None:
    """Run the command and turn our own errors into one sentence and an exit code."""
    collect_rarely()
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
    retrain compare      two runs side by side
    retrain report       the page of a run, written again
    retrain trend        the page of a line: all its runs over time, what served when
    retrain champion     what serves now, and what served before
    retrain sql          questions of your own to the metrics store
    retrain explore      the metrics store in a browser
    retrain predict      label new reviews with the champion
    retrain rollback     put an earlier champion back
    retrain monitor      hold the champion against the labelled reviews that came since
    retrain db           look after the store: upgrade, backup, check, prune
    retrain up           schedule it all: a Prefect server, the deployments and a worker
    retrain down         stop what `retrain up` has started

    Where things are kept: the folder in RETRAIN_HOME (default ~/.retrain).
    """


for command in (
    check,
    run,
    history,
    show,
    compare,
    report,
    trend,
    champion,
    sql,
    explore,
    predict,
    rollback,
    monitor,
    db,
    up,
    down,
):
    cli.add_command(command)
