"""Immutable datasets: one Parquet file a split, the id is the hash of the content. No source and no encoding here.

Columns: `row_id` (source split, source index and content hash), `label` (0 or 1), `tokens` (word ranks, not encoded),
and `rating` where the source has any; no model sees it, and it is no part of the content.
A snapshot of texts holds these too, one file a split, and the vocabulary that made their ranks: what is scored with a
bundle is text, since each bundle has a vocabulary of its own.
Ids and tokens are read into mapped files, and written in pieces: a snapshot may be larger than memory.
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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.content import canonical_json, is_whole, publish, read_manifest, sha256_of_json, staging
from storage.errors import ContentError
from storage.records import SPLITS, SnapshotRecord, Split
from storage.sequences import Sequences, SequenceSpool
from storage.spool import StringSpool, parquet_batches

CONTENT_VERSION = 1
_VOCABULARY_FILE = "vocabulary.json"
# Of a Parquet file's row group: a reader needs room for one.
_GROUP_TOKENS = 2**22
_IDS_AT_A_TIME = 2**16

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


def content_hashes(ids: pa.StringArray) -> pa.StringArray:
    """What each row said, the last part of its id: the same for the same words, wherever they stood."""
    return pc.replace_substring_regex(ids, r"(?s)^.*/", "")


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
        for start in range(0, len(rows.ids), _IDS_AT_A_TIME):
            ids = rows.ids.slice(start, _IDS_AT_A_TIME).to_pylist()
            digest.update("\n".join(ids if start == 0 else ["", *ids]).encode())
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
        path = self.folder / f"{split}.parquet"
        ids, tokens = StringSpool(self.folder.parent), SequenceSpool(self.folder.parent)
        labels, ratings = [np.empty(0, np.uint8)], [pa.array([], pa.int8())]
        for batch in parquet_batches(path):
            ids.add(batch["row_id"])
            labels.append(batch["label"].to_numpy())
            tokens.add(Sequences.from_arrow(batch["tokens"]))
            if "rating" in batch.schema.names:
                ratings.append(batch["rating"])
        has_ratings = "rating" in pq.read_schema(path).names
        return Rows(
            ids=ids.finish(),
            labels=np.concatenate(labels),
            tokens=tokens.finish(),
            ratings=pa.concat_arrays(ratings) if has_ratings else None,
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

    def content_hashes(self) -> Iterator[pa.StringArray]:
        """What all rows said, as hashes, some rows at a time."""
        for split in SPLITS:
            for batch in parquet_batches(self.folder / f"{split}.parquet", ["row_id"]):
                yield content_hashes(batch["row_id"])


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
    return {one for hashes in open_snapshot(root, snapshot_id).content_hashes() for one in hashes.to_pylist()}


def count_unknown(root: Path, snapshot_id: str, known_id: str) -> int:
    """Rows of a snapshot that say what no row of another one says; eight bytes for each of the other's are held.

    Raises:
        ContentError: One of the snapshots is missing or damaged.
    """
    pieces = [_numbers(hashes) for hashes in open_snapshot(root, known_id).content_hashes()]
    known = np.sort(np.concatenate([np.empty(0, np.uint64), *pieces]))
    unknown = 0
    for hashes in open_snapshot(root, snapshot_id).content_hashes():
        numbers = _numbers(hashes)
        places = np.searchsorted(known, numbers)
        is_known = places < len(known)
        is_known[is_known] = known[places[is_known]] == numbers[is_known]
        unknown += int((~is_known).sum())
    return unknown


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
    pairs = pa.table({"hash": content_hashes(test.ids), "label": test.labels})
    pairs = pairs.sort_by([("hash", "ascending"), ("label", "ascending")])
    # As `sha256_of_json` of the list of all pairs, which is not held at once.
    digest = hashlib.sha256(b"[")
    comma = ""
    for batch in pairs.to_batches(max_chunksize=_IDS_AT_A_TIME):
        rows = zip(batch["hash"].to_pylist(), batch["label"].to_pylist(), strict=True)
        digest.update((comma + ",".join(canonical_json(row) for row in rows)).encode())
        comma = ","
    digest.update(b"]")
    return digest.hexdigest()


def _numbers(hashes: pa.StringArray) -> npt.NDArray[np.uint64]:
    return np.array([int(one, 16) for one in hashes.to_pylist()], dtype=np.uint64)


def _write_texts(folder: Path, texts: Texts) -> None:
    (folder / _VOCABULARY_FILE).write_text(canonical_json(dict(texts.vocabulary)), encoding="utf-8")
    schema = pa.schema({"text": pa.large_string()})
    for name in SPLITS:
        with pq.ParquetWriter(folder / f"{name}-texts.parquet", schema, compression="zstd") as writer:
            for batch in texts.batches[name]():
                writer.write_table(pa.table({"text": batch.cast(pa.large_string())}, schema=schema))


def _write_rows(path: Path, rows: Rows) -> None:
    schema = pa.schema({"row_id": pa.string(), "label": pa.uint8(), "tokens": pa.large_list(pa.int32())})
    if rows.ratings is not None:
        schema = schema.append(pa.field("rating", pa.int8()))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part, tokens in rows.tokens.pieces(_GROUP_TOKENS):
            size = part.stop - part.start
            columns = {
                "row_id": rows.ids.slice(part.start, size),
                "label": pa.array(rows.labels[part], pa.uint8()),
                "tokens": tokens.to_arrow(),
            }
            if rows.ratings is not None:
                columns["rating"] = rows.ratings.slice(part.start, size)
            writer.write_table(pa.table(columns, schema=schema))
