from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect

from storage.metrics.engine import reading_engine, writing_engine
from storage.metrics.views import VIEWS, View, make_views
from storage.records import CheckResult, Decision, Gate, Stage, Suspect
from tests.storage.conftest import PASSED, comparison, evaluation

if TYPE_CHECKING:
    from tests.storage.conftest import Bench

BASELINE, ADVANCED = "baseline_avgpool", "advanced_bilstm_features"
WEAK = Gate("above chance", "fail", 0.49, 0.55, "the model scores near chance")
UNSURE = Gate("better than the champion", "fail", 0.4, 0.025, "not shown to be better")
SUSPECTS = (
    Suspect("split", "likely", "test is weak", "draw it at random"),
    Suspect("scaling", "ruled out", "the check passed", "fit it once"),
)


def rows(bench: Bench, view: str, condition: str = "true") -> list[dict[str, Any]]:
    """Rows of a view as plain sqlite3 gives them, by column."""
    (columns,) = (list(of.columns) for of in VIEWS if of.name == view)
    return [dict(zip(columns, row, strict=True)) for row in bench.query(f"SELECT * FROM {view} WHERE {condition}")]


@pytest.fixture
def retrained(bench: Bench) -> tuple[Bench, str]:
    """A store with one run: it promoted one model, and rejected the other."""
    run_id = bench.start_run()
    bench.snapshot(run_id)
    strong = bench.candidate(run_id, BASELINE, test=evaluation("test", accuracy=0.88, auc=0.94))
    weak = bench.candidate(run_id, ADVANCED, test=evaluation("test", accuracy=0.5, auc=0.51))
    bench.decide(
        Decision(strong.id, True, "better", (PASSED,)),
        Decision(weak.id, False, "weak", (PASSED, WEAK, UNSURE), diagnosis=SUSPECTS),
    )
    return bench, run_id


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_fresh_store_has_the_view_with_the_columns_that_are_described(bench: Bench, view: View) -> None:
    columns = inspect(reading_engine(bench.url)).get_columns(view.name)

    assert [column["name"] for column in columns] == list(view.columns)
    assert rows(bench, view.name) == []
    assert all(words.endswith(".") for words in (view.description, *view.columns.values()))


def test_views_are_made_anew_in_place_of_old_ones(bench: Bench) -> None:
    bench.query("DROP VIEW served")
    bench.query("CREATE VIEW served AS SELECT 1 AS one")
    bench.query("DROP VIEW ledger")

    for _ in range(2):
        with writing_engine(bench.url).begin() as connection:
            make_views(connection)

    assert set(inspect(reading_engine(bench.url)).get_view_names()) == {view.name for view in VIEWS}
    assert rows(bench, "served") == []


def test_a_run_shows_both_models_side_by_side(retrained: tuple[Bench, str]) -> None:
    bench, run_id = retrained

    (row,) = rows(bench, "run_overview")

    assert (row["run_id"], row["line"], row["flow"], row["test_id"]) == (run_id, "imdb", "retrain", "t1")
    assert [row[f"{BASELINE}_{name}"] for name in ("accuracy", "auc", "verdict")] == [0.88, 0.94, "promoted"]
    assert [row[f"{ADVANCED}_{name}"] for name in ("accuracy", "auc", "verdict")] == [0.5, 0.51, "rejected"]


def test_a_run_without_a_model_is_shown_once(bench: Bench) -> None:
    run_id = bench.start_run()

    (row,) = rows(bench, "run_overview")

    assert (row["run_id"], row["state"], row["snapshot_id"]) == (run_id, "running", None)
    assert row[f"{BASELINE}_accuracy"] is None
    assert row[f"{ADVANCED}_verdict"] is None


def test_the_leaderboard_has_test_scores_alone(retrained: tuple[Bench, str]) -> None:
    bench, run_id = retrained

    first, second = rows(bench, "leaderboard", "true ORDER BY accuracy DESC")

    assert (first["candidate_id"], first["verdict"], second["verdict"]) == (
        f"{run_id}/{BASELINE}",
        "promoted",
        "rejected",
    )
    assert (first["accuracy"], first["auc"]) == (0.88, 0.94)
    assert first["accuracy_lower"] < first["accuracy"] < first["accuracy_upper"]


def test_what_served_ends_where_the_next_begins(bench: Bench) -> None:
    first = bench.promote()
    second = bench.promote(position=1)
    rollback = bench.roll_back(first.id, position=2)
    other = bench.promote(line="another")

    one, two, three = rows(bench, "served", "line = 'imdb' ORDER BY position")

    assert [one["candidate_id"], two["candidate_id"], three["candidate_id"]] == [first.id, second.id, first.id]
    assert (one["served_until"], two["served_until"]) == (two["served_from"], three["served_from"])
    assert three["served_until"] is None
    assert (two["decided_by"], three["decided_by"], three["succession"]) == (second.run_id, rollback, "rollback")
    assert [row["candidate_id"] for row in rows(bench, "served", "line = 'another'")] == [other.id]


def test_a_rejection_shows_its_first_failed_gate_and_its_first_suspect(retrained: tuple[Bench, str]) -> None:
    bench, run_id = retrained

    (row,) = rows(bench, "rejections")

    assert (row["candidate_id"], row["model"], row["verdict"]) == (f"{run_id}/{ADVANCED}", ADVANCED, "rejected")
    assert (row["gate"], row["words"], row["failed_gates"]) == (WEAK.name, WEAK.words, 2)
    assert (row["cause"], row["standing"], row["remedy"]) == ("split", "likely", "draw it at random")


def test_a_rejection_that_nothing_explains_is_shown_too(bench: Bench) -> None:
    candidate = bench.candidate()
    bench.decide(Decision(candidate.id, False, "no", ()), dry_run=True)

    (row,) = rows(bench, "rejections")

    assert (row["verdict"], row["gate"], row["failed_gates"], row["cause"]) == ("would reject", None, 0, None)


def test_a_trend_has_the_times_of_its_runs_and_bounds(retrained: tuple[Bench, str]) -> None:
    bench, run_id = retrained

    named = f"line = 'imdb' AND model = '{BASELINE}' AND split = 'test' AND name = 'accuracy'"
    (row,) = rows(bench, "metric_history", named)

    assert (row["run_id"], row["value"], row["confidence"]) == (run_id, 0.88, 0.95)
    assert row["started_at"] == bench.query("SELECT started_at FROM runs")[0][0]
    assert len(rows(bench, "metric_history")) == bench.count("metrics")


def test_checks_that_passed_or_were_off_are_no_warnings(bench: Bench) -> None:
    run_id = bench.start_run()
    results = [CheckResult(verdict, verdict, {}, "", f"it says {verdict}") for verdict in ("pass", "warn", "fail")]
    bench.store.record_checks(run_id, [*results, CheckResult("off", "off", {}, "", "", action="off")])

    found = rows(bench, "warnings", "true ORDER BY name")

    assert [(row["name"], row["verdict"], row["subject"]) for row in found] == [
        ("fail", "fail", "data"),
        ("warn", "warn", "data"),
    ]


def test_each_step_of_a_run_has_its_cost(bench: Bench) -> None:
    run_id = bench.start_run()
    for stage in (Stage("ingest", 2.0, 300), Stage("validate", 1.0, 400)):
        bench.store.record_stage(run_id, stage)

    found = rows(bench, "stage_costs", "true ORDER BY position")

    assert [(row["stage"], row["seconds"], row["peak_memory_bytes"]) for row in found] == [
        ("ingest", 2.0, 300),
        ("validate", 1.0, 400),
    ]


def test_the_ledger_adds_up_what_each_test_set_has_spent(bench: Bench) -> None:
    bench.promote()
    for position, (index, alpha, test_id) in enumerate([(0, 0.025, "t1"), (1, 0.05 / 6, "t1"), (0, 0.1, "t2")], 1):
        run_id = bench.start_run()
        bench.snapshot(run_id, id=f"snapshot with {test_id}", test_id=test_id)
        made = comparison(bench.reader.champions()[-1].candidate_id, index, alpha=alpha)
        decision = Decision(bench.candidate(run_id).id, True, "better", (PASSED,), made)
        bench.decide(decision, test_id=test_id, position=position)

    one, two = rows(bench, "ledger", "true ORDER BY test_id")

    assert (one["test_id"], one["comparisons"], two["test_id"], two["comparisons"]) == ("t1", 2, "t2", 1)
    assert one["spent"] == pytest.approx(0.025 + 0.05 / 6)
    assert (one["total"], one["remaining"]) == pytest.approx((0.05, 0.05 / 3))
    assert one["next_alpha"] == pytest.approx(0.05 / 12)
    assert (two["total"], two["remaining"], two["next_alpha"]) == pytest.approx((0.2, 0.1, 0.2 / 6))
