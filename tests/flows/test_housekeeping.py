"""Cleaning up, from the flow to the folders; only Prefect's engine is stood in for."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows import housekeeping as flow
from storage.errors import ContentError, StoreError
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.records import Decision, RunStart
from storage.settings import Settings
from tasks import housekeeping as task

DAY = 86_400
Keep = Callable[..., State[Any]]


@pytest.fixture
def settings(served_home: Path) -> Settings:
    """A home with a champion of the line `reviews`."""
    return Settings.from_environment()


@pytest.fixture
def keep(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """The flow, run without Prefect's engine."""
    monkeypatch.setattr(flow, "housekeeping_task", task.housekeeping.fn)

    def call(**days: int) -> State[Any]:
        state: State[Any] = flow.housekeeping.fn(**days)
        return state

    return call


def start(settings: Settings, **changes: Any) -> str:
    values = {"flow": "retrain", "line": "-", "trigger": "schedule", "options": {}, "seed": 7, "dry_run": False}
    return MetricsStore(settings.database_url).start_run(
        RunStart(**{**values, "versions": {}, "git_commit": None, **changes})
    )


def change(settings: Settings, statement: str, *values: object) -> None:
    """Any other program's statement."""
    with closing(sqlite3.connect(settings.home / "metrics.db")) as connection, connection:
        connection.execute(statement, values)


def bundle_of(settings: Settings) -> Path:
    champion = MetricsReader(settings.database_url).champion("reviews")
    assert champion is not None
    return settings.bundles / champion.bundle


def test_where_all_is_well_the_run_says_so_and_removes_nothing(settings: Settings, keep: Keep) -> None:
    before = {path for path in settings.home.rglob("*") if path.is_file()}

    state = keep()

    run = MetricsReader(settings.database_url).run("latest")
    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert (run["flow"], run["state"], run["line"]) == ("housekeeping", "completed", "-")
    assert run["options"] == {"checkpoint_days": 14, "matrices_days": 30}
    assert run["message"] == (
        "all is well: removed 0 checkpoints and 0 featurized snapshots (0.0 MB) and 0 unfinished folders, marked 0 "
        "dead runs as crashed; the store is whole, the champions of reviews are whole"
    )
    assert state.message == f"{run['id']}: {run['message']}"
    assert [stage["name"] for stage in run["stages"]] == ["housekeeping"]
    page = settings.reports / f"{run['id']}.html"
    assert {path for path in settings.home.rglob("*") if path.is_file()} == {*before, page}


def test_what_is_old_and_can_be_made_again_goes_and_what_served_stays(settings: Settings, keep: Keep) -> None:
    checkpoint = settings.checkpoints / "key.npz"
    checkpoint.write_bytes(b"weights")
    long_ago = time.time() - 15 * DAY
    os.utime(checkpoint, (long_ago, long_ago))
    change(settings, "UPDATE runs SET started_at = '2025-01-01T00:00:00.000000Z'")
    served = {path: path.read_bytes() for root in (settings.bundles, settings.snapshots) for path in root.rglob("*.*")}
    assert len(list(settings.matrices.iterdir())) == 1

    message = str(keep().message)

    assert "removed 1 checkpoint and 1 featurized snapshot (" in message
    assert not checkpoint.exists()
    assert list(settings.matrices.iterdir()) == []
    assert {path: path.read_bytes() for path in served} == served


def test_what_is_younger_than_it_must_be_stays(settings: Settings, keep: Keep) -> None:
    checkpoint = settings.checkpoints / "key.npz"
    checkpoint.write_bytes(b"weights")
    two_days_ago = time.time() - 2 * DAY
    os.utime(checkpoint, (two_days_ago, two_days_ago))

    keep(checkpoint_days=3, matrices_days=1)
    assert checkpoint.exists()
    assert len(list(settings.matrices.iterdir())) == 1

    keep(checkpoint_days=1)
    assert not checkpoint.exists()


def test_matrices_stay_while_any_run_is_at_work(
    settings: Settings, keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    change(settings, "UPDATE runs SET started_at = '2025-01-01T00:00:00.000000Z'")
    at_work = start(settings)

    with caplog.at_level("INFO", "tasks.housekeeping"):
        keep()
    assert f"featurized matrices are left alone while run {at_work} is at work" in caplog.text
    assert len(list(settings.matrices.iterdir())) == 1

    MetricsStore(settings.database_url).finish_run(at_work, "completed", "done", 1.0)
    keep()
    assert list(settings.matrices.iterdir()) == []


def test_dead_runs_are_marked_and_give_back_their_slots(settings: Settings, keep: Keep) -> None:
    slot = "retrain/weekly 2026-11-30T03:00:00Z"
    dead = start(settings, slot=slot)
    change(settings, "UPDATE runs SET boot_id = 'another' WHERE id = ?", dead)

    assert "marked 1 dead run as crashed" in str(keep().message)
    assert MetricsReader(settings.database_url).run(dead)["state"] == "crashed"
    heir = start(settings, slot=slot)
    assert MetricsReader(settings.database_url).run(heir)["slot"] == slot


def test_a_damaged_champion_is_a_failed_run_that_says_which_and_what_to_do(settings: Settings, keep: Keep) -> None:
    model = bundle_of(settings) / "model.keras"
    content = bytearray(model.read_bytes())
    content[100] ^= 1
    model.write_bytes(content)

    state = keep()

    assert (state.type.value, state.name) == ("FAILED", "Failed")
    with pytest.raises(
        ContentError, match=r"the champion of reviews, .*, is damaged: .*model\.keras has changed since"
    ):
        state.result()
    assert "`retrain run --force --set gates.replace_unscorable_champion=true`" in str(state.message)
    run = MetricsReader(settings.database_url).run("latest")
    assert (run["flow"], run["state"]) == ("housekeeping", "failed")
    assert model.read_bytes() == content


def test_where_another_champion_served_before_the_way_back_is_named(settings: Settings, keep: Keep) -> None:
    champion = MetricsReader(settings.database_url).champion("reviews")
    assert champion is not None
    again = Decision(champion.candidate_id, True, "complaints", (), succession="rollback")
    run_id = start(settings, flow="rollback", seed=None)
    MetricsStore(settings.database_url).record_decisions(
        run_id, [again], line="reviews", test_id="t1", dry_run=False, champion_position=1
    )
    shutil.rmtree(bundle_of(settings))

    message = str(keep().message)
    assert "has no readable manifest.json" in message
    assert message.endswith("Put another one in its place: `retrain rollback reviews --reason damaged`.")


def test_a_damaged_store_is_told_and_not_written_to(settings: Settings, keep: Keep) -> None:
    file = settings.home / "metrics.db"
    file.write_bytes(file.read_bytes()[:8192] + b"\x07" * 8192 + file.read_bytes()[16384:])
    before = file.read_bytes()

    state = keep()

    assert (state.type.value, state.name) == ("FAILED", "Failed")
    assert str(state.message).startswith(f"the metrics store at sqlite:///{file} is damaged: ")
    assert "put a backup in its place" in str(state.message)
    with pytest.raises(StoreError):
        state.result()
    assert file.read_bytes() == before


def test_in_an_empty_home_there_is_nothing_to_do(settings: Settings, keep: Keep) -> None:
    shutil.rmtree(settings.home)

    assert str(keep().message).endswith("the store is new, no champion serves yet")


def test_another_database_is_said_to_be_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "damage_of", lambda _: None)

    assert flow.check_store("postgresql://host/db") == "was not checked, since it is no SQLite file"
