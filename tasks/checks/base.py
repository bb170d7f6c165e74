"""What every check is given, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.matrices import Matrix
from storage.records import Split
from storage.snapshots import Rows
from tasks.features.encoding import Encoder
from tasks.features.scaler import Scaler

MAX_OFFENDING_ROWS = 20


@dataclass(frozen=True, eq=False)
class CheckedData:
    """A snapshot's rows and what featurization made of them."""

    rows: Mapping[Split, Rows]
    matrices: Mapping[Split, Matrix]
    encoder: Encoder
    scaler: Scaler


def offending(ids: pa.StringArray, is_wrong: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Ids of the first wrong rows, at most 20."""
    positions = np.flatnonzero(is_wrong)[:MAX_OFFENDING_ROWS]
    return tuple(ids.take(pa.array(positions)).to_pylist())


def differing(first: pa.StringArray, second: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Position by position, whether two lists of ids differ; where one is longer, its rest does."""
    common = min(len(first), len(second))
    wrong = np.ones(max(len(first), len(second)), dtype=bool)
    unequal = pc.not_equal(first.slice(0, common), second.slice(0, common))
    # A missing id is equal to nothing.
    wrong[:common] = pc.fill_null(unequal, True).to_numpy(zero_copy_only=False)
    return wrong
