"""What `retrain up` has started, written down so that it can be found again, and stopped; nothing here needs Prefect.

A process is known by its id and its start mark, so that another one that got the same id later is never taken for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.errors import OptionError
from storage.processes import lives

# Seconds.
_PATIENCE = 5


@dataclass(frozen=True)
class Process:
    """A process that was started and left to itself."""

    id: int
    mark: float

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return lives(self.id, self.mark)


@dataclass(frozen=True)
class State:
    """What was started, and what was last done on the server.

    Attributes:
        api: Address of the Prefect server's API; empty if there never was one.
        is_own: Whether that is the server that `retrain up` starts, and not one that it was told to use.
        deployed: Digest of what the deployments were made from.
    """

    api: str = ""
    is_own: bool = True
    server: Process | None = None
    worker: Process | None = None
    deployed: str = ""

    @property
    def stands(self) -> bool:
        """Whether anything of it still runs."""
        return any(process is not None and process.lives for process in (self.server, self.worker))


def read_state(folder: Path) -> State:
    """Read what was started; an empty state if nothing ever was.

    Raises:
        OptionError: The file is not one that `retrain up` has written.
    """
    path = _path(folder)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        processes = {name: Process(**values[name]) if values[name] else None for name in ("server", "worker")}
        return State(**{**values, **processes})
    except FileNotFoundError:
        return State()
    except (ValueError, TypeError, KeyError) as error:
        raise OptionError(
            f"{path} does not say what `retrain up` has started ({type(error).__name__}: {error}): look for processes "
            "of Prefect with `ps`, stop them, and remove the file."
        ) from error


def standing_server(folder: Path) -> str | None:
    """Address of the API of the server that `retrain up` has started; None if none answers, or it asks for a login."""
    try:
        state = read_state(folder)
    except OptionError:
        # It is for `up` and `down` to complain of.
        return None
    if not (state.is_own and state.server is not None and state.server.lives):
        return None
    try:
        # Unlike its health, which is told without a login.
        with urllib.request.urlopen(f"{state.api}/hello", timeout=_PATIENCE):
            return state.api
    except OSError:
        return None


def write_state(folder: Path, state: State) -> None:
    """Write down what was started; whoever is killed in the middle leaves the state before."""
    path = _path(folder)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second `retrain up` or `retrain down` out. The lock ends with the process that holds it, however it ends.

    Raises:
        OptionError: Another one is at work.
    """
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise OptionError(
                f"another `retrain up` or `retrain down` is at work in {folder} (process {file.read()}): wait until it "
                "is done, then try again."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _path(folder: Path) -> Path:
    return folder / "state.json"
