"""Where rows stood in the file that they were read from, as their ids tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.records import Split
from storage.snapshots import Rows

# 18 digits: what an int64 holds.
_ID = r"^(?P<source>.+)/(?P<index>[0-9]{1,18})/[^/]*$"


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows of one source file, whatever split they went to, in the file's order.

    Attributes:
        places: Index of each row in its file, int64 `(rows,)`.
        labels: uint8 `(rows,)`.
        lengths: Words of each row, int64 `(rows,)`.
        splits: The split that each row went to, `(rows,)`.
    """

    places: npt.NDArray[np.int64]
    labels: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]


def source_files(rows: Mapping[Split, Rows]) -> dict[str, FileRows]:
    """The source files by name, read from ids of the form `<source split>/<source index>/<content hash>`.

    Rows with another id, or with none, are left out: their place is unknown. So is a split whose parts differ in size.
    """
    whole = {name: part for name, part in rows.items() if len(part.ids) == len(part.labels) == len(part.tokens)}
    if not whole:
        return {}
    ids = pa.concat_arrays([part.ids.cast(pa.string()) for part in whole.values()])
    found = pc.extract_regex(ids, _ID)
    known = found.is_valid().to_numpy(zero_copy_only=False)
    parsed = found.filter(pa.array(known))
    sources = parsed.field("source").to_numpy(zero_copy_only=False)
    places = parsed.field("index").cast(pa.int64()).to_numpy(zero_copy_only=False)
    labels = np.concatenate([part.labels for part in whole.values()])[known]
    lengths = np.concatenate([part.tokens.lengths for part in whole.values()])[known]
    splits = np.repeat(list(whole), [len(part.ids) for part in whole.values()])[known]
    result = {}
    for source in sorted(set(sources)):
        here = np.flatnonzero(sources == source)
        order = here[np.argsort(places[here], kind="stable")]
        result[source] = FileRows(places[order], labels[order], lengths[order], splits[order])
    return result
