"""Joining what was predicted with what is true, by the ids of the rows and never by their position alone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.errors import ContentError

Value = TypeVar("Value", bound=np.generic)


def join_by_id(ids: pa.StringArray, other_ids: pa.StringArray, other_values: npt.NDArray[Value]) -> npt.NDArray[Value]:
    """The value of each id, `(rows,)`, looked up among the others.

    Raises:
        ContentError: An id is missing among the others, or stands there twice.
    """
    if len(pc.unique(other_ids)) != len(other_ids):
        raise ContentError("rows cannot be joined: an id stands for more than one of them.")
    positions = pc.index_in(ids, value_set=other_ids)
    if positions.null_count:
        missing = ids.filter(pc.is_null(positions)).to_pylist()
        raise ContentError(f"rows cannot be joined: {len(missing):,} ids are missing, the first is {missing[0]}.")
    joined: npt.NDArray[Value] = other_values[positions.to_numpy()]
    return joined
