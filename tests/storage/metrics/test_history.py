from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.metrics.history import RunFilter
from tests.storage.conftest import Bench, MakeBench


@pytest.fixture(scope="module")
def lived(make_bench: MakeBench) -> Bench:
    """A store with four runs, the first a day old. Only read from here on."""
    bench = make_bench()
    old = bench.start_run()
    bench.candidate(old, "advanced_bilstm_features")
    bench.candidate(old)
    bench.store.finish_run(old, "completed", "promoted", 1.0)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    bench.query("UPDATE runs SET started_at = ?, message = 'old'", yesterday.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    failed = bench.start_run("synthetic")
    bench.store.finish_run(failed, "failed", "failed", 1.0)
    bench.query("UPDATE runs SET message = 'failed' WHERE id = ?", failed)
    watched = bench.start_run(flow="monitor", seed=None)
    bench.store.finish_run(watched, "completed", "watched", 1.0)
    bench.candidate(bench.start_run("synthetic"))
    return bench


NEWEST_FIRST = ["running", "watched", "failed", "old"]


@pytest.mark.parametrize(
    ("only", "messages"),
    [
        (RunFilter(), NEWEST_FIRST),
        (RunFilter(line="synthetic"), ["running", "failed"]),
        (RunFilter(line="nobody's"), []),
        (RunFilter(state="failed"), ["failed"]),
        (RunFilter(state="completed"), ["watched", "old"]),
        (RunFilter(flow="monitor"), ["watched"]),
        (RunFilter(model="baseline_avgpool"), ["running", "old"]),
        (RunFilter(model="advanced_bilstm_features"), ["old"]),
        (RunFilter(since=datetime.now(UTC) - timedelta(hours=2)), ["running", "watched", "failed"]),
        (RunFilter(since=datetime.now(UTC) - timedelta(days=2)), NEWEST_FIRST),
        (RunFilter(since=datetime.now(UTC) + timedelta(days=2)), []),
        (RunFilter(line="synthetic", state="failed"), ["failed"]),
        (RunFilter(line="imdb", state="failed"), []),
    ],
)
def test_the_history_can_be_of_some_runs_only(lived: Bench, only: RunFilter, messages: list[str]) -> None:
    assert [run.message for run in lived.reader.history(only=only)] == messages


def test_the_limit_counts_the_runs_that_are_let_through(lived: Bench) -> None:
    (run,) = lived.reader.history(1, RunFilter(model="baseline_avgpool", line="imdb"))
    assert run.message == "old"
    assert list(run.test_accuracy) == ["advanced_bilstm_features", "baseline_avgpool"]


def test_a_history_may_be_longer_than_a_statement_may_have_parameters(lived: Bench) -> None:
    assert len(lived.reader.history(10_000_000)) == len(NEWEST_FIRST)
