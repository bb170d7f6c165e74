"""The command that opens the metrics store in Datasette, on this machine only."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import socket
from pathlib import Path

import click

from storage.errors import OptionError
from storage.settings import Settings

_HOST = "127.0.0.1"
# A run that writes waits longer than this for a reader.
_SETTINGS = {"sql_time_limit_ms": 5000, "max_returned_rows": 1000, "default_cache_ttl": 0}


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0 is any that is free.")
def explore(port: int) -> None:
    """Open the metrics store in a browser, with Datasette: views, tables and the cook book, to click through.

    It listens on this machine only, and reads only. Ctrl-C ends it. `make explore` installs Datasette, too.

    \b
    Example:
      retrain explore
      retrain explore --port 0
    """
    from storage.metrics.engine import sqlite_file
    from storage.metrics.reader import MetricsReader

    url = Settings.from_environment().database_url
    MetricsReader(url)
    file = sqlite_file(url)
    if file is None:
        raise OptionError("the store is on a database server, and Datasette reads SQLite: ask it with `retrain sql`.")
    if importlib.util.find_spec("datasette") is None:
        raise OptionError(
            "Datasette is not installed: `make explore` installs and opens it; or `pip install "
            "'review-sentiment-retrain[explore]'`."
        )
    with _listen(port) as listener:
        click.echo(f"http://{_HOST}:{listener.getsockname()[1]}/{file.stem}  (Ctrl-C ends it)")
        _serve(file, listener)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        # Whoever comes before Datasette is ready waits.
        listener.listen()
    except OSError as error:
        listener.close()
        raise OptionError(
            f"port {port} of {_HOST} cannot be had ({error.strerror}): name another one with --port, or 0."
        ) from error
    return listener


def _serve(file: Path, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, either of which is how it ends well."""
    import rich
    import uvicorn
    from datasette.app import Datasette

    from storage.metrics.explore import datasette_metadata

    # Datasette prints the traceback of each mistake in a question there; its page tells it, too, and shorter.
    rich.reconfigure(quiet=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Not opened as immutable: runs may write to it meanwhile. Datasette opens it for reading only by itself.
    site = Datasette([str(file)], metadata=datasette_metadata(file.stem), settings=_SETTINGS)
    server = uvicorn.Server(uvicorn.Config(site.app(), log_level="warning"))
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
