"""Reading what the runs of a line gave over time."""

from __future__ import annotations

import pytest

from storage.errors import NotFoundError
from storage.metrics import trend as module
from storage.metrics.trend import Finding, TrendReader
from storage.records import CheckResult, Decision
from tests.storage.conftest import PASSED, Bench, comparison
from tests.trends import fill, week


def test_a_trend_has_scores_decisions_and_what_served_with_its_numbers(bench: Bench) -> None:
    first = bench.promote()
    bench.snapshot(first.run_id)
    second = bench.promote(position=1, with_comparison=True)
    back = bench.roll_back(first.id, position=2)
    ends = {first.run_id: "one", second.run_id: "two", back: "back"}
    for run_id, message in ends.items():
        bench.store.finish_run(run_id, "completed", message, 61.0)

    found = TrendReader(bench.url).trend("imdb")

    assert [(run.id, run.message, run.seconds) for run in found.runs] == [(*end, 61.0) for end in ends.items()]
    assert [run.decisions for run in found.runs] == [{"baseline_avgpool": "promoted"}] * 3
    scores = [(score.candidate_id, score.name, score.scope, score.value, score.lower) for score in found.scores]
    assert scores[:3] == [
        (first.id, "accuracy", "overall", 0.9, pytest.approx(0.8)),
        (first.id, "auc", "overall", 0.95, None),
        (first.id, "recall", "class 1", 0.8, None),
    ]
    assert {score.candidate_id for score in found.scores} == {first.id, second.id}
    assert [(one.candidate_id, one.succession, one.decided_by) for one in found.served] == [
        (first.id, "promotion", first.run_id),
        (second.id, "promotion", second.run_id),
        (first.id, "rollback", back),
    ]
    assert [one.served_until for one in found.served] == [*(one.served_from for one in found.served[1:]), None]
    assert found.served[2].scores["accuracy"] == pytest.approx((0.9, 0.8, 1.0))
    assert found.served[2].scores["auc"] == (0.95, None, None)
    assert [(one.test_id, one.comparisons, one.spent) for one in found.spent] == [("t1", 1, 0.025)]
    assert found.spent[0].total == pytest.approx(0.05)
    assert found.num_earlier == 0


def test_what_checks_and_the_monitor_said_is_counted_and_told(bench: Bench) -> None:
    bench.promote()
    results = [
        CheckResult("drift", "warn", {}, "", "longer"),
        CheckResult("leakage", "fail", {}, "", "many"),
        CheckResult("split", "pass", {}, "", "well"),
    ]
    for _ in range(2):
        run_id = bench.start_run()
        bench.store.record_checks(run_id, results)
        bench.store.finish_run(run_id, "rejected data", "leakage: many", 3.0)
    seen = bench.observe(CheckResult("accuracy since promotion", "fail", {}, "", "less"), verdict="degraded")
    bench.store.finish_run(seen, "completed", "the champion of imdb has degraded: less", 3.0)

    found = TrendReader(bench.url).trend("imdb")

    last = found.runs[-1]
    assert last.observed is not None
    assert (last.observed.verdict, last.observed.accuracy, last.observed.promoted_accuracy) == ("degraded", 0.9, 0.91)
    assert [run.state for run in found.runs] == ["rejected data", "rejected data", "completed"]
    counts = [(one.name, one.subject, one.failures, one.warnings) for one in found.findings]
    assert counts == [
        ("leakage", "data", 2, 0),
        ("accuracy since promotion", "champion", 1, 0),
        ("drift", "data", 0, 2),
    ]
    assert found.findings[0] == Finding("leakage", "data", 2, 0, found.runs[1].started_at)


def test_other_lines_and_runs_that_are_not_done_are_left_out(bench: Bench) -> None:
    done = bench.candidate()
    bench.store.finish_run(done.run_id, "completed", "done", 1.0)
    running = bench.candidate()
    other = bench.candidate(bench.start_run("shop"))
    bench.decide(Decision(other.id, True, "better", (PASSED,), comparison(done.id, 0)), line="shop")
    bench.store.finish_run(other.run_id, "completed", "done", 1.0)

    found = TrendReader(bench.url).trend("imdb")

    assert [run.id for run in found.runs] == [done.run_id]
    assert running.id not in {score.candidate_id for score in found.scores} == {done.id}
    assert (found.served, found.spent) == ((), ())


def test_of_very_many_runs_the_last_ones_are_told_and_the_others_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench.url, 30)
    monkeypatch.setattr(module, "MAX_RUNS", 10)

    found = TrendReader(bench.url).trend("imdb")

    assert [run.started_at for run in found.runs] == [week(number) for number in range(20, 30)]
    assert {score.started_at for score in found.scores} == {week(number) for number in range(20, 30)}
    assert (len(found.scores), found.num_earlier) == (10 * 2 * 4, 20)
    # It still serves, though its run is not told of any more.
    assert [one.candidate_id for one in found.served] == ["r00000/a"]


def test_a_line_without_a_run_that_has_ended_is_told_with_those_that_have_one(bench: Bench) -> None:
    reader = TrendReader(bench.url)
    bench.start_run()
    with pytest.raises(NotFoundError, match=r"no run of the line 'imdb' has ended yet; nor of any other\."):
        reader.trend("imdb")
    for line in ("shop", "films"):
        bench.store.finish_run(bench.start_run(line), "failed", "no", 1.0)
    with pytest.raises(NotFoundError, match=r"'imdb' has ended yet; there are runs of 'films', 'shop'\."):
        reader.trend("imdb")


def test_a_run_knows_its_line_or_that_it_has_none_yet(bench: Bench) -> None:
    reader = TrendReader(bench.url)
    assert reader.line_of(bench.start_run("shop")) == "shop"
    assert reader.line_of(bench.start_run("-")) is None
    assert reader.line_of("x") is None
