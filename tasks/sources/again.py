"""When a source is read again: where it did not answer, and nobody sits in front of the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storage.errors import UnavailableSourceError

# Seconds before the second and the third try.
RETRY_DELAYS: list[float] = [10, 60]


def again_if_unavailable(deployment: Callable[[], object]) -> Callable[[Any, Any, Any], bool]:
    """A retry condition for a Prefect task that reads a source. A wrong answer stays wrong: it is not asked for again.

    Args:
        deployment: Gives the id of the deployment that the task's run is of; None at the command line, where a person
            is told at once.
    """

    def condition(_task: Any, _run: Any, state: Any) -> bool:
        return isinstance(state.data, UnavailableSourceError) and deployment() is not None

    return condition
