"""What every source of reviews hands over: labelled token ranks, train and test, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.sequences import Sequences


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
    """Everything that a source has to give.

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
