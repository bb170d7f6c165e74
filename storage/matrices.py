"""Featurized splits on disk: sequences, review features and labels, each with its own row ids and provenance.

Each part carries its row ids by itself, because equal lengths prove nothing: the alignment check compares them
position by position before anything is trained. Sequences, features and ids are read into mapped files, and written in
pieces: they may be larger than memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.accounts import SplitTable, split_table
from storage.content import MANIFEST, is_whole, publish, read_manifest, staging
from storage.records import SPLITS, Split
from storage.sequences import Sequences, SequenceSpool
from storage.spool import Spool, StringSpool, parquet_batches

# Of a Parquet file's row group: a reader needs room for one.
_GROUP_TOKENS = 2**22
_GROUP_ROWS = 2**16


@dataclass(frozen=True, eq=False)
class Matrix:
    """One split as a model is fed with it.

    Attributes:
        sequences: Encoded tokens, cut to the last `max_length`, not yet padded.
        sequence_ids: Arrow strings `(rows,)`: the review that each sequence is of.
        features: float32 `(rows, features)`, standardised.
        feature_ids: Arrow strings `(rows,)`.
        labels: uint8 `(rows,)`.
        label_ids: Arrow strings `(rows,)`.
        scaler_digest: Hash of the scaler that made `features`.
        encoder_digest: Hash of the encoder that made `sequences`.
    """

    sequences: Sequences
    sequence_ids: pa.StringArray
    features: npt.NDArray[np.float32]
    feature_ids: pa.StringArray
    labels: npt.NDArray[np.uint8]
    label_ids: pa.StringArray
    scaler_digest: str
    encoder_digest: str

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.sequences)


@dataclass(frozen=True)
class FeaturizedSnapshot:
    """What is known of all splits together, without loading them.

    Attributes:
        id: Digest of the published folder.
        encoder: Encoding constants and maximum length, as plain JSON.
        scaler: The scaler fit on the training rows, as plain JSON.
        tables: What the reviews of each split are like.
    """

    id: str
    snapshot_id: str
    encoder: dict[str, Any]
    scaler: dict[str, Any]
    tables: tuple[SplitTable, ...]


def write_matrices(
    root: Path,
    matrices: Mapping[Split, Matrix],
    *,
    snapshot_id: str,
    encoder: Mapping[str, Any],
    scaler: Mapping[str, Any],
    tables: Sequence[SplitTable],
    key: str = "",
) -> str:
    """Publish the matrices of all splits below `root` and return their id.

    Args:
        root: Folder of all matrices.
        matrices: Of each split.
        snapshot_id: What they were made of.
        encoder: As plain JSON.
        scaler: As plain JSON.
        tables: Of the reviews that they were made of.
        key: Hash of all that decides what is in them.
    """
    with staging(root) as folder:
        for name in SPLITS:
            _write_matrix(folder, name, matrices[name])
        made_of = {"snapshot_id": snapshot_id, "tables": [asdict(table) for table in tables], "key": key}
        return publish(folder, {**made_of, "encoder": dict(encoder), "scaler": dict(scaler)}).name


def find_matrices(root: Path, key: str) -> str | None:
    """Id of whole matrices that were made under the same key, if there are any."""
    for manifest in sorted(root.glob(f"*/{MANIFEST}")):
        try:
            same = json.loads(manifest.read_text(encoding="utf-8")).get("key") == key
        except (OSError, ValueError, AttributeError):
            continue
        if same and is_whole(manifest.parent):
            return manifest.parent.name
    return None


def read_featurized(root: Path, matrices_id: str) -> FeaturizedSnapshot:
    """Verify a published folder and read what it is.

    Raises:
        ContentError: It is missing or damaged.
    """
    manifest = read_manifest(root / matrices_id, digest=matrices_id)
    return FeaturizedSnapshot(
        id=matrices_id,
        snapshot_id=manifest["snapshot_id"],
        encoder=manifest["encoder"],
        scaler=manifest["scaler"],
        tables=tuple(split_table(table) for table in manifest["tables"]),
    )


def read_matrix(root: Path, matrices_id: str, split: Split) -> Matrix:
    """Load one split. Verify the folder first, once, with `read_featurized`."""
    folder = root / matrices_id
    tokens, sequence_ids = _read_sequences(folder / f"{split}-sequences.parquet", root)
    features, feature_ids = _read_features(folder / f"{split}-features.parquet", root)
    labels, label_ids = _read_labels(folder / f"{split}-labels.parquet", root)
    return Matrix(
        sequences=tokens,
        sequence_ids=sequence_ids,
        features=features,
        feature_ids=feature_ids,
        labels=labels,
        label_ids=label_ids,
        scaler_digest=_metadata(folder / f"{split}-features.parquet", "scaler"),
        encoder_digest=_metadata(folder / f"{split}-sequences.parquet", "encoder"),
    )


def _read_sequences(path: Path, folder: Path) -> tuple[Sequences, pa.StringArray]:
    tokens, ids = SequenceSpool(folder), StringSpool(folder)
    for batch in parquet_batches(path):
        tokens.add(Sequences.from_arrow(batch["tokens"]))
        ids.add(batch["row_id"])
    return tokens.finish(), ids.finish()


def _read_features(path: Path, folder: Path) -> tuple[npt.NDArray[np.float32], pa.StringArray]:
    values, ids = Spool(np.float32, folder), StringSpool(folder)
    names = [name for name in pq.read_schema(path).names if name != "row_id"]
    for batch in parquet_batches(path):
        values.add(np.stack([batch[name].to_numpy() for name in names], axis=1))
        ids.add(batch["row_id"])
    return values.finish().reshape(-1, len(names)), ids.finish()


def _read_labels(path: Path, folder: Path) -> tuple[npt.NDArray[np.uint8], pa.StringArray]:
    labels, ids = [np.empty(0, np.uint8)], StringSpool(folder)
    for batch in parquet_batches(path):
        labels.append(batch["label"].to_numpy())
        ids.add(batch["row_id"])
    return np.concatenate(labels), ids.finish()


def _metadata(path: Path, key: str) -> str:
    value: bytes = pq.read_schema(path).metadata[key.encode()]
    return value.decode()


def _write_matrix(folder: Path, split: Split, matrix: Matrix) -> None:
    ids = pa.field("row_id", pa.string())
    names = [f"feature_{index}" for index in range(matrix.features.shape[1])]
    sequences = pa.schema([ids, pa.field("tokens", pa.large_list(pa.int32()))], {"encoder": matrix.encoder_digest})
    features = pa.schema([ids, *(pa.field(name, pa.float32()) for name in names)], {"scaler": matrix.scaler_digest})
    labels = pa.schema([ids, pa.field("label", pa.uint8())])
    with _writer(folder / f"{split}-sequences.parquet", sequences) as writer:
        for part, tokens in matrix.sequences.pieces(_GROUP_TOKENS):
            columns = [_slice(matrix.sequence_ids, part), tokens.to_arrow()]
            writer.write_table(pa.table(columns, schema=sequences))
    with _writer(folder / f"{split}-features.parquet", features) as writer:
        for part in _groups(len(matrix.features)):
            columns = [_slice(matrix.feature_ids, part), *map(pa.array, matrix.features[part].T)]
            writer.write_table(pa.table(columns, schema=features))
    with _writer(folder / f"{split}-labels.parquet", labels) as writer:
        for part in _groups(len(matrix.labels)):
            columns = [_slice(matrix.label_ids, part), pa.array(matrix.labels[part], pa.uint8())]
            writer.write_table(pa.table(columns, schema=labels))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd")


def _groups(num_rows: int) -> Iterator[slice]:
    for start in range(0, num_rows, _GROUP_ROWS):
        yield slice(start, start + _GROUP_ROWS)


def _slice(ids: pa.StringArray, part: slice) -> pa.StringArray:
    return ids.slice(part.start, part.stop - part.start)
