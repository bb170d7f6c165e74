"""From checked texts to the rows of a snapshot: words, splits by content, a vocabulary of the training rows.

The texts pass through in batches and wait in a file, and so do their words' numbers and the ids of the rows. What stays
in memory is some twenty bytes a row: a hash, a label, a rating, a length and a split; and the different words.
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
from storage.sequences import Sequences, SequenceSpool, spooled
from storage.snapshots import Rows, Texts
from storage.spool import StringSpool, parquet_batches
from tasks.features.tokenization import WordTable, content_hashes, split_into_words
from tasks.features.vocabulary import Vocabulary
from tasks.sources.base import TextSource
from tasks.sources.contents import CheckedRows, Refusal, read_labelled
from tasks.sources.splits import split_by_content
from tasks.sources.tally import Tally

_IDS_AT_A_TIME = 2**16
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
    gatherer = _Gatherer(options, spool.parent)
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

    def __init__(self, options: DataOptions, folder: Path) -> None:
        self.tally = Tally()
        self._options, self._folder = options, folder
        self._table = WordTable()
        self._tokens = SequenceSpool(folder)
        self._ids = StringSpool(folder)
        self._labels = [np.empty(0, np.uint8)]
        self._hashes = [np.empty(0, np.uint64)]
        self._declared = [np.empty(0, np.int8)]
        self._ratings = [pa.array([], pa.int8())]
        # The hashes of each label's rows, sorted.
        self._of_earlier_parts = (np.empty(0, np.uint64), np.empty(0, np.uint64))

    def begin_part(self) -> None:
        """What has been added so far belongs to earlier parts."""
        hashes, labels = np.concatenate(self._hashes), np.concatenate(self._labels)
        self._of_earlier_parts = (np.sort(hashes[labels == 0]), np.sort(hashes[labels == 1]))

    def add(self, part: str, batch: CheckedRows) -> tuple[pa.StringArray, tuple[Refusal, ...]]:
        """Take the rows of a batch; returns the texts that are kept, and the rows that are refused."""
        words = split_into_words(batch.texts, self._options.tokenization)
        has_words = np.diff(words.offsets.to_numpy()) > 0
        refusals = (*batch.refusals, *wordless(batch, np.flatnonzero(~has_words)))
        self.tally.count(part, batch, refusals)
        hashes = content_hashes(words)
        numbers = np.array([int(one, 16) for one in hashes], dtype=np.uint64)
        labels = batch.labels if batch.labels is not None else np.zeros(len(hashes), np.uint8)
        is_new = ~self._is_of_earlier_parts(numbers, labels)
        self.tally.num_repeated += int((has_words & ~is_new).sum())
        kept = np.flatnonzero(has_words & is_new)
        taken = pa.array(kept)
        splits = [None] * len(hashes) if batch.splits is None else batch.splits
        # Rows of a split of the source's own were never one file with those of the others.
        files = [part if split is None else f"{part}.{split}" for split in splits]
        self._tokens.add(self._table.add(words.take(taken)))
        self._ids.add(pa.array([f"{files[row]}/{batch.positions[row]}/{hashes[row]}" for row in kept], pa.string()))
        self._labels.append(labels[kept])
        self._hashes.append(numbers[kept])
        self._declared.append(np.array([_number(split) for split in splits], dtype=np.int8)[kept])
        self._ratings.append(pa.array(batch.ratings or [None] * len(hashes), pa.int8()).take(taken))
        return batch.texts.take(taken), refusals

    def split(self, sample_size: int) -> tuple[dict[Split, Rows], Vocabulary, npt.NDArray[np.int8]]:
        """The rows of each split, the vocabulary of the training rows, and each row's split as a number.

        Raises:
            SourceError: There are too few rows.
        """
        hashes, declared = np.concatenate(self._hashes), np.concatenate(self._declared)
        assignment = split_by_content(hashes, declared, self._options, sample_size)
        for number, name in enumerate(SPLITS):
            if not (assignment == number).any():
                raise SourceError(
                    f"{len(hashes):,} reviews are too few: none of them is left for {name}. "
                    "Add reviews, or raise data.test_share or data.validation_share."
                )
        tokens = self._tokens.finish()
        vocabulary = self._vocabulary(tokens, assignment == SPLITS.index("train"))
        ranks = vocabulary.ranks_of_table(self._table.words)
        ratings = pa.concat_arrays(self._ratings)
        everything = Rows(
            ids=self._ids.finish(),
            labels=np.concatenate(self._labels),
            tokens=tokens,
            ratings=ratings if ratings.null_count < len(ratings) else None,
        )
        rows = {name: self._rows(everything, assignment == number, ranks) for number, name in enumerate(SPLITS)}
        return rows, vocabulary, assignment

    def _is_of_earlier_parts(
        self, hashes: npt.NDArray[np.uint64], labels: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(hashes), dtype=bool)
        for label, known in enumerate(self._of_earlier_parts):
            if len(known):
                places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
                found |= (labels == label) & (known[places] == hashes)
        return found

    def _vocabulary(self, tokens: Sequences, is_train: npt.NDArray[np.bool_]) -> Vocabulary:
        counts = np.zeros(len(self._table), dtype=np.int64)
        for piece in tokens.take_in_pieces(np.flatnonzero(is_train)):
            counts += np.bincount(piece.values, minlength=len(counts))
        return Vocabulary.build(self._table, counts, self._options.vocabulary_size, self._options.tokenization)

    def _rows(self, everything: Rows, belongs: npt.NDArray[np.bool_], ranks: npt.NDArray[np.int32]) -> Rows:
        """The rows of a split; their words' numbers become ranks."""
        pieces = everything.tokens.take_in_pieces(np.flatnonzero(belongs))
        ids, ratings = StringSpool(self._folder), everything.ratings
        for start in range(0, len(belongs), _IDS_AT_A_TIME):
            here = pa.array(belongs[start : start + _IDS_AT_A_TIME])
            ids.add(everything.ids.slice(start, _IDS_AT_A_TIME).filter(here))
        return Rows(
            ids=ids.finish(),
            labels=everything.labels[belongs],
            tokens=spooled((Sequences(ranks[piece.values], piece.offsets) for piece in pieces), self._folder),
            ratings=None if ratings is None else ratings.filter(pa.array(belongs)),
        )


def _number(split: Split | None) -> int:
    return -1 if split is None else SPLITS.index(split)


@dataclass(frozen=True, eq=False)
class _Spooled:
    """Texts of the spool file that belong to one split, anew at each call."""

    path: Path
    belongs: npt.NDArray[np.bool_]

    def __call__(self) -> Iterator[pa.StringArray]:
        start = 0
        for batch in parquet_batches(self.path):
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
