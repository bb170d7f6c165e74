"""From word ranks to a model's indices, as Keras' `imdb.load_data` does it, and the length that reviews are cut to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.content import sha256_of_json
from storage.options import FeatureOptions
from storage.sequences import Sequences
from tasks.features.vocabulary import Vocabulary


@dataclass(frozen=True)
class Encoder:
    """Encoding constants and the maximum length.

    Attributes:
        num_words: Indices from here on become `oov_index`.
        start_index: Put before every review.
        oov_index: Stands for words out of the vocabulary.
        index_from: Added to every rank. Index 0 is padding.
        max_length: Tokens that are kept of a review, its last ones.
        vocabulary: Hash of the vocabulary that gave the ranks; empty where they came without words.
    """

    num_words: int
    start_index: int
    oov_index: int
    index_from: int
    max_length: int
    vocabulary: str = ""

    @classmethod
    def fit(
        cls, num_tokens: npt.NDArray[np.integer], options: FeatureOptions, vocabulary: Vocabulary | None = None
    ) -> Encoder:
        """Take the constants from the options and the maximum length from training reviews.

        Args:
            num_tokens: Words in each labelled training review, `(rows,)`, validation rows included: no label is used.
            options: Constants, and the percentile.
            vocabulary: What gave the ranks, where there is one. Its last rank stands for all other words: that index
                is out of the vocabulary, and there is none beyond it.
        """
        lengths = num_tokens + 1  # the start token
        known = options.num_words if vocabulary is None else vocabulary.oov_rank + options.index_from
        return cls(
            num_words=min(options.num_words, known),
            start_index=options.start_index,
            oov_index=options.oov_index,
            index_from=options.index_from,
            max_length=int(np.percentile(lengths, options.max_length_percentile)),
            vocabulary="" if vocabulary is None else vocabulary.digest,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Encoder:
        """Build from what `to_json` gave."""
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the constants."""
        return sha256_of_json(self.to_json())

    def encode(self, tokens: Sequences) -> Sequences:
        """Indices of whole reviews, `(rows, ragged)`, with the start token and not yet cut."""
        lengths = tokens.lengths + 1
        starts = np.cumsum(lengths) - lengths
        values = np.empty(len(tokens.values) + len(tokens), dtype=np.int32)
        is_word = np.ones(len(values), dtype=bool)
        is_word[starts] = False
        indices = tokens.values.astype(np.int64) + self.index_from
        values[starts] = self.start_index
        values[is_word] = np.where(indices < self.num_words, indices, self.oov_index)
        return Sequences.from_lengths(values, lengths)

    def truncate(self, encoded: Sequences) -> Sequences:
        """What a model is fed: the last `max_length` indices of each review."""
        return encoded.last(self.max_length)
