"""Labelled rows that came since a champion was trained, and what it says of them.

A row is new if its words are in none of the champion's rows, of train, validation or test: on what a model has learned
from, it says nothing about today. The texts pass through in chunks; what stays in memory is four bytes a word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.options import DataOptions
from storage.records import Contents
from storage.sequences import Sequences
from storage.snapshots import Rows
from tasks.features.tokenization import content_hashes, split_into_words
from tasks.features.vocabulary import Vocabulary
from tasks.sources.contents import CheckedRows, Refusal, read_labelled
from tasks.sources.tally import Tally
from tasks.sources.texts import TextPart, set_aside, wordless

Probabilities = npt.NDArray[np.float32]

CHUNK_ROWS = 8_192
"""Rows that are scored together: sorted by length, reviews of one batch have hardly any padding."""


@dataclass(frozen=True, eq=False)
class Known:
    """What a champion was trained on.

    Attributes:
        vocabulary: How it reads texts.
        hashes: What the rows of its snapshot say; the tokenisation is the vocabulary's.
    """

    vocabulary: Vocabulary
    hashes: Collection[str]


@dataclass(frozen=True, eq=False)
class NewRows:
    """The new rows, in the order of their sources.

    Attributes:
        rows: With ranks under the champion's vocabulary.
        probabilities: Of label 1, float32 `(rows,)`, as the champion says.
        contents: What was read, and what was left out.
    """

    rows: Rows
    probabilities: Probabilities
    contents: Contents

    @property
    def num_labelled(self) -> int:
        """Rows that could be used, whether new or not."""
        return self.contents.num_rows - self.contents.num_refused - self.contents.num_neutral


def read_new_rows(
    parts: Sequence[TextPart],
    options: DataOptions,
    known: Known,
    score: Callable[[pa.StringArray], Probabilities],
    quarantine: Path,
) -> NewRows:
    """Read all parts, and score the rows that the champion does not know.

    A row that says what an earlier one says, with the same label, is taken once, wherever it stands: the bounds of an
    accuracy hold for rows that have nothing to do with each other.

    Args:
        parts: Sources of texts.
        options: Bounds of what is read.
        known: What the champion knows.
        score: Probabilities of label 1 of some texts.
        quarantine: Where refused rows are written to, if there are any.

    Raises:
        SourceError: A part cannot be read, or none of its rows can be used.
        ContentError: The champion cannot score texts.
    """
    gatherer = _Gatherer(known, score)
    # An earlier try may have got some way.
    quarantine.unlink(missing_ok=True)
    for part in parts:
        for batch in read_labelled(part.source, part.columns, options):
            set_aside(quarantine, part, gatherer.add(part.name, batch))
    return gatherer.gathered(str(quarantine))


class _Gatherer:
    """Takes batch after batch; scores what is new when there is enough of it."""

    def __init__(self, known: Known, score: Callable[[pa.StringArray], Probabilities]) -> None:
        self._known, self._score = known, score
        self._waiting: list[pa.StringArray] = []
        self._ids: list[str] = []
        self._labels: list[int] = []
        self._tokens: list[Sequences] = []
        self._probabilities: list[Probabilities] = []
        self._taken: set[tuple[str, int]] = set()
        self._tally = Tally()

    def add(self, part: str, batch: CheckedRows) -> tuple[Refusal, ...]:
        """Take the new rows of a batch; returns the rows that are refused."""
        assert batch.labels is not None
        words = split_into_words(batch.texts, self._known.vocabulary.tokenization)
        has_words = np.diff(words.offsets.to_numpy()) > 0
        refusals = (*batch.refusals, *wordless(batch, np.flatnonzero(~has_words)))
        self._tally.count(part, batch, refusals)
        hashes = content_hashes(words)
        kept = []
        for index in np.flatnonzero(has_words).tolist():
            key = (hashes[index], int(batch.labels[index]))
            self._tally.num_repeated += key in self._taken
            if key[0] not in self._known.hashes and key not in self._taken:
                kept.append(index)
                self._taken.add(key)
                self._ids.append(f"{part}/{batch.positions[index]}/{key[0]}")
                self._labels.append(key[1])
        taken = pa.array(kept, pa.int64())
        new_words = words.take(taken)
        ranks = self._known.vocabulary.ranks_of_table(new_words.flatten())
        self._tokens.append(Sequences.from_lengths(ranks, np.diff(new_words.offsets.to_numpy())))
        self._waiting.append(batch.texts.take(taken))
        if sum(map(len, self._waiting)) >= CHUNK_ROWS:
            self._score_waiting()
        return refusals

    def gathered(self, quarantine: str) -> NewRows:
        """All that was taken, scored."""
        self._score_waiting()
        tokens = Sequences.from_lengths(
            np.concatenate([np.empty(0, np.int32), *(part.values for part in self._tokens)]),
            np.concatenate([np.empty(0, np.int64), *(part.lengths for part in self._tokens)]),
        )
        contents = self._tally.contents(quarantine, num_new=len(self._ids))
        rows = Rows(pa.array(self._ids, pa.string()), np.array(self._labels, dtype=np.uint8), tokens)
        return NewRows(rows, np.concatenate([np.empty(0, np.float32), *self._probabilities]), contents)

    def _score_waiting(self) -> None:
        texts = pa.concat_arrays([pa.array([], pa.string()), *(part.cast(pa.string()) for part in self._waiting)])
        self._waiting = []
        if len(texts):
            self._probabilities.append(self._score(texts))
