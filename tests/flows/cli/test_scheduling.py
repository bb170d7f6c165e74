from __future__ import annotations

import json

from flows.scheduling.state import State, locked, write_state
from storage.settings import Settings
from tests.flows.conftest import Command, Starter


def test_down_says_when_nothing_runs(settings: Settings, retrain: Command) -> None:
    assert retrain("down") == (0, "nothing runs that `retrain up` has started\n", "")
    code, out, _ = retrain("down", "--json")
    assert (code, json.loads(out)) == (0, {"stopped": []})


def test_down_says_what_it_stopped(settings: Settings, retrain: Command, started: Starter) -> None:
    settings.prefect.mkdir()
    worker = started()
    write_state(settings.prefect, State(worker=worker))
    assert retrain("down") == (0, f"stopped the worker, process {worker.id}\n", "")
    assert not worker.lives


def test_down_does_not_disturb_an_up(settings: Settings, retrain: Command) -> None:
    settings.prefect.mkdir()
    with locked(settings.prefect):
        code, out, err = retrain("down")
    assert (code, out) == (2, "")
    assert err.startswith("retrain: another `retrain up` or `retrain down` is at work")
