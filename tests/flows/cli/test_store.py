"""The commands that look after the store, in this process."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.records import Decision
from storage.settings import Settings
from tests.flows.conftest import Command
from tests.storage.conftest import Bench, publish_for

EARLIER = Path(__file__).parents[2] / "storage" / "metrics" / "earlier"


@pytest.fixture
def older(settings: Settings) -> Path:
    """The file of a store of an earlier schema."""
    file = settings.home / "metrics.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((EARLIER / "revision_0003.sql").read_text(encoding="utf-8"))
    return file


@pytest.fixture
def champion(settings: Settings, bench: Bench) -> Path:
    """The bundle of the one champion."""
    bundle = publish_for(settings, bench)
    bench.decide(Decision(bench.reader.published()[0].candidate_id, True, "the first one", ()))
    return bundle


@pytest.mark.parametrize("command", [("history",), ("show", "latest"), ("champion",), ("db", "check")])
def test_a_command_that_only_reads_names_the_one_that_upgrades(
    older: Path, retrain: Command, command: tuple[str, ...]
) -> None:
    code, out, err = retrain(*command)

    assert (code, out) == (1, "")
    assert "`retrain db upgrade` makes a backup, and upgrades it." in err


def test_an_older_store_is_upgraded_once(older: Path, retrain: Command) -> None:
    code, out, err = retrain("db", "upgrade")
    (backup,) = older.parent.glob("metrics.db.before-*")
    assert (code, err) == (0, "")
    assert out == f"the metrics store was upgraded from schema 0003 to 0004; as it was, it is in {backup}.\n"

    assert retrain("db", "upgrade") == (0, "the metrics store is up to date.\n", "")
    assert retrain("db", "check")[0] == 1
    assert retrain("history")[0] == 0


@pytest.mark.parametrize("command", ["upgrade", "backup", "check", "prune --dry-run"])
def test_where_there_is_no_store_none_is_made(settings: Settings, retrain: Command, command: str) -> None:
    before = sorted(settings.home.rglob("*"))

    code, out, err = retrain("db", *command.split())

    assert (code, out) == (4, "")
    assert err.startswith("retrain: there is no metrics store at ")
    assert sorted(settings.home.rglob("*")) == before


def test_a_backup_is_told_with_its_name_and_is_not_written_over(
    settings: Settings, bench: Bench, retrain: Command, tmp_path: Path
) -> None:
    bench.start_run()

    code, out, _ = retrain("db", "backup")
    (made,) = settings.backups.iterdir()
    assert (code, out) == (0, f"{made}: {made.stat().st_size / 1e6:,.1f} MB, and whole.\n")

    for expected in (0, 2):
        assert retrain("db", "backup", str(tmp_path / "mine.db"))[0] == expected


def test_a_store_that_is_whole_is_told_so(champion: Path, retrain: Command) -> None:
    code, out, err = retrain("db", "check")

    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "the database is whole, and its schema is that of this program"
    assert out.splitlines()[2].split()[:2] == ["imdb", "1"]
    assert "whole" in out.splitlines()[2]


def test_a_damaged_champion_ends_a_check_with_words_and_a_code(champion: Path, retrain: Command) -> None:
    (champion / "model.keras").write_bytes(b"other")

    code, out, err = retrain("db", "check")
    assert code == 1
    assert "damaged" in out
    assert err.startswith("retrain: what is kept is damaged: ")
    assert f"{champion / 'model.keras'} has changed since it was published" in err

    code, out, _ = retrain("db", "check", "--json")
    found = json.loads(out)
    assert code == 1
    assert (found["database"], found["served"][0]["state"]) == ([], "damaged")


def test_a_damaged_schema_ends_a_check_with_words_and_a_code(bench: Bench, retrain: Command) -> None:
    bench.query("DROP TRIGGER gates_no_delete")

    code, out, err = retrain("db", "check")

    assert code == 1
    assert out == "the database is damaged\n  the trigger gates_no_delete is missing\n"
    assert "the trigger gates_no_delete is missing" in err


def test_pruning_tells_what_it_removes_and_keeps_the_champion(
    settings: Settings, bench: Bench, champion: Path, retrain: Command
) -> None:
    other = publish_for(settings, bench)
    keep_none = ("--keep-days", "0", "--keep-runs", "0", "--served")
    assert retrain("db", "prune")[:2] == (0, "removed 0 bundles, 0.0 MB\n")

    code, out, _ = retrain("db", "prune", *keep_none, "--dry-run")
    assert code == 0
    assert out.splitlines()[1].startswith(other.name[:12])
    assert out.splitlines()[-1] == "would remove 1 bundle, 0.0 MB"
    assert other.is_dir()

    code, out, _ = retrain("db", "prune", *keep_none, "--json")
    assert code == 0
    (removed,) = json.loads(out)["bundles"]
    assert removed["bundle"] == other.name
    assert removed["num_bytes"] > 1000
    assert [path.name for path in settings.bundles.iterdir()] == [champion.name]
