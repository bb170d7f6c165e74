"""What several commands have in common: options, a flow that is run in this process, and where it is printed."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from storage.errors import RetrainError
from storage.settings import Settings

if TYPE_CHECKING:
    from flows.runs import Outcome
    from storage.options import RunOptions

# Nothing is sent home, and a server that a single run starts for itself gets the time that a slow machine needs.
_PREFECT_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "",
}

# New objects, less those that are gone, after which Python looks for garbage.
_GARBAGE = 50_000

logger = logging.getLogger(__name__)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


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


def ready(options: RunOptions) -> Settings:
    """Tell a mistake at once, before a server is started or a run is written down.

    Raises:
        UserError: The source is not there, or a folder cannot be written to.
    """
    from tasks.sources.resolve import check_source

    settings = Settings.from_environment()
    settings.prepare()
    check_source(options, settings)
    prepare_flow(settings)
    return settings


def finish(settings: Settings, flow: Callable[[], Outcome], *, as_json: bool, in_full: bool = False) -> None:
    """Run a flow and print what came of it; where it was stopped, too, if somebody is going to read it all."""
    try:
        outcome = flow()
    except RetrainError as error:
        if error.run_id and (as_json or in_full):
            show_run(settings, error.run_id, as_json=as_json)
        raise
    if as_json or in_full:
        show_run(settings, outcome.run_id, as_json=as_json)
    else:
        click.echo(f"\n{outcome.message}\n\nretrain show {outcome.run_id}")


def prepare_flow(settings: Settings) -> None:
    """What comes before a flow is run in this process: a server that is up already is taken, and the run seen there."""
    from flows.scheduling.state import standing_server
    from flows.temporary.server import start_temporary

    prepare_prefect()
    if "PREFECT_API_URL" in os.environ:
        logger.info("starting Prefect")
        return
    api = standing_server(settings.prefect)
    if api is None:
        logger.info("starting Prefect; without PREFECT_API_URL, with a temporary server, which takes some seconds")
        start_temporary()
        return
    logger.info("starting Prefect; the run is seen at %s, which `retrain up` has started", api.removesuffix("/api"))
    os.environ["PREFECT_API_URL"] = api


def collect_rarely() -> None:
    """Look for garbage seldom, and not at the end: a command imports modules above all, which leave none.

    Of a run that imports Prefect, it took a third of the time.
    """
    gc.set_threshold(_GARBAGE, 20, 20)
    atexit.register(gc.freeze)


def prepare_prefect() -> None:
    """What comes before Prefect is used in this process."""
    _log_to_terminal()
    # Python would die of SIGTERM on the spot; like this what was begun is ended in order: a run is marked, and a server
    # that was started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name, value in _PREFECT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def show_run(settings: Settings, run_id: str, *, as_json: bool, in_full: bool = False) -> None:
    """Print one run; in full, with what it can be repeated with. JSON always has everything."""
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.run import print_run
    from storage.metrics.reader import MetricsReader

    found = MetricsReader(settings.database_url).run(run_id)
    if as_json:
        print_json(found)
    else:
        print_run(console(), found, in_full)


def console() -> Any:
    """Where tables are printed: a `rich` console, as wide as the terminal."""
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
