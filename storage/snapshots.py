"""Immutable datasets: one Parquet file a split, the id is the hash of the content. No source and no encoding here.

Columns: `row_id` (source split, source index and content hash), `label` (0 or 1), `tokens` (word ranks, not encoded),
and `rating` where the source has any; no model sees it, and it is no part of the content.
A snapshot of texts holds these too, one file a split, and the vocabulary that made their ranks: what is scored with a
bundle is text, since each bundle has a vocabulary of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.content import canonical_json, is_whole, publish, read_manifest, sha256_of_json, staging
from storage.errors import ContentError
from storage.records import SPLITS, SnapshotRecord, Split
from storage.sequences import Sequences

CONTENT_VERSION = 1
_VOCABULARY_FILE = "vocabulary.json"

Raw: TypeAlias = Sequences | pa.StringArray
"""What a bundle scores: texts or, where there never were any, word ranks."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one split.

    Attributes:
        ids: Arrow strings `(rows,)`, `<source split>/<source index>/<content hash>`.
        labels: uint8 `(rows,)`.
        tokens: Word ranks, `(rows, ragged)`.
        ratings: Arrow int8 `(rows,)`, null where a review has none; None where no review has one.
    """

    ids: pa.StringArray
    labels: npt.NDArray[np.uint8]
    tokens: Sequences
    ratings: pa.Int8Array | None = None

    def take(self, indices: npt.NDArray[np.integer]) -> Rows:
        """The rows at `indices`, in that order."""
        taken = pa.array(indices)
        ratings = None if self.ratings is None else self.ratings.take(taken)
        return Rows(self.ids.take(taken), self.labels[indices], self.tokens.take(indices), ratings)


@dataclass(frozen=True, eq=False)
class Texts:
    """What the rows of a snapshot say, and how their words became ranks.

    Attributes:
        batches: Of each split, gives its texts anew, in the order of its rows.
        vocabulary: Of the training rows, as plain JSON.
    """

    batches: Mapping[Split, Callable[[], Iterator[pa.StringArray]]]
    vocabulary: Mapping[str, Any]


def row_ids(source_split: str, tokens: Sequences) -> pa.StringArray:
    """Ids of a source's rows, in its order: where a row stood and what it said."""
    hashes = (hashlib.blake2b(tokens.row(index).tobytes(), digest_size=8).hexdigest() for index in range(len(tokens)))
    return pa.array([f"{source_split}/{index}/{digest}" for index, digest in enumerate(hashes)])


def content_hashes(rows: Rows) -> list[str]:
    """What each row said, the last part of its id: the same for the same words, wherever they stood."""
    return [row_id.rpartition("/")[2] for row_id in rows.ids.to_pylist()]


def content_id(splits: Mapping[Split, Rows], vocabulary: str = "") -> str:
    """SHA-256 of the rows in order: ids, labels, lengths and tokens of each split.

    Args:
        splits: The rows.
        vocabulary: Hash of the vocabulary, where the rows are texts. Their words are in the hashes that the ids hold.
    """
    digest = hashlib.sha256(f"snapshot {CONTENT_VERSION} {vocabulary}".strip().encode())
    for name in sorted(splits):
        rows = splits[name]
        digest.update(f"{name} {len(rows.ids)}".encode())
        digest.update("\n".join(rows.ids.to_pylist()).encode())
        for array in (rows.labels, rows.tokens.offsets, rows.tokens.values):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_snapshot(
    root: Path,
    splits: Mapping[Split, Rows],
    *,
    line: str,
    origin: str,
    reason: str,
    sha256: str,
    split_seed: int,
    texts: Texts | None = None,
) -> SnapshotRecord:
    """Publish the rows below `root`, unless a snapshot of the same content is there already.

    Returns:
        The record of this ingest; its `id` names the folder.
    """
    vocabulary = sha256_of_json(dict(texts.vocabulary)) if texts else ""
    record = SnapshotRecord(
        id=content_id(splits, vocabulary),
        test_id=_test_id(splits["test"], is_text=texts is not None),
        line=line,
        origin=origin,
        reason=reason,
        source_sha256=sha256,
        num_rows={name: len(splits[name].ids) for name in SPLITS},
        split_seed=split_seed,
        content_version=CONTENT_VERSION,
        vocabulary=vocabulary,
    )
    if not is_whole(root / record.id):
        with staging(root) as folder:
            for name in SPLITS:
                _write_rows(folder / f"{name}.parquet", splits[name])
            if texts is not None:
                _write_texts(folder, texts)
            publish(folder, dataclasses.asdict(record), name=record.id)
    return record


@dataclass(frozen=True)
class StoredSnapshot:
    """A published snapshot whose files were verified when it was opened; each call reads one of them."""

    folder: Path

    def rows(self, split: Split) -> Rows:
        """One split."""
        table = pq.read_table(self.folder / f"{split}.parquet")
        return Rows(
            ids=table["row_id"].combine_chunks(),
            labels=table["label"].to_numpy(),
            tokens=Sequences.from_arrow(table["tokens"]),
            ratings=table["rating"].combine_chunks() if "rating" in table.column_names else None,
        )

    def raw(self, split: Split) -> Raw:
        """What a bundle scores of one split, in the order of its rows: texts or, without texts, their word ranks."""
        path = self.folder / f"{split}-texts.parquet"
        if not path.is_file():
            return self.rows(split).tokens
        texts: Raw = pq.read_table(path)["text"].combine_chunks().cast(pa.string())
        return texts

    def vocabulary(self) -> dict[str, Any] | None:
        """What turned the texts into ranks, as plain JSON; None where there are no texts."""
        path = self.folder / _VOCABULARY_FILE
        if not path.is_file():
            return None
        vocabulary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return vocabulary

    def content_hashes(self) -> set[str]:
        """What all rows said, as hashes."""
        paths = (self.folder / f"{split}.parquet" for split in SPLITS)
        ids = (pq.read_table(path, columns=["row_id"])["row_id"] for path in paths)
        return {row_id.rpartition("/")[2] for column in ids for row_id in column.to_pylist()}


def open_snapshot(root: Path, snapshot_id: str) -> StoredSnapshot:
    """Verify a snapshot's files, once for all that is read of them.

    Raises:
        ContentError: The snapshot is missing or damaged.
    """
    folder = root / snapshot_id
    if read_manifest(folder).get("id") != snapshot_id:
        raise ContentError(f"{folder} holds another snapshot than its name says.")
    return StoredSnapshot(folder)


def read_rows(root: Path, snapshot_id: str, split: Split) -> Rows:
    """One split of a snapshot, where nothing else is read of it.

    Raises:
        ContentError: The snapshot is missing or damaged.
    """
    return open_snapshot(root, snapshot_id).rows(split)


def read_content_hashes(root: Path, snapshot_id: str) -> set[str]:
    """What all rows of a snapshot said, where nothing else is read of it.

    Raises:
        ContentError: The snapshot is missing or damaged.
    """
    return open_snapshot(root, snapshot_id).content_hashes()


def take_raw(raw: Raw, indices: npt.NDArray[np.integer]) -> Raw:
    """The rows at `indices`, in that order."""
    taken: Raw = raw.take(indices) if isinstance(raw, Sequences) else raw.take(pa.array(indices))
    return taken


def _test_id(test: Rows, *, is_text: bool) -> str:
    """What the ledger knows a test set by.

    Reviews that came as text stay the same test set when their file has another name or order, and when a vocabulary of
    more training rows gives their words other ranks.
    """
    if not is_text:
        return content_id({"test": test})
    return sha256_of_json(sorted(zip(content_hashes(test), test.labels.tolist(), strict=True)))


def _write_texts(folder: Path, texts: Texts) -> None:
    (folder / _VOCABULARY_FILE).write_text(canonical_json(dict(texts.vocabulary)), encoding="utf-8")
    schema = pa.schema({"text": pa.large_string()})
    for name in SPLITS:
        with pq.ParquetWriter(folder / f"{name}-texts.parquet", schema, compression="zstd") as writer:
            for batch in texts.batches[name]():
                writer.write_table(pa.table({"text": batch.cast(pa.large_string())}, schema=schema))


def _write_rows(path: Path, rows: Rows) -> None:
    columns = {"row_id": rows.ids, "label": pa.array(rows.labels, pa.uint8()), "tokens": rows.tokens.to_arrow()}
    table = pa.table(columns if rows.ratings is None else {**columns, "rating": rows.ratings})
    pq.write_table(table, path, compression="zstd")
