"""The process of a temporary server: Prefect's own application, on a socket that it is handed.

It ends with the process that started it, however that one ends: nobody else holds its standard input.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Seconds that requests get to end, when the server is to.
_PATIENCE = 3


def main(descriptor: int) -> None:
    """Serve on a listening socket, which this process has inherited, until it is told to end."""
    # Nearly all of a start is imports. They leave nothing to collect, and looking for it takes a fifth of the time.
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            with _alone(get_current_settings().home):
                await super().startup(sockets)

    app = create_app(ephemeral=True, final=True)
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=_PATIENCE)
    Server(config).run(sockets=[socket.socket(fileno=descriptor)])


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let no two servers of a home start at once: both would make the tables of its database, and one of them fail."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "temporary-server.lock").open("a", encoding="utf-8")
    except OSError:
        # The database may be somewhere else; where it is not, Prefect says what is wrong with the folder.
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _end_with_parent() -> None:
    # Not `sys.stdin`: Python cannot end while another thread waits for it.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]))
