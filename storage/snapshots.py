"""Immutable datasets: one Parquet file a split, the id is the hash of the content. No source and no encoding here.

Columns: `row_id` (source split, source index and content hash), `label` (0 or 1), `tokens` (word ranks, not encoded).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.content import is_whole, publish, read_manifest, staging
from storage.errors import ContentError
from storage.records import SPLITS, SnapshotRecord, Split
from storage.sequences import Sequences

CONTENT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one split.

    Attributes:
        ids: Arrow strings `(rows,)`, `<source split>/<source index>/<content hash>`.
        labels: uint8 `(rows,)`.
        tokens: Word ranks, `(rows, ragged)`.
    """

    ids: pa.StringArray
    labels: npt.NDArray[np.uint8]
    tokens: Sequences

    def take(self, indices: npt.NDArray[np.integer]) -> Rows:
        """The rows at `indices`, in that order."""
        return Rows(self.ids.take(pa.array(indices)), self.labels[indices], self.tokens.take(indices))


def row_ids(source_split: str, tokens: Sequences) -> pa.StringArray:
    """Ids of a source's rows, in its order: where a row stood and what it said."""
    hashes = (hashlib.blake2b(tokens.row(index).tobytes(), digest_size=8).hexdigest() for index in range(len(tokens)))
    return pa.array([f"{source_split}/{index}/{digest}" for index, digest in enumerate(hashes)])


def content_id(splits: Mapping[Split, Rows]) -> str:
    """SHA-256 of the rows in order: ids, labels, lengths and tokens of each split."""
    digest = hashlib.sha256(f"snapshot {CONTENT_VERSION}".encode())
    for name in sorted(splits):
        rows = splits[name]
        digest.update(f"{name} {len(rows.ids)}".encode())
        digest.update("\n".join(rows.ids.to_pylist()).encode())
        for array in (rows.labels, rows.tokens.offsets, rows.tokens.values):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_snapshot(
    root: Path, splits: Mapping[Split, Rows], *, line: str, origin: str, reason: str, sha256: str, split_seed: int
) -> SnapshotRecord:
    """Publish the rows below `root`, unless a snapshot of the same content is there already.

    Returns:
        The record of this ingest; its `id` names the folder.
    """
    record = SnapshotRecord(
        id=content_id(splits),
        test_id=content_id({"test": splits["test"]}),
        line=line,
        origin=origin,
        reason=reason,
        source_sha256=sha256,
        num_rows={name: len(splits[name].ids) for name in SPLITS},
        split_seed=split_seed,
        content_version=CONTENT_VERSION,
    )
    if not is_whole(root / record.id):
        with staging(root) as folder:
            for name in SPLITS:
                _write_rows(folder / f"{name}.parquet", splits[name])
            publish(folder, dataclasses.asdict(record), name=record.id)
    return record


def read_rows(root: Path, snapshot_id: str, split: Split) -> Rows:
    """One split of a snapshot, after its files were verified.

    Raises:
        ContentError: The snapshot is missing or damaged.
    """
    folder = root / snapshot_id
    if read_manifest(folder).get("id") != snapshot_id:
        raise ContentError(f"{folder} holds another snapshot than its name says.")
    table = pq.read_table(folder / f"{split}.parquet")
    return Rows(
        ids=table["row_id"].combine_chunks(),
        labels=table["label"].to_numpy(),
        tokens=Sequences.from_arrow(table["tokens"]),
    )


def _write_rows(path: Path, rows: Rows) -> None:
    table = pa.table({"row_id": rows.ids, "label": pa.array(rows.labels, pa.uint8()), "tokens": rows.tokens.to_arrow()})
    pq.write_table(table, path, compression="zstd")
