"""`retrain down`: stop what `retrain up` has started, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from flows.scheduling.processes import stop
from flows.scheduling.state import locked, read_state, write_state
from storage.settings import Settings


def down(settings: Settings) -> tuple[str, ...]:
    """Stop the worker, with the run that it may be at, and then the server.

    Returns:
        What was stopped, a sentence each; empty where nothing ran.

    Raises:
        OptionError: A `retrain up` is at work.
    """
    if not settings.prefect.is_dir():
        return ()
    done = []
    with locked(settings.prefect):
        state = read_state(settings.prefect)
        for process, what in ((state.worker, "the worker"), (state.server, "the Prefect server")):
            if process is not None and stop(process):
                done.append(f"stopped {what}, process {process.id}")
        write_state(settings.prefect, replace(state, worker=None, server=None))
    return tuple(done)
