"""The words that a model knows, by rank: 1 is the most frequent word of the training rows. No encoding lives here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.content import sha256_of_json
from storage.options import Tokenization
from storage.sequences import Sequences
from tasks.features.tokenization import WordTable, split_into_words

# Rows that are split at once: it bounds the memory beside the ranks.
_PIECE = 2048


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words by rank, and how texts were split into them.

    Attributes:
        words: The words, string `(words,)`; the first has rank 1.
        tokenization: How a text becomes words.
    """

    words: pa.StringArray
    tokenization: Tokenization

    def __post_init__(self) -> None:
        """Refuse what gives no rank, or two, to a word.

        Raises:
            ValueError: A word is missing or there twice, or the tokenization is unknown.
        """
        if self.tokenization not in get_args(Tokenization):
            raise ValueError(f"tokenization is one of {get_args(Tokenization)}, found {self.tokenization!r}")
        if self.words.null_count or len(self.words.unique()) != len(self.words):
            raise ValueError("a vocabulary has each of its words once, and none is missing")

    @classmethod
    def build(
        cls, table: WordTable, counts: npt.NDArray[np.int64], size: int, tokenization: Tokenization
    ) -> Vocabulary:
        """The most frequent words first; ties in the order of the words' UTF-8 bytes, whatever order the rows had.

        Args:
            table: The words that were met, in any split.
            counts: How often each of them occurs in the training rows, `(words of the table,)`. Words that do not
                occur there stay out.
            size: Most words that are taken.
            tokenization: What split the texts for the table.

        Raises:
            ValueError: There is not one count for each word.
        """
        if len(counts) != len(table):
            raise ValueError(f"expected a count for each of {len(table)} words, found {len(counts)}")
        met = pa.table({"word": table.words, "count": counts}).filter(pc.field("count") > 0)
        order = pc.sort_indices(met, sort_keys=[("count", "descending"), ("word", "ascending")])
        return cls(pa.array(met["word"].take(order[:size]).to_pylist(), pa.string()), tokenization)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Vocabulary:
        """Build from what `to_json` gave."""
        return cls(pa.array(value["words"], pa.string()), value["tokenization"])

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be stored."""
        return {"tokenization": self.tokenization, "words": self.words.to_pylist()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the words and of how they are made."""
        return sha256_of_json(self.to_json())

    @property
    def oov_rank(self) -> int:
        """The rank after the last one: it stands for every word that is not here."""
        return len(self) + 1

    def __len__(self) -> int:
        """Number of words."""
        return len(self.words)

    def ranks_of_table(self, words: pa.StringArray) -> npt.NDArray[np.int32]:
        """Rank of each word, int32 `(words,)`, and `oov_rank` where it has none."""
        places = pc.fill_null(pc.index_in(words, value_set=self.words), len(self))
        ranks: npt.NDArray[np.int32] = places.to_numpy(zero_copy_only=False) + np.int32(1)
        return ranks

    def ranks(self, texts: pa.StringArray) -> Sequences:
        """Ranks of the words of each text, int32 `(rows, ragged)`, in pieces of so many rows that memory is bounded.

        Raises:
            ValueError: A text is missing.
        """
        values, lengths = [], []
        for start in range(0, max(len(texts), 1), _PIECE):
            words = split_into_words(texts.slice(start, _PIECE), self.tokenization)
            values.append(self.ranks_of_table(words.flatten()))
            lengths.append(np.diff(words.offsets.to_numpy()))
        return Sequences.from_lengths(np.concatenate(values), np.concatenate(lengths))
