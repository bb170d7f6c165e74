from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from flows.cli.terminal.scheduling import print_standing
from flows.scheduling.server import Upcoming
from flows.scheduling.up import Standing
from tests.flows.cli.terminal.conftest import line_with, printed

STANDING = Standing(
    ui="http://127.0.0.1:4200",
    api="http://127.0.0.1:4200/api",
    server=12,
    worker=34,
    pool="retrain",
    limit=1,
    deployments=("manual", "weekly"),
    upcoming=(Upcoming("retrain/weekly", datetime(2026, 11, 30, 3, tzinfo=UTC)),),
    notifications=False,
    logs="/home/[me]/.retrain/prefect",
    changes=("started the Prefect server, process 12", "started a worker, process 34"),
)


def test_what_was_done_what_comes_next_and_how_to_stop_it_are_told() -> None:
    text = printed(print_standing, STANDING)
    assert text.splitlines()[0] == "http://127.0.0.1:4200"
    assert line_with(text, "process 12").split()[0] == "done"
    assert line_with(text, "process 34").split()[0] == "started"
    assert line_with(text, "retrain/weekly").split()[:4] == ["next", "2026-11-30", "03:00", "UTC"]
    assert "/home/[me]/.retrain/prefect/*.log" in text
    assert line_with(text, "stop").split() == ["stop", "retrain", "down"]


def test_it_is_said_when_nothing_had_to_be_done_and_when_nothing_comes() -> None:
    text = printed(print_standing, replace(STANDING, changes=(), upcoming=()))
    assert "nothing: all of it was there" in line_with(text, "done")
    assert "no deployment has a run to come" in line_with(text, "next")
