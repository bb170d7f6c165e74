"""Which words stand in which reviews, as one sparse matrix: what checks of single words and linear probes read."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from storage.sequences import Sequences


def presence(sequences: Sequences, num_words: int) -> sparse.csr_matrix:
    """Mark each word that a review has at least once.

    Presence rather than counts: for sentiment it is the better feature (Pang, Lee & Vaithyanathan, EMNLP 2002), and a
    word repeated many times cannot outweigh all others.

    Args:
        sequences: Encoded tokens, `(rows, ragged)`.
        num_words: Size of the vocabulary; indices below 0 or from here on are left out, other checks report them.

    Returns:
        float32 `(rows, num_words)` of ones, columns are encoded indices, sorted in each row.
    """
    known = (sequences.values >= 0) & (sequences.values < num_words)
    offsets = sequences.offsets
    if not known.all():
        offsets = np.concatenate([[0], np.cumsum(known)])[offsets]
    indices = sequences.values[known]
    matrix = sparse.csr_matrix(
        (np.ones(len(indices), dtype=np.float32), indices, offsets), shape=(len(sequences), num_words)
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
