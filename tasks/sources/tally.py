"""What is counted while the parts of a source are read: rows, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from storage.records import Contents
from tasks.sources.contents import CheckedRows, Refusal

_NUM_EXAMPLES, _NUM_REASONS = 20, 5


class Tally:
    """Counts batch after batch.

    Attributes:
        num_repeated: Rows that somebody has left out since they were there before; whoever tells them counts them.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.num_repeated = 0
        self._num_rows = self._num_neutral = 0
        self._reasons: Counter[str] = Counter()
        self._examples: list[str] = []

    def count(self, part: str, batch: CheckedRows, refusals: Sequence[Refusal]) -> None:
        """Count the rows of a batch.

        Args:
            part: What a person calls the file.
            batch: As it was read, with what was refused then.
            refusals: All rows that are refused by now, those of the batch among them.
        """
        self._num_rows += len(batch.texts) + len(batch.refusals) + batch.num_neutral
        self._num_neutral += batch.num_neutral
        self._reasons.update(refusal.reason for refusal in refusals)
        room = _NUM_EXAMPLES - len(self._examples)
        self._examples += [f"{part}, {refusal.place}: {refusal.reason}" for refusal in refusals[:room]]

    def contents(self, quarantine: str, num_new: int | None = None) -> Contents:
        """All that was counted, with the file that refused rows were written to, if there were any."""
        num_refused = self._reasons.total()
        return Contents(
            num_rows=self._num_rows,
            num_refused=num_refused,
            num_neutral=self._num_neutral,
            num_repeated=self.num_repeated,
            num_new=num_new,
            reasons=dict(self._reasons.most_common(_NUM_REASONS)),
            examples=tuple(self._examples),
            quarantine=quarantine if num_refused else "",
        )
