from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.prefect_cost import (
    RESULTS,
    ROOT,
    WAYS,
    last_retraining,
    markdown,
    medians,
    modules_without_prefect,
    share_of,
)
from storage.errors import NotFoundError
from storage.metrics.store import MetricsStore
from storage.records import Stage
from tests.storage.conftest import Bench

COST = {"import": 2.0, "first_run": 7.5, "run": 0.5, "task": 0.0625, "call": 0.0, "added": 8.25}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(MetricsStore(f"sqlite:///{tmp_path}/metrics.db"))


def test_the_share_is_that_of_what_comes_on_top_of_the_retraining() -> None:
    assert share_of(10.0, {"seconds": 490.0}) == pytest.approx(10 / 500)


def test_what_is_compared_with_imports_the_same_less_prefect() -> None:
    modules = modules_without_prefect()
    assert {"tasks.sources.resolve", "tasks.promotion.rule", "storage.snapshots"} <= set(modules)
    assert not any(name.startswith("flows") for name in modules)
    arguments = ["--tasks", "1", "--plain"]
    command = [sys.executable, "-m", "benchmarks.prefect_cost", *arguments]
    done = subprocess.run([*command, ",".join(modules)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused = subprocess.run([*command, "tasks.ingest"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "what is to be without Prefect has imported it" in refused.stderr


def test_of_several_processes_the_median_counts_figure_by_figure() -> None:
    found = medians([{"import": 3.0, "task": 0.1}, {"import": 1.0, "task": 0.2}, {"import": 2.0, "task": 0.9}])
    assert found == {"import": 2.0, "task": 0.2}


def test_the_retraining_is_the_last_one_that_came_to_its_decision(bench: Bench) -> None:
    done = bench.start_run()
    bench.store.record_stage(done, Stage("ingest", 1.0, 1))
    bench.store.record_stage(done, Stage("promote", 1.0, 1))
    bench.store.finish_run(done, "completed", "nothing promoted", 61.0)
    bench.store.finish_run(bench.start_run(), "failed", "no file", 2.0)

    assert last_retraining(bench.reader) == {"run": done, "line": "imdb", "seconds": 61.0, "stages": 2}


def test_without_a_retraining_there_is_no_share(bench: Bench) -> None:
    bench.start_run()

    with pytest.raises(NotFoundError, match="`retrain run` makes one"):
        last_retraining(bench.reader)


def test_the_table_shows_both_ways() -> None:
    rows = markdown({way: {**COST, "share": 0.02} for way in WAYS}).splitlines()
    assert rows[2:] == [f"| {way} | 2.00 | 7.50 | 0.50 | 62.50 | 8.25 | 2.00 % |" for way in WAYS]


def test_the_stored_figures_keep_prefect_below_two_percent_with_and_without_a_server() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(stored["found"]) == set(WAYS)
    assert stored["retraining"]["line"] == "imdb"
    assert all(cost["share"] < 0.02 for cost in stored["found"].values())
