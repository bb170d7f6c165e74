from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.errors import NotFoundError, OptionError, StoreError
from storage.metrics.reader import MetricsReader
from storage.records import Decision, Gate, Metric

if TYPE_CHECKING:
    from tests.storage.conftest import Bench, MakeBench


def test_a_missing_store_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no metrics store at .*: `retrain run` makes it"):
        MetricsReader(f"sqlite:///{tmp_path}/metrics.db")

    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_store_and_stays_empty(tmp_path: Path) -> None:
    file = tmp_path / "metrics.db"
    file.touch()

    with pytest.raises(StoreError, match="is a database, but not a metrics store"):
        MetricsReader(f"sqlite:///{file}")
    assert file.read_bytes() == b""


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "metrics.db"
    file.write_text("a letter to a friend, and nothing else " * 100)

    with pytest.raises(StoreError, match=r"metrics.db cannot be read: file is not a database"):
        MetricsReader(f"sqlite:///{file}")


def test_a_url_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(OptionError, match="RETRAIN_DATABASE_URL cannot be used"):
        MetricsReader("nosuch://host/name")


def test_an_empty_store_has_no_history(bench: Bench) -> None:
    reader = bench.reader

    assert (reader.history(), reader.champions(), reader.champion("imdb")) == ([], [], None)
    assert reader.num_comparisons("t1") == 0


@pytest.fixture(scope="module")
def lived(make_bench: MakeBench) -> Bench:
    """A store with five runs of one second: promoted, rejected, dry, failed, running. Only read from here on."""
    bench = make_bench()
    promoted = bench.start_run()
    bench.snapshot(promoted)
    winner = bench.candidate(promoted, "advanced_bilstm_features")
    loser = bench.candidate(promoted)
    bench.decide(Decision(winner.id, True, "the best", ()), Decision(loser.id, False, "worse", ()))
    bench.store.finish_run(promoted, "completed", "promoted advanced_bilstm_features", 12.5)
    rejected = bench.start_run()
    bench.decide(Decision(bench.candidate(rejected).id, False, "worse", ()), position=1)
    bench.store.finish_run(rejected, "completed", "kept the champion", 11.0)
    dry = bench.start_run(dry_run=True)
    bench.decide(Decision(bench.candidate(dry).id, True, "better", ()), position=1, dry_run=True)
    bench.store.finish_run(dry, "completed", "would promote", 10.0)
    failed = bench.start_run("synthetic")
    bench.store.finish_run(failed, "failed", "the disk is full", 1.0)
    bench.start_run("synthetic")
    return bench


def test_the_history_is_newest_first(lived: Bench) -> None:
    history = lived.reader.history()

    assert [run.state for run in history] == ["running", "failed", "completed", "completed", "completed"]
    started = [run.started_at for run in history]
    assert started == sorted(started, reverse=True)


def test_runs_of_any_age_are_in_order(bench: Bench) -> None:
    run_ids = [bench.start_run() for _ in range(3)]
    now = datetime.now(UTC)
    ages = [timedelta(0), timedelta(days=400), timedelta(microseconds=1)]
    for run_id, age in zip(run_ids, ages, strict=True):
        started = (now - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        bench.query("UPDATE runs SET started_at = ? WHERE id = ?", started, run_id)

    assert [run.id for run in bench.reader.history()] == [run_ids[0], run_ids[2], run_ids[1]]


@pytest.mark.parametrize(("limit", "found"), [(0, 0), (1, 1), (4, 4), (5, 5), (6, 5)])
def test_the_history_is_as_long_as_asked_for(lived: Bench, limit: int, found: int) -> None:
    reader = lived.reader

    assert reader.history(limit) == reader.history()[:found]


def test_a_line_of_the_history_says_what_came_of_a_run(lived: Bench) -> None:
    promoted = lived.reader.history()[-1]

    assert (promoted.flow, promoted.line, promoted.trigger) == ("retrain", "imdb", "command line")
    assert not promoted.dry_run
    assert (promoted.seconds, promoted.message) == (12.5, "promoted advanced_bilstm_features")
    assert promoted.promoted == "advanced_bilstm_features"
    assert promoted.test_accuracy == {"advanced_bilstm_features": 0.9, "baseline_avgpool": 0.9}
    assert promoted.test_auc == {"advanced_bilstm_features": 0.95, "baseline_avgpool": 0.95}
    assert datetime.now(UTC) - promoted.started_at < timedelta(minutes=10)


def test_a_dry_run_names_the_model_that_would_have_been_promoted(lived: Bench) -> None:
    dry = lived.reader.history()[2]

    assert (dry.dry_run, dry.promoted) == (True, "baseline_avgpool")


def test_nothing_was_promoted_by_a_rejected_a_failed_and_a_running_run(lived: Bench) -> None:
    running, failed, _, rejected, _ = lived.reader.history()

    assert [run.promoted for run in (running, failed, rejected)] == [None] * 3
    assert (failed.line, failed.message, failed.test_accuracy) == ("synthetic", "the disk is full", {})
    assert (running.message, running.seconds) == ("running", None)


def test_scores_in_the_history_are_overall_and_of_the_test_rows(bench: Bench) -> None:
    usual = bench.candidate().test
    metrics = (
        Metric("accuracy", "class 0", 0.1),
        Metric("accuracy", "overall", 0.7),
        Metric("auc", "class 1", 0.2),
        Metric("auc", "overall", math.nan),
    )
    validation = dataclasses.replace(usual, split="validation", metrics=(Metric("accuracy", "overall", 0.3),))
    bench.candidate(test=dataclasses.replace(usual, metrics=metrics), validation=validation)

    newest = bench.reader.history()[0]

    assert (newest.test_accuracy, newest.test_auc) == ({"baseline_avgpool": 0.7}, {})


def test_a_run_is_told_in_full(lived: Bench) -> None:
    reader = lived.reader
    run_id = reader.history()[-1].id

    run = reader.run(run_id)

    assert (run["id"], run["state"], run["seed"], run["dry_run"]) == (run_id, "completed", 7, False)
    assert (run["options"], run["versions"], run["git_commit"]) == ({"epochs": 3}, {"python": "3.11"}, "abc-dirty")
    assert (run["device"], run["source_reason"]) == ("CPU", "it was named")
    assert run["finished_at"] >= run["started_at"]
    assert (run["snapshot"]["id"], run["snapshot"]["num_test"]) == ("s1", 20)
    assert (run["stages"], run["checks"]) == ([], [])
    winner, loser = run["candidates"]
    assert (winner["model"], loser["model"]) == ("advanced_bilstm_features", "baseline_avgpool")
    told = [(decision["candidate_id"], decision["verdict"]) for decision in run["decisions"]]
    assert told == [(winner["id"], "promoted"), (loser["id"], "rejected")]
    assert [epoch["epoch"] for epoch in winner["epochs"]] == [1, 2]
    assert {matrix["split"] for matrix in winner["confusion_matrices"]} == {"validation", "test"}


def test_a_run_that_has_come_to_nothing_yet_can_be_told(lived: Bench) -> None:
    run = lived.reader.run("latest")

    assert (run["state"], run["snapshot"], run["candidates"], run["finished_at"]) == ("running", None, [], None)


@pytest.mark.parametrize("metric", [math.nan, math.inf])
def test_a_metric_that_is_undefined_has_no_row(bench: Bench, metric: float) -> None:
    run_id = bench.start_run()
    test = bench.candidate().test
    metrics = (Metric("auc", "overall", metric), Metric("accuracy", "overall", 0.5))
    bench.candidate(run_id, test=dataclasses.replace(test, metrics=metrics))

    (candidate,) = bench.reader.run(run_id)["candidates"]

    told = [(row["name"], row["value"]) for row in candidate["metrics"] if row["split"] == "test"]
    assert told == [("accuracy", 0.5)]


def test_latest_is_the_run_that_started_last(lived: Bench) -> None:
    reader = lived.reader

    assert reader.run("latest")["id"] == reader.history(1)[0].id


def test_a_run_is_found_by_its_id_and_by_the_start_of_it(bench: Bench) -> None:
    wanted, other = bench.start_run(), bench.start_run()
    bench.query("UPDATE runs SET id = ? WHERE id = ?", "20261123-144059-ab12", wanted)
    bench.query("UPDATE runs SET id = ? WHERE id = ?", "20261123-144059-ab34", other)

    for name in ("20261123-144059-ab12", "20261123-144059-ab1"):
        assert bench.reader.run(name)["id"] == "20261123-144059-ab12"
    with pytest.raises(NotFoundError, match="several runs begin with '20261123-144059-ab': `retrain history` lists"):
        bench.reader.run("20261123-144059-ab")


@pytest.mark.parametrize("name", ["1999", "%", "_", "2%", "nonsense"])
def test_an_unknown_run_is_not_found(lived: Bench, name: str) -> None:
    with pytest.raises(NotFoundError, match=f"no run begins with '{name}'"):
        lived.reader.run(name)


def test_an_empty_store_has_no_latest_run(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="no run"):
        bench.reader.run("latest")


def test_champions_are_told_in_the_order_they_served(bench: Bench) -> None:
    first, other = bench.promote(), bench.promote(line="synthetic")
    second = bench.promote(position=1)
    reader = bench.reader

    imdb = reader.champions("imdb")

    assert [champion.candidate_id for champion in imdb] == [first.id, second.id]
    assert [champion.position for champion in imdb] == [1, 2]
    assert reader.champion("imdb") == imdb[-1]
    assert [champion.candidate_id for champion in reader.champions()] == [first.id, second.id, other.id]
    assert reader.champion("another") is None
    assert (imdb[1].line, imdb[1].model, imdb[1].bundle) == ("imdb", second.model, second.bundle)
    assert (imdb[1].succession, imdb[1].mark, imdb[1].reason) == ("promotion", 2, "better")
    assert datetime.now(UTC) - imdb[1].promoted_at < timedelta(minutes=10)


def test_runs_are_listed_by_their_state_oldest_first(bench: Bench) -> None:
    first, ended, second = bench.start_run(), bench.start_run(), bench.start_run()
    bench.store.finish_run(ended, "failed", "no file", 1.0)

    assert bench.reader.run_ids("running") == [first, second]
    assert bench.reader.run_ids("failed") == [ended]
    assert bench.reader.run_ids("crashed") == []


def test_a_snapshot_was_last_used_when_the_last_run_with_it_began(bench: Bench) -> None:
    runs = [bench.start_run(), bench.start_run(), bench.start_run()]
    for run_id in runs[:2]:
        bench.snapshot(run_id)

    assert bench.reader.last_use("s1") == bench.reader.run(runs[1])["started_at"]
    assert bench.reader.last_use("s2") is None


def test_the_words_of_a_gate_that_a_run_failed_are_found(bench: Bench) -> None:
    candidate, other = bench.candidate(), bench.candidate()
    gates = (Gate("reload", "pass", 0, 0, "the same"), Gate("recall", "fail", 0.4, 0.5, "it misses too many"))
    bench.decide(Decision(candidate.id, False, "it misses too many", gates))
    bench.decide(Decision(other.id, False, "no", ()))
    assert bench.reader.failed_gate(candidate.run_id, "recall") == "it misses too many"
    assert bench.reader.failed_gate(candidate.run_id, "reload") is None
    assert bench.reader.failed_gate(other.run_id, "recall") is None
