"""Where rows stood in the file that they were read from, as their ids tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.records import SPLITS, Split
from storage.snapshots import Rows

# 18 digits: what an int64 holds.
_ID = r"^(?P<source>.+)/(?P<index>[0-9]{1,18})/[^/]*$"
_IDS_AT_A_TIME = 2**16


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows of one source file, whatever split they went to, in the file's order.

    Attributes:
        places: Index of each row in its file, int64 `(rows,)`.
        labels: uint8 `(rows,)`.
        lengths: Words of each row, int64 `(rows,)`.
        splits: The split that each row went to, as its position in `SPLITS`, int8 `(rows,)`.
    """

    places: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    splits: npt.NDArray[np.int8]

    def are_of(self, split: Split) -> npt.NDArray[np.bool_]:
        """Which rows went to a split, `(rows,)`."""
        went: npt.NDArray[np.bool_] = self.splits == SPLITS.index(split)
        return went


def source_files(rows: Mapping[Split, Rows]) -> dict[str, FileRows]:
    """The source files by name, read from ids of the form `<source split>/<source index>/<content hash>`.

    Rows with another id, or with none, are left out: their place is unknown. So is a split whose parts differ in size.
    """
    whole = {name: part for name, part in rows.items() if len(part.ids) == len(part.labels) == len(part.tokens)}
    names: dict[str, int] = {}
    parsed = [piece for part in whole.values() for piece in _parsed(part.ids, names)]
    if not parsed:
        return {}
    sources, places = (np.concatenate(column) for column in zip(*parsed, strict=True))
    labels = np.concatenate([part.labels for part in whole.values()])
    lengths = np.concatenate([part.tokens.lengths for part in whole.values()])
    numbers = np.array([SPLITS.index(name) for name in whole], dtype=np.int8)
    splits = np.repeat(numbers, [len(part.ids) for part in whole.values()])
    result = {}
    for source in sorted(names):
        here = np.flatnonzero(sources == names[source])
        order = here[np.argsort(places[here], kind="stable")]
        result[source] = FileRows(places[order], labels[order], lengths[order], splits[order])
    return result


def _parsed(
    ids: pa.StringArray, names: dict[str, int]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Piece by piece, the number of each row's source, -1 without one, and its place; new sources get new numbers."""
    for start in range(0, len(ids), _IDS_AT_A_TIME):
        found = pc.extract_regex(ids.slice(start, _IDS_AT_A_TIME).cast(pa.string()), _ID)
        known = found.is_valid().to_numpy(zero_copy_only=False)
        parsed = found.filter(pa.array(known))
        met = parsed.field("source").dictionary_encode()
        numbers = np.array([names.setdefault(name, len(names)) for name in met.dictionary.to_pylist()], dtype=np.int64)
        sources, places = np.full(len(known), -1, dtype=np.int64), np.zeros(len(known), dtype=np.int64)
        sources[known] = numbers[met.indices.to_numpy()]
        places[known] = parsed.field("index").cast(pa.int64()).to_numpy(zero_copy_only=False)
        yield sources, places
