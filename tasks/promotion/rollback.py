"""Which earlier champion a rollback means."""

from __future__ import annotations

from collections.abc import Sequence

from storage.errors import NotFoundError, OptionError
from storage.records import Champion


def earlier_champion(served: Sequence[Champion], line: str, to: int) -> Champion:
    """The champion that is meant.

    Args:
        served: The line's history, oldest first.
        line: Its name.
        to: A position, or 0 for the last one of another candidate than the one that serves.

    Raises:
        NotFoundError: There is none.
        OptionError: It serves already.
    """
    if not served:
        raise NotFoundError(f"the line {line!r} has no champion, so there is none to go back to.")
    present = served[-1]
    if to:
        found = next((champion for champion in served if champion.position == to), None)
    else:
        others = (champion for champion in reversed(served) if champion.candidate_id != present.candidate_id)
        found = next(others, None)
    if found is None:
        named = f"number {to}" if to else "before the present one"
        raise NotFoundError(
            f"the line {line!r} has no champion {named}: `retrain champion --line {line} --history` lists them."
        )
    if found.candidate_id == present.candidate_id:
        raise OptionError(f"{found.candidate_id} serves on {line!r} already.")
    return found
