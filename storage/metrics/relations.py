"""What can be asked about: the views and tables of the store, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.metrics.tables import Base
from storage.metrics.views import VIEWS


@dataclass(frozen=True)
class Relation:
    """A view or a table.

    Attributes:
        name: In the database.
        description: What a row of it is, in a sentence.
        columns: Their names, in order, each with what it holds.
    """

    name: str
    description: str
    columns: Mapping[str, str]


def relations() -> list[Relation]:
    """The views, which answer most questions; then the tables, each after those that it refers to."""
    words = {mapper.local_table: mapper.class_.__doc__ or "" for mapper in Base.registry.mappers}
    views = [Relation(view.name, view.description, view.columns) for view in VIEWS]
    tables = [
        Relation(table.name, words[table].splitlines()[0], {column.name: column.doc or "" for column in table.columns})
        for table in Base.metadata.sorted_tables
    ]
    return views + tables
