from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.inspection import inspect_store
from storage.pruning import Policy, prune
from storage.records import Decision
from storage.settings import Settings
from tests.storage.conftest import publish_for

if TYPE_CHECKING:
    from tests.storage.conftest import FileBench


@pytest.fixture
def bench(file_bench: FileBench) -> FileBench:
    return file_bench


@pytest.fixture
def succession(settings: Settings, bench: FileBench) -> list[Path]:
    """The bundles of three champions, one after the other."""
    folders = []
    for position in range(3):
        folders.append(publish_for(settings, bench))
        candidate = bench.reader.published()[0].candidate_id
        bench.decide(Decision(candidate, True, "better", ()), position=position)
    return folders


def test_a_store_with_all_its_champions_is_whole(settings: Settings, succession: list[Path]) -> None:
    found = inspect_store(settings)

    assert (found.database, found.damage) == ((), [])
    assert [(entry.position, entry.bundle, entry.state) for entry in found.served] == [
        (position, folder.name, "whole") for position, folder in enumerate(succession, 1)
    ]


def test_a_former_champion_that_was_pruned_is_no_damage(settings: Settings, succession: list[Path]) -> None:
    prune(settings, Policy(keep_days=0, keep_runs=0, served=True))

    found = inspect_store(settings)

    assert [entry.state for entry in found.served] == ["gone", "gone", "whole"]
    assert found.served[0].words == f"{succession[0]} is not there any more: it cannot serve again"
    assert found.damage == []


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_champions_bundle_that_was_changed_is_damage(
    settings: Settings, succession: list[Path], position: int
) -> None:
    (succession[position - 1] / "model.keras").write_bytes(b"v" * 1000)

    found = inspect_store(settings)

    assert [entry.position for entry in found.served if entry.state == "damaged"] == [position]
    assert len(found.damage) == 1
    assert "has changed since it was published" in found.damage[0]


def test_a_damaged_bundle_that_was_put_back_is_named_once(
    settings: Settings, bench: FileBench, succession: list[Path]
) -> None:
    bench.roll_back(bench.reader.champions()[0].candidate_id, position=3)
    (succession[0] / "model.keras").write_bytes(b"v" * 1000)

    found = inspect_store(settings)

    assert [entry.position for entry in found.served if entry.state == "damaged"] == [1, 4]
    assert len(found.damage) == 1


def test_a_missing_bundle_of_what_serves_is_damage(settings: Settings, succession: list[Path]) -> None:
    succession[-1].rename(settings.home / "elsewhere")

    assert [entry.state for entry in inspect_store(settings).served] == ["whole", "whole", "damaged"]


def test_a_schema_that_somebody_changed_is_damage_and_what_was_added_is_not(
    settings: Settings, bench: FileBench, succession: list[Path]
) -> None:
    bench.query("CREATE VIEW mine AS SELECT * FROM runs")
    bench.query("CREATE TABLE notes (text TEXT)")
    assert inspect_store(settings).damage == []

    bench.query("DROP TRIGGER champions_no_update")
    bench.query("DROP INDEX ix_runs_state")
    bench.query("ALTER TABLE stages ADD COLUMN note TEXT")

    assert sorted(inspect_store(settings).damage) == [
        "the index ix_runs_state is missing",
        "the table stages is not as this program makes it",
        "the trigger champions_no_update is missing",
    ]


def test_of_a_damaged_database_nothing_more_is_asked(settings: Settings, bench: FileBench) -> None:
    bench.file.write_bytes(b"nothing" * 1000)

    found = inspect_store(settings)

    assert found.database == ("file is not a database",)
    assert found.served == ()
