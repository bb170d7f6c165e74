from __future__ import annotations

from sqlalchemy import inspect

from storage.metrics.ad_hoc import ask
from storage.metrics.engine import reading_engine
from storage.metrics.relations import relations
from tests.storage.conftest import Bench


def test_all_that_can_be_asked_about_is_told_with_its_columns(bench: Bench) -> None:
    there = inspect(reading_engine(bench.url))
    assert {relation.name for relation in relations()} | {"alembic_version"} == {
        *(there.get_table_names()),
        *(there.get_view_names()),
    }
    for relation in relations():
        assert ask(bench.url, f"SELECT * FROM {relation.name}").columns == tuple(relation.columns)
        assert relation.description.endswith(".")
        assert "\n" not in relation.description
