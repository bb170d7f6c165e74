"""Which rows of a source of texts can be used, and which not and why.

How the rows are read is no matter here, nor what a value means (`tasks.sources.values`), nor how many rows may be
refused: a check holds that against its bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.errors import SourceError
from storage.options import ColumnOptions, DataOptions
from storage.records import Split
from tasks.sources.base import RawRows, TextSource
from tasks.sources.values import (
    NEUTRAL,
    Labels,
    RefusedError,
    check_id,
    check_text,
    quoted,
    rating_of,
    split_of,
    storable,
)

_SHOWN, _NUM_REASONS = 200, 3


@dataclass(frozen=True)
class Refusal:
    """A row that cannot be used.

    Attributes:
        position: Its index in the source, from 0.
        place: Where it stands, for a person.
        reason: Why.
        text: Up to 200 characters of what it says, for a person.
        id: What stands in the column of ids, as it can be stored; None where nothing does.
    """

    position: int
    place: str
    reason: str
    text: str
    id: str | None = None


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """The usable rows among some rows of a source, in their order.

    Attributes:
        texts: What they say.
        labels: uint8 `(rows,)`, 0 negative, 1 positive; None where labels were not asked for.
        splits: None where they were not asked for, or the source has no such column.
        ids: None where the source has no such column. In rows to score, a single one may be missing.
        ratings: None where labels were not asked for, or the source has no such column; a single one may be missing.
        positions: int64 `(rows,)`, index of each row in its source, from 0, with every row counted.
        refusals: The rows that cannot be used.
        num_neutral: Rows left out since their rating lies between the bounds. They are no refusals.
    """

    texts: pa.StringArray
    labels: npt.NDArray[np.uint8] | None
    splits: list[Split] | None
    ids: list[str | None] | None
    ratings: list[int | None] | None
    positions: npt.NDArray[np.int64]
    refusals: tuple[Refusal, ...]
    num_neutral: int


def read_labelled(source: TextSource, columns: ColumnOptions, data: DataOptions) -> Iterator[CheckedRows]:
    """Read rows to train on and to test with.

    The ids seen so far are all that grows with the file; everything else is bounded by a batch.

    Args:
        source: Where the rows are.
        columns: Which column is which, and what a label means.
        data: Bounds of a text.

    Raises:
        SourceError: A column that is needed is missing, the source cannot be read, or none of its rows can be used.
    """
    return _read(source, columns, data, labelled=True)


def read_unlabelled(source: TextSource, columns: ColumnOptions, data: DataOptions) -> Iterator[CheckedRows]:
    """Read rows to score: as `read_labelled`, but labels and splits are ignored, and ids are handed on as they are.

    Raises:
        SourceError: There is no column of texts, the source cannot be read, or none of its rows can be used.
    """
    return _read(source, columns, data, labelled=False)


def check_columns(source: TextSource, columns: ColumnOptions, *, labelled: bool) -> None:
    """Say at once that a column is missing without which nothing can be read.

    Raises:
        SourceError: It is, or the source cannot be read at all.
    """
    _check_columns(source, columns, _needed(columns, labelled=labelled), source.column_names())


def _needed(columns: ColumnOptions, *, labelled: bool) -> list[str]:
    return ["text", columns.label_from] if labelled else ["text"]


def _read(source: TextSource, columns: ColumnOptions, data: DataOptions, *, labelled: bool) -> Iterator[CheckedRows]:
    present = source.column_names()
    needed = _needed(columns, labelled=labelled)
    _check_columns(source, columns, needed, present)
    optional = ["split", "id", "rating"] if labelled else ["id"]
    roles = [*needed, *(role for role in optional if role not in needed and getattr(columns, role) in present)]
    names = {role: str(getattr(columns, role)) for role in roles}
    reader = _RowReader(columns, data, names)
    first: list[Refusal] = []
    position = num_usable = num_neutral = 0
    for rows in source.batches(list(dict.fromkeys(names.values()))):
        checked = reader.check(rows, position)
        yield checked
        position += len(rows)
        num_usable += len(checked.positions)
        num_neutral += checked.num_neutral
        first.extend(checked.refusals[: _NUM_REASONS - len(first)])
    if not num_usable:
        raise _nothing_usable(source, position, num_neutral, first)


def _check_columns(source: TextSource, columns: ColumnOptions, needed: list[str], present: tuple[str, ...]) -> None:
    for role in needed:
        name = getattr(columns, role)
        if name not in present:
            example = {"text": "body", "label": "sentiment", "rating": "stars"}[role]
            shown = ", ".join(repr(column) for column in present[:20])
            raise SourceError(
                f"{source.origin} has no column {name!r}: its columns are {shown}. Name the one of the {role}s with "
                f"columns.{role}, as in --set columns.{role}={example}, or in the settings file."
            )


def _nothing_usable(source: TextSource, num_rows: int, num_neutral: int, first: list[Refusal]) -> SourceError:
    if not num_rows:
        return SourceError(f"{source.origin} has no rows: expected at least one review.")
    reasons = [f"{refusal.place}: {refusal.reason}" for refusal in first]
    if num_neutral:
        reasons.append(f"{num_neutral:,} ratings lie between those of negative and of positive reviews")
    return SourceError(f"none of the {num_rows:,} rows of {source.origin} can be used. {'; '.join(reasons)}.")


@dataclass
class _Usable:
    """The usable rows of a batch, column by column."""

    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    ratings: list[int | None] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)


class _RowReader:
    """Checks row after row of one source, and remembers their ids."""

    def __init__(self, columns: ColumnOptions, data: DataOptions, names: dict[str, str]) -> None:
        self._columns, self._data, self._names = columns, data, names
        self._is_labelled = bool({"label", "rating"} & set(names))
        self._ids: set[str] = set()
        self._labels = Labels(columns)

    def check(self, rows: RawRows, begin: int) -> CheckedRows:
        """Tell the usable rows of a batch, whose first one is row `begin` of the source, from the others."""
        usable, refusals, num_neutral = _Usable(), [], 0
        texts = rows.columns[self._names["text"]]
        for index, place in enumerate(rows.places):
            try:
                num_neutral += not self._add(rows, index, begin + index, usable)
            except RefusedError as error:
                shown = storable((texts[index] or "")[:_SHOWN])
                refusals.append(Refusal(begin + index, place, str(error), shown, self._given_id(rows, index)))
        return CheckedRows(
            texts=pa.array(usable.texts, type=pa.string()),
            labels=np.array(usable.labels, dtype=np.uint8) if self._is_labelled else None,
            splits=usable.splits if "split" in self._names else None,
            ids=usable.ids if "id" in self._names else None,
            ratings=usable.ratings if "rating" in self._names else None,
            positions=np.array(usable.positions, dtype=np.int64),
            refusals=tuple(refusals),
            num_neutral=num_neutral,
        )

    def _add(self, rows: RawRows, index: int, position: int, usable: _Usable) -> bool:
        """Add a row to the usable ones; False if it is neutral. Nothing is added of a row that is refused."""
        if index in rows.faults:
            raise RefusedError(rows.faults[index])
        values = {role: rows.columns[name][index] for role, name in self._names.items()}
        text = check_text(values["text"], self._data.max_text_length)
        label = self._labels.read(values[self._columns.label_from]) if self._columns.label_from in values else None
        split = split_of(values["split"]) if "split" in values else None
        row_id = self._id(values["id"]) if "id" in values else None
        if label == NEUTRAL:
            return False
        usable.texts.append(text)
        usable.positions.append(position)
        if label is not None:
            usable.labels.append(label)
        if split is not None:
            usable.splits.append(split)
        if "id" in values:
            usable.ids.append(row_id)
        if "rating" in values:
            usable.ratings.append(rating_of(values["rating"]))
        if self._is_labelled and row_id is not None:
            self._ids.add(row_id)
        return True

    def _given_id(self, rows: RawRows, index: int) -> str | None:
        value = rows.columns[self._names["id"]][index] if "id" in self._names else None
        return storable(value) if value else None

    def _id(self, value: str | None) -> str | None:
        """The row's id. To train on, it must be its own; whoever scores may have given the same to several, or none."""
        if not self._is_labelled:
            return storable(value) if value else None
        row_id = check_id(value)
        if row_id in self._ids:
            raise RefusedError(f"an earlier row has its id {quoted(row_id)} too")
        return row_id
