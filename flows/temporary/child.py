"""The process of a temporary server: Prefect's own application, on a socket that it is handed.

It ends with the process that started it, however that one ends: nobody else holds its standard input.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading

# Seconds that requests get to end, when the server is to.
_PATIENCE = 3


def main(descriptor: int) -> None:
    """Serve on a listening socket, which this process has inherited, until it is told to end."""
    # Nearly all of a start is imports. They leave nothing to collect, and looking for it takes a fifth of the time.
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app(ephemeral=True, final=True)
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=_PATIENCE)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def _end_with_parent() -> None:
    # Not `sys.stdin`: Python cannot end while another thread waits for it.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]))
