"""Labels for a whole source: rows in, a file out, a bounded number of rows at a time, their order and ids kept.

A row that cannot be scored stays in its place, without a probability and with the reason. The output appears under its
name when it is complete, or not at all.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.errors import OptionError
from storage.options import ColumnOptions, DataOptions
from storage.records import ScoredFile
from tasks.evaluation.metrics import predicted_labels
from tasks.scoring.champion import Scorer
from tasks.sources.base import TextSource
from tasks.sources.contents import CheckedRows, read_unlabelled

OUTPUT_ENDINGS = (".parquet", ".csv", ".jsonl")
CHUNK_ROWS = 8_192
"""Rows that are scored together: sorted by length, reviews of one batch have hardly any padding."""
_SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "id": pa.string(),
        "probability": pa.float32(),
        "label": pa.int8(),
        "champion": pa.string(),
        "refused": pa.string(),
    }
)


class _Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...


class _CsvRows:
    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(_SCHEMA.names)

    def write(self, table: pa.Table) -> None:
        columns = [column.to_pylist() for column in table.columns]
        self._writer.writerows(zip(*columns, strict=True))


class _JsonRows:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())


def check_output(path: Path) -> None:
    """Say at once that an output cannot be written.

    Raises:
        OptionError: Its ending is unknown, or its folder is not there.
    """
    if path.suffix not in OUTPUT_ENDINGS:
        raise OptionError(f"the output {path} must end in {', '.join(OUTPUT_ENDINGS)}.")
    if not path.parent.is_dir():
        raise OptionError(f"the folder {path.parent} of the output is not there: make it, or name another one.")


def score_source(
    scorer: Scorer, source: TextSource, output: Path, columns: ColumnOptions, data: DataOptions
) -> ScoredFile:
    """Score all rows of a source.

    The output's columns: `row`, from 1; `id`, the source's own, if it has them; `probability` of a positive review;
    `label`, 1 above a probability of one half; `champion`; `refused`, why a row has no label.

    Raises:
        SourceError: The source cannot be read.
        OptionError: The output cannot be written.
        ContentError: The champion cannot read text.
    """
    check_output(output)
    num_rows = num_positive = num_refused = 0
    with _complete_or_nothing(output) as writer:
        for rows in _chunks(read_unlabelled(source, columns, data)):
            table = _scored(scorer, rows)
            writer.write(table)
            num_rows += table.num_rows
            num_refused += table["label"].null_count
            num_positive += pc.sum(table["label"]).as_py() or 0
    return ScoredFile(str(output), scorer.champion.candidate_id, num_rows, num_positive, num_refused)


def _chunks(batches: Iterator[CheckedRows]) -> Iterator[list[CheckedRows]]:
    waiting: list[CheckedRows] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(one.texts) for one in waiting) >= CHUNK_ROWS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _scored(scorer: Scorer, batches: list[CheckedRows]) -> pa.Table:
    texts = pa.concat_arrays([batch.texts.cast(pa.string()) for batch in batches])
    probabilities = scorer.probabilities(texts)
    usable = np.concatenate([batch.positions for batch in batches])
    refusals = [refusal for batch in batches for refusal in batch.refusals]
    refused = np.array([refusal.position for refusal in refusals], dtype=np.int64)
    positions = np.concatenate([usable, refused])
    order = pa.array(np.argsort(positions, kind="stable"))
    nothing = pa.nulls(len(refused))
    ids: list[str | None] = []
    for batch in batches:
        ids += batch.ids or [None] * len(batch.texts)
    table = pa.table(
        [
            pa.array(positions + 1),
            pa.array([*ids, *[None] * len(refused)], pa.string()),
            pa.concat_arrays([pa.array(probabilities), nothing.cast(pa.float32())]),
            pa.concat_arrays([pa.array(predicted_labels(probabilities).astype(np.int8)), nothing.cast(pa.int8())]),
            pa.array([scorer.champion.candidate_id] * len(positions)),
            pa.array([*[None] * len(usable), *[refusal.reason for refusal in refusals]], pa.string()),
        ],
        schema=_SCHEMA,
    )
    return table.take(order)


@contextmanager
def _complete_or_nothing(path: Path) -> Iterator[_Writer]:
    """A writer to a file beside the output, which takes its name in the end."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix == ".parquet":
            with pq.ParquetWriter(unfinished, _SCHEMA, compression="zstd") as parquet:
                yield parquet
        else:
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                yield _CsvRows(file) if path.suffix == ".csv" else _JsonRows(file)
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OptionError(f"the output {path} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
