"""What sources of reviews hand over: rows of text as they were read, or labelled token ranks.

Text is read through `TextSource`, one file each, and means nothing yet: `tasks.sources.contents` says which rows can be
used. Token ranks come from Keras' layout and from the synthetic corpus, train and test already apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from storage.sequences import Sequences


@dataclass(frozen=True)
class RawRows:
    """Some rows of a source of texts, as they were read.

    Attributes:
        places: Where each row stands in its source, for a person: `row 17 (line 21)`, `train/pos/3_9.txt`.
        columns: The columns that were asked for and are there, each with a value per row; None is a missing value.
        faults: What is wrong with a row that could not be read as one, by its position here. Its values are None.
    """

    places: Sequence[str]
    columns: Mapping[str, Sequence[str | None]]
    faults: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.places)


class TextSource(Protocol):
    """Something that holds reviews as text: a file, a folder, the answer to a query."""

    @property
    def origin(self) -> str:
        """A path or an address, without any password."""

    @property
    def sha256(self) -> str:
        """Of the file as it is, hexadecimal; empty where there is no single file."""

    def column_names(self) -> tuple[str, ...]:
        """Names of the columns that are there.

        Raises:
            SourceError: The source is missing, or is not what its ending says.
        """

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        """The rows in their order, a bounded number at a time.

        Args:
            columns: What to read; all of them are there.

        Raises:
            SourceError: The source cannot be read any further, or is larger than it may be.
        """


@dataclass(frozen=True)
class Limits:
    """How much may be read of a source of texts.

    Attributes:
        bytes: Size of the whole, unpacked.
        rows: Rows of the whole.
        text_length: Characters of one value. A reader refuses to hold much more than this at once.
    """

    bytes: int
    rows: int
    text_length: int


@dataclass(frozen=True)
class LabelledReviews:
    """One official split of a source, not yet encoded.

    Attributes:
        tokens: Word ranks by training frequency, 1 is the most frequent; no start token, no offset.
        labels: uint8 `(rows,)`, 0 negative, 1 positive.
    """

    tokens: Sequences
    labels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Reviews:
    """Everything that a source of token ranks has to give.

    Attributes:
        line: The dataset's name; champions are champions of a line.
        origin: A path, an address or a sentence: where these reviews are from.
        reason: Why this source was used, one sentence.
        sha256: Of the file as it was read, hexadecimal; empty where there is no file.
        train: The official training rows, validation still among them.
        test: The official test rows.
    """

    line: str
    origin: str
    reason: str
    sha256: str
    train: LabelledReviews
    test: LabelledReviews
