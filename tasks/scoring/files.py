"""Labels for a whole source: rows in, a file out, a bounded number of rows at a time, their order and ids kept.

A row that cannot be scored stays in its place, without a probability and with the reason. How the file is written is
the matter of `tasks.scoring.output`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.options import DataOptions
from storage.records import ScoredFile
from tasks.evaluation.metrics import predicted_labels
from tasks.scoring.champion import NO_WORD, Scorer
from tasks.scoring.output import SCHEMA, check_output, complete_or_nothing
from tasks.sources.contents import CheckedRows, read_unlabelled
from tasks.sources.texts import TextPart

CHUNK_ROWS = 8_192
"""Rows that are scored together: sorted by length, reviews of one batch have hardly any padding."""
CHUNK_BYTES = 64 * 2**20
"""Of text, after which fewer rows are enough."""


def score_parts(scorer: Scorer, parts: Sequence[TextPart], output: Path, data: DataOptions) -> ScoredFile:
    """Score all rows of a source, one part after the other.

    The output's columns: `source`, the part's name; `row`, from 1 in each part; `id`, the source's own, if it has them;
    `probability` of a positive review; `label`, 1 above a probability of one half; `champion`; `refused`, why a row has
    no label.

    Raises:
        SourceError: The source cannot be read, or none of its rows can be used.
        OptionError: The output cannot be written.
        ContentError: The champion cannot read text, or gives no number.
    """
    check_output(output, *(part.source.origin for part in parts))
    num_rows = num_positive = num_refused = 0
    with complete_or_nothing(output) as rows:
        for part in parts:
            for chunk in _chunks(read_unlabelled(part.source, part.columns, data)):
                table = _scored(scorer, part.name, chunk)
                rows.write(table)
                num_rows += table.num_rows
                num_refused += table["label"].null_count
                num_positive += pc.sum(table["label"]).as_py() or 0
    return ScoredFile(str(output), scorer.champion.candidate_id, num_rows, num_positive, num_refused)


def _chunks(batches: Iterable[CheckedRows]) -> Iterator[list[CheckedRows]]:
    waiting: list[CheckedRows] = []
    num_rows = num_bytes = 0
    for batch in batches:
        waiting.append(batch)
        num_rows += len(batch.texts) + len(batch.refusals)
        num_bytes += batch.texts.nbytes
        if num_rows >= CHUNK_ROWS or num_bytes >= CHUNK_BYTES:
            yield waiting
            waiting, num_rows, num_bytes = [], 0, 0
    if waiting:
        yield waiting


def _scored(scorer: Scorer, part: str, chunk: list[CheckedRows]) -> pa.Table:
    """The output's rows of some batches of a part, in their order."""
    texts = pa.concat_arrays([batch.texts for batch in chunk])
    probabilities = scorer.probabilities(texts)
    has_words = scorer.has_words(texts)
    usable = pa.table(
        [
            pa.repeat(part, len(texts)),
            pa.array(np.concatenate([batch.positions for batch in chunk]) + 1),
            pa.chunked_array([_ids(batch) for batch in chunk]),
            pa.array(probabilities, mask=~has_words),
            pa.array(predicted_labels(probabilities).astype(np.int8), mask=~has_words),
            pa.repeat(scorer.champion.candidate_id, len(texts)),
            pc.if_else(pa.array(has_words), None, NO_WORD),
        ],
        schema=SCHEMA,
    )
    refusals = [refusal for batch in chunk for refusal in batch.refusals]
    refused = pa.table(
        [
            pa.repeat(part, len(refusals)),
            pa.array([refusal.position + 1 for refusal in refusals], pa.int64()),
            pa.array([refusal.id for refusal in refusals], pa.string()),
            pa.nulls(len(refusals), pa.float32()),
            pa.nulls(len(refusals), pa.int8()),
            pa.repeat(scorer.champion.candidate_id, len(refusals)),
            pa.array([refusal.reason for refusal in refusals], pa.string()),
        ],
        schema=SCHEMA,
    )
    return pa.concat_tables([usable, refused]).sort_by("row")


def _ids(batch: CheckedRows) -> pa.StringArray:
    return pa.nulls(len(batch.texts), pa.string()) if batch.ids is None else pa.array(batch.ids, pa.string())
