"""Which reviews are the same, token by token, however many and long they are."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from storage.sequences import Int64Array, Sequences

# Two reviews with the same digest of so many bytes are the same: nobody will ever see the contrary.
_DIGEST_BYTES = 16


def identical(sequences: Sequences) -> Int64Array:
    """A number for each row, int64 `(rows,)`, the same where the tokens are, from 0 in the order of appearance."""
    return numbered(piece for _, piece in sequences.pieces())


def numbered(pieces: Iterable[Sequences]) -> Int64Array:
    """As `identical`, of rows that come in pieces."""
    digests = [pa.array(_digests(piece), pa.binary(_DIGEST_BYTES)) for piece in pieces]
    numbers = pa.chunked_array(digests, pa.binary(_DIGEST_BYTES)).dictionary_encode()
    indices = [np.asarray(chunk.indices, dtype=np.int64) for chunk in numbers.chunks]
    return np.concatenate([np.empty(0, np.int64), *indices])


def _digests(piece: Sequences) -> Iterator[bytes]:
    values = np.ascontiguousarray(piece.values).view(np.uint8).data
    ends = (piece.offsets * piece.values.itemsize).tolist()
    for start, end in itertools.pairwise(ends):
        yield hashlib.blake2b(values[start:end], digest_size=_DIGEST_BYTES).digest()
