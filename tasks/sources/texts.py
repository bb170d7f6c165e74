"""From checked texts to the rows of a snapshot: words, splits by content, a vocabulary of the training rows.

The texts pass through in batches and wait in a file; what stays in memory is four bytes a word, and a hash a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import SourceError
from storage.options import ColumnOptions, DataOptions
from storage.records import SPLITS, Contents, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, Texts
from tasks.features.tokenization import WordTable, content_hashes, split_into_words
from tasks.features.vocabulary import Vocabulary
from tasks.sources.base import TextSource
from tasks.sources.contents import CheckedRows, Refusal, read_labelled
from tasks.sources.splits import split_by_content
from tasks.sources.tally import Tally

_SPOOL_SCHEMA = pa.schema({"text": pa.large_string()})


@dataclass(frozen=True)
class TextPart:
    """One source of texts of a run.

    Attributes:
        name: What its rows' ids begin with, and what a person calls the file.
        source: Where to read it.
        columns: How to read it.
    """

    name: str
    source: TextSource
    columns: ColumnOptions


@dataclass(frozen=True, eq=False)
class GatheredTexts:
    """The rows of all parts, split.

    Attributes:
        splits: Rows with ranks under the vocabulary of the training rows.
        texts: What they say, for as long as the spool file is there.
        contents: What was read, and what was left out.
    """

    splits: dict[Split, Rows]
    texts: Texts
    contents: Contents


def gather(
    parts: Sequence[TextPart], options: DataOptions, sample_size: int, *, spool: Path, quarantine: Path
) -> GatheredTexts:
    """Read all parts, one after the other, into one set of rows.

    A row that an earlier part holds too, word by word and with the same label, is taken once: this week's export may
    hold what last week's held. Repetitions within a part stay, and the check for leakage counts them.

    Args:
        parts: At least one.
        options: How to tokenise and split.
        sample_size: Rows to keep of train and of test, chosen by content; 0 keeps all.
        spool: Where the texts wait, a file that is made here.
        quarantine: Where refused rows are written to, if there are any.

    Raises:
        SourceError: A part cannot be read, or there are too few rows to split.
    """
    gatherer = _Gatherer(options)
    # An earlier try may have got some way.
    quarantine.unlink(missing_ok=True)
    with pq.ParquetWriter(spool, _SPOOL_SCHEMA, compression="lz4") as writer:
        for part in parts:
            gatherer.begin_part()
            for batch in read_labelled(part.source, part.columns, options):
                texts, refusals = gatherer.add(part.name, batch)
                writer.write_table(pa.table({"text": texts.cast(pa.large_string())}, schema=_SPOOL_SCHEMA))
                set_aside(quarantine, part, refusals)
    splits, vocabulary, assignment = gatherer.split(sample_size)
    batches = {split: _Spooled(spool, assignment == number) for number, split in enumerate(SPLITS)}
    contents = gatherer.tally.contents(str(quarantine))
    return GatheredTexts(splits, Texts(batches, vocabulary.to_json()), contents)


class _Gatherer:
    """Takes batch after batch, and keeps of each row its words' numbers, label, rating, hash and id.

    Attributes:
        tally: What was read and left out.
    """

    def __init__(self, options: DataOptions) -> None:
        self.tally = Tally()
        self._options = options
        self._table = WordTable()
        self._tokens: list[Sequences] = []
        self._labels: list[int] = []
        self._ids: list[str] = []
        self._ratings: list[int | None] = []
        self._hashes: list[str] = []
        self._declared: list[Split | None] = []
        self._of_earlier_parts: set[tuple[str, int]] = set()

    def begin_part(self) -> None:
        """What has been added so far belongs to earlier parts."""
        self._of_earlier_parts = set(zip(self._hashes, self._labels, strict=True))

    def add(self, part: str, batch: CheckedRows) -> tuple[pa.StringArray, tuple[Refusal, ...]]:
        """Take the rows of a batch; returns the texts that are kept, and the rows that are refused."""
        words = split_into_words(batch.texts, self._options.tokenization)
        has_words = np.diff(words.offsets.to_numpy()) > 0
        refusals = (*batch.refusals, *wordless(batch, np.flatnonzero(~has_words)))
        self.tally.count(part, batch, refusals)
        hashes = content_hashes(words)
        labels = batch.labels if batch.labels is not None else np.zeros(len(hashes), np.uint8)
        is_new = np.array(
            [key not in self._of_earlier_parts for key in zip(hashes, labels.tolist(), strict=True)], dtype=bool
        )
        self.tally.num_repeated += int((has_words & ~is_new).sum())
        kept = np.flatnonzero(has_words & is_new)
        self._tokens.append(self._table.add(words.take(pa.array(kept))))
        for index in kept.tolist():
            split = batch.splits[index] if batch.splits is not None else None
            # Rows of a split of the source's own were never one file with those of the others.
            file = part if split is None else f"{part}.{split}"
            self._ids.append(f"{file}/{batch.positions[index]}/{hashes[index]}")
            self._hashes.append(hashes[index])
            self._labels.append(int(labels[index]))
            self._ratings.append(None if batch.ratings is None else batch.ratings[index])
            self._declared.append(split)
        return batch.texts.take(pa.array(kept)), refusals

    def split(self, sample_size: int) -> tuple[dict[Split, Rows], Vocabulary, npt.NDArray[np.int8]]:
        """The rows of each split, the vocabulary of the training rows, and each row's split as a number.

        Raises:
            SourceError: There are too few rows.
        """
        assignment = split_by_content(self._hashes, self._declared, self._options, sample_size)
        for number, name in enumerate(SPLITS):
            if not (assignment == number).any():
                raise SourceError(
                    f"{len(self._ids):,} reviews are too few: none of them is left for {name}. "
                    "Add reviews, or raise data.test_share or data.validation_share."
                )
        tokens = Sequences.from_lengths(
            np.concatenate([part.values for part in self._tokens]),
            np.concatenate([part.lengths for part in self._tokens]),
        )
        rows_of = {name: np.flatnonzero(assignment == number) for number, name in enumerate(SPLITS)}
        counts = np.bincount(tokens.take(rows_of["train"]).values, minlength=len(self._table))
        vocabulary = Vocabulary.build(self._table, counts, self._options.vocabulary_size, self._options.tokenization)
        ranks = Sequences(vocabulary.ranks_of_table(self._table.words)[tokens.values], tokens.offsets)
        everything = Rows(
            ids=pa.array(self._ids, pa.string()),
            labels=np.array(self._labels, dtype=np.uint8),
            tokens=ranks,
            ratings=None if all(rating is None for rating in self._ratings) else pa.array(self._ratings, pa.int8()),
        )
        return {name: everything.take(positions) for name, positions in rows_of.items()}, vocabulary, assignment


@dataclass(frozen=True, eq=False)
class _Spooled:
    """Texts of the spool file that belong to one split, anew at each call."""

    path: Path
    belongs: npt.NDArray[np.bool_]

    def __call__(self) -> Iterator[pa.StringArray]:
        start = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(columns=["text"]):
                here = self.belongs[start : start + batch.num_rows]
                start += batch.num_rows
                yield batch.column(0).filter(pa.array(here))


def wordless(batch: CheckedRows, rows: npt.NDArray[np.int64]) -> Iterator[Refusal]:
    """The refusal of each of these rows of a batch, whose texts have no word."""
    for index in rows.tolist():
        text = batch.texts[index].as_py()
        position = int(batch.positions[index])
        yield Refusal(position, f"row {position + 1}", "no word in its text", text[:200])


def set_aside(path: Path, part: TextPart, refusals: Sequence[Refusal]) -> None:
    """Add refused rows of a source to a file, for a person to look at; without any, no file is made."""
    if not refusals:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        for refusal in refusals:
            line: dict[str, Any] = {"source": part.source.origin, **asdict(refusal)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
