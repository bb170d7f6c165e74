"""Featurized splits on disk: sequences, review features and labels, each with its own row ids and provenance.

Each part carries its row ids by itself, because equal lengths prove nothing: the alignment check compares them
position by position before anything is trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from storage.sequences import Sequences


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
    sequences = pq.read_table(folder / f"{split}-sequences.parquet")
    features = pq.read_table(folder / f"{split}-features.parquet")
    labels = pq.read_table(folder / f"{split}-labels.parquet")
    columns = [features[name].to_numpy() for name in features.column_names if name != "row_id"]
    return Matrix(
        sequences=Sequences.from_arrow(sequences["tokens"]),
        sequence_ids=sequences["row_id"].combine_chunks(),
        features=np.stack(columns, axis=1),
        feature_ids=features["row_id"].combine_chunks(),
        labels=labels["label"].to_numpy(),
        label_ids=labels["row_id"].combine_chunks(),
        scaler_digest=features.schema.metadata[b"scaler"].decode(),
        encoder_digest=sequences.schema.metadata[b"encoder"].decode(),
    )


def _write_matrix(folder: Path, split: Split, matrix: Matrix) -> None:
    sequences = pa.table({"row_id": matrix.sequence_ids, "tokens": matrix.sequences.to_arrow()})
    features = pa.table(
        {
            "row_id": matrix.feature_ids,
            **{f"feature_{index}": pa.array(column) for index, column in enumerate(matrix.features.T)},
        }
    )
    labels = pa.table({"row_id": matrix.label_ids, "label": pa.array(matrix.labels, pa.uint8())})
    tables = {
        "sequences": sequences.replace_schema_metadata({"encoder": matrix.encoder_digest}),
        "features": features.replace_schema_metadata({"scaler": matrix.scaler_digest}),
        "labels": labels,
    }
    for part, table in tables.items():
        pq.write_table(table, folder / f"{split}-{part}.parquet", compression="zstd")
