"""The commands around scheduled runs: set them up, and stop what was set up."""

from __future__ import annotations

import os
import signal

import click

from flows.cli.shared import console, json_option, prepare_prefect
from storage.settings import Settings


@click.command()
@json_option
def up(as_json: bool) -> None:
    """Start a Prefect server here, make the deployments of prefect.yaml, and start a worker; only what is missing.

    With PREFECT_API_URL set, pool and deployments are made on that server, and none is started.

    \b
    Example:
      retrain up
      PREFECT_SERVER_API_PORT=4300 retrain up
    """
    # The server and the worker get the user's own variables, not those that are set for this process.
    environment = dict(os.environ)
    prepare_prefect()
    # Started in the background of a script, this process would ignore Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.scheduling import print_standing
    from flows.scheduling.up import up as bring_up

    standing = bring_up(Settings.from_environment(), environment)
    print_json(standing) if as_json else print_standing(console(), standing)


@click.command()
@json_option
def down(as_json: bool) -> None:
    """Stop the worker and the server that `retrain up` has started, and nothing else.

    \b
    Example:
      retrain down
    """
    from flows.cli.terminal.common import print_json
    from flows.scheduling.down import down as bring_down

    stopped = bring_down(Settings.from_environment())
    if as_json:
        print_json({"stopped": stopped})
    else:
        click.echo("\n".join(stopped) or "nothing runs that `retrain up` has started")
