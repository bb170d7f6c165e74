"""A store in a home of its own, as the commands find it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from flows.scheduling.processes import start
from flows.scheduling.state import Process
from storage.metrics.store import MetricsStore
from storage.records import CheckResult, Comparison, Decision, Gate, Suspect
from storage.settings import Settings
from tests.storage.conftest import Bench, comparison

Command = Callable[..., tuple[int, str, str]]
Starter = Callable[..., Process]

SLEEPER = "import time; print('asleep', flush=True); time.sleep(600)"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A fresh home that the environment names."""
    for name in ("RETRAIN_DATABASE_URL", "RETRAIN_IMDB_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path / "home"))
    settings = Settings.from_environment()
    settings.prepare()
    return settings


@pytest.fixture
def bench(settings: Settings) -> Bench:
    """An empty store in that home."""
    return Bench(MetricsStore(settings.database_url))


@pytest.fixture
def served_twice(bench: Bench) -> Bench:
    """A line with two champions, the first of which was trained on a known snapshot."""
    first_run = bench.start_run()
    bench.snapshot(first_run)
    first = bench.candidate(first_run)
    bench.decide(Decision(first.id, True, "the first one [of many]", ()))
    bench.store.finish_run(first_run, "completed", "promoted", 61.0)
    second = bench.promote(position=1)
    bench.store.finish_run(second.run_id, "completed", "promoted", 61.0)
    return bench


def record_rejection(bench: Bench) -> str:
    """Record a run whose only candidate is rejected, with everything that a run can have, and return its id."""
    champion = bench.reader.champion("imdb")
    assert champion is not None
    run_id = bench.start_run(options={"gates": {"comparison_alpha": 0.05}})
    bench.snapshot(run_id, id="s2", test_id="t" * 64, origin="reviews [old].npz")
    measured: dict[str, float | int | str] = {
        "test_accuracy": 0.8912,
        "test_auc": 0.9555,
        "validation_accuracy": 0.8877,
    }
    bench.store.record_checks(
        run_id,
        [
            CheckResult("probe", "pass", measured, "", "a linear model reads test as well as train"),
            CheckResult("leakage", "off", {}, "", "turned off by the configuration", action="off"),
            CheckResult("drift", "warn", {}, "", "reviews are longer [+12 %]", action="warn"),
        ],
    )
    padding = CheckResult("padding", "fail", {}, "", "a logit moves by 0.31 with its padding")
    loser = bench.candidate(run_id, checks=(padding,))
    gates = (
        Gate("all checks passed", "fail", 1.0, 0.0, "padding: a logit moves"),
        Gate("better than the probe", "waived", 0.9, 0.9, "a linear model does as well"),
        Gate("not below the high-water mark", "not applicable", None, None, "the champion is the mark"),
    )
    suspects = (
        Suspect("padding mask", "shown", "a logit moves", "give the embedding mask_zero=True"),
        Suspect("alignment", "ruled out", "all ids agree", "join by ids"),
    )
    made: Comparison = comparison(champion.candidate_id, 0)
    bench.decide(
        Decision(loser.id, False, "a check failed", gates, made, suspects),
        test_id="t" * 64,
        position=champion.position,
    )
    bench.store.finish_run(run_id, "completed", "nothing promoted on imdb", 75.0)
    return run_id


@pytest.fixture
def retrain(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process: its exit code, what it printed, and what it complained of."""
    from flows import cli
    from flows.cli import serving, shared

    # It would set up logging, signals and the environment of this very process.
    for module in (shared, serving):
        monkeypatch.setattr(module, "prepare_flow", lambda settings: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["retrain", *arguments])
        code: object = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        assert isinstance(code, int)
        return code, printed.out, printed.err

    return call


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Starter]:
    """Starts a process that runs this Python program, and ends it after the test."""
    processes: list[Process] = []

    def start_one(program: str = SLEEPER) -> Process:
        processes.append(start((sys.executable, "-c", program), tmp_path / "log", tmp_path, os.environ))
        return processes[-1]

    yield start_one
    for process in processes:
        if process.lives:
            psutil.Process(process.id).kill()
