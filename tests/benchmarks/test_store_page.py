from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Table

from benchmarks.store_page import PAGE, description, diagram, page
from benchmarks.store_queries import RESULTS
from storage.metrics.tables import Base
from storage.metrics.views import VIEWS, View

TABLES = Base.metadata.sorted_tables


def test_the_page_is_that_of_the_tables_and_views_as_they_are() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert PAGE.read_text(encoding="utf-8") == page(stored), "make it anew: python -m benchmarks.store_page"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_and_each_of_its_columns_say_what_they_hold(table: Table) -> None:
    told: dict[str, Any] = {column.name: column.doc for column in table.columns}

    assert [name for name, words in told.items() if not (words or "").endswith(".")] == []
    assert description(table).endswith(".")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_and_each_of_its_columns_say_what_they_hold(view: View) -> None:
    assert [name for name, words in view.columns.items() if not words.endswith(".")] == []
    assert view.description.endswith(".")


def test_every_reference_between_tables_is_drawn() -> None:
    drawn = diagram(TABLES).splitlines()

    for table in TABLES:
        for constraint in table.foreign_key_constraints:
            label = f'{table.name} : "{", ".join(constraint.column_keys)}"'
            assert [line for line in drawn if line.endswith(label) and f" {constraint.referred_table.name} " in line]
    assert '    snapshots |o--o{ runs : "snapshot_id"' in drawn
    assert '    decisions ||--o| champions : "decision_id"' in drawn
