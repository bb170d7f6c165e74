from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import DatabaseError, NoResultFound, SQLAlchemyError

from storage.errors import OptionError, StaleDecisionError, StoreError
from storage.metrics import engine, store
from storage.metrics.engine import writing_engine
from storage.metrics.lease import Lease
from storage.metrics.store import MetricsStore
from storage.metrics.tables import REVISIONS
from storage.records import CheckResult, Decision, Epoch, Gate, Metric, Stage, Suspect
from tests.storage.conftest import comparison

if TYPE_CHECKING:
    from tests.storage.conftest import Bench

LEDGER = ("decisions", "gates", "diagnoses", "comparisons", "champions")


def counts(bench: Bench) -> dict[str, int]:
    return {table: bench.count(table) for table in LEDGER}


# Opening


def test_a_store_opened_again_still_holds_what_was_written(bench: Bench) -> None:
    run_id = bench.start_run()

    MetricsStore(bench.url)

    assert [run.id for run in bench.reader.history()] == [run_id]
    assert bench.query("SELECT version_num FROM alembic_version") == [(REVISIONS[-1],)]


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "metrics.db"
    content = "a letter to a friend, and nothing else " * 100
    file.write_text(content)

    with pytest.raises(StoreError, match=r"metrics.db cannot be opened: file is not a database"):
        MetricsStore(f"sqlite:///{file}")

    assert file.read_text() == content


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: unable to open database file"):
        MetricsStore(f"sqlite:///{tmp_path}/nowhere/metrics.db")


def test_a_url_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(OptionError, match="RETRAIN_DATABASE_URL cannot be used"):
        MetricsStore("nosuch://host/name")


# Runs


def test_a_run_starts_as_running_and_belongs_to_this_process(bench: Bench) -> None:
    before = datetime.now(UTC)
    run = bench.reader.run(bench.start_run("synthetic", dry_run=True))

    assert (run["state"], run["line"], run["dry_run"], run["finished_at"]) == ("running", "synthetic", True, None)
    assert before <= run["started_at"] <= datetime.now(UTC)
    lease = Lease(run["host"], run["boot_id"], run["process_id"], run["process_started"])
    assert lease == Lease.of_this_process()


def test_runs_of_the_same_second_have_ids_of_their_own(bench: Bench) -> None:
    run_ids = [bench.start_run() for _ in range(5)]

    assert len(set(run_ids)) == 5
    for run_id in run_ids:
        started = datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - started) < timedelta(minutes=1)


def test_digits_that_another_run_of_the_second_has_are_drawn_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Stopped:
            return cls(2026, 3, 2, 6, 0, 0, tzinfo=tz)

    drawn = iter(["5a5a", "5a5a", "5a5a", "c3c3"])
    monkeypatch.setattr(store, "datetime", Stopped)
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(drawn))

    assert [bench.start_run() for _ in range(2)] == ["20260302-060000-5a5a", "20260302-060000-c3c3"]


@pytest.mark.parametrize("state", ["completed", "rejected data", "failed", "cancelled"])
def test_a_run_ends_in_words_and_seconds(bench: Bench, state: Any) -> None:
    run_id = bench.start_run()
    bench.store.finish_run(run_id, state, "so it ended", 12.5)

    run = bench.reader.run(run_id)
    assert (run["state"], run["message"], run["seconds"]) == (state, "so it ended", 12.5)
    assert run["started_at"] <= run["finished_at"] <= datetime.now(UTC)


def test_a_run_that_is_not_there_cannot_end(bench: Bench) -> None:
    with pytest.raises((StoreError, NoResultFound)):
        bench.store.finish_run("nobody", "completed", "", 1.0)


def lease_as(bench: Bench, run_id: str, **changes: Any) -> None:
    for column, value in changes.items():
        bench.query(f"UPDATE runs SET {column} = ? WHERE id = ?", value, run_id)


def test_only_runs_that_certainly_died_are_reaped(bench: Bench) -> None:
    mine, rebooted, abroad, replaced = (bench.start_run() for _ in range(4))
    ended = bench.start_run()
    bench.store.finish_run(ended, "completed", "well", 1.0)
    lease_as(bench, rebooted, boot_id="another")
    lease_as(bench, abroad, host="another", boot_id="another")
    lease_as(bench, replaced, process_started=1.0)
    lease_as(bench, ended, boot_id="another")

    assert sorted(bench.store.reap_dead_runs()) == sorted([rebooted, replaced])

    states = {run.id: run.state for run in bench.reader.history()}
    assert states == {
        mine: "running",
        rebooted: "crashed",
        abroad: "running",
        replaced: "crashed",
        ended: "completed",
    }
    crashed = bench.reader.run(rebooted)
    assert crashed["message"] == f"the process {crashed['process_id']} died before the run ended"
    assert crashed["finished_at"] is not None
    assert bench.store.reap_dead_runs() == []


# Snapshots, stages, checks


def test_a_snapshot_is_noted_once_and_names_the_line_of_every_run_that_uses_it(bench: Bench) -> None:
    first, second = bench.start_run("auto"), bench.start_run("auto")
    bench.snapshot(first)
    bench.snapshot(second, reason="it was there already")

    runs = [bench.reader.run(run_id) for run_id in (first, second)]
    assert bench.count("snapshots") == 1
    assert [run["line"] for run in runs] == ["imdb", "imdb"]
    assert [run["source_reason"] for run in runs] == ["it was named", "it was there already"]
    snapshot = runs[1]["snapshot"]
    assert (snapshot["id"], snapshot["test_id"], snapshot["origin"]) == ("s1", "t1", "imdb.npz")
    assert (snapshot["num_train"], snapshot["num_validation"], snapshot["num_test"]) == (80, 10, 20)
    assert (snapshot["source_sha256"], snapshot["split_seed"], snapshot["content_version"]) == ("f00d", 2025, 1)


def test_a_snapshot_of_no_run_is_not_noted(bench: Bench) -> None:
    with pytest.raises((StoreError, NoResultFound)):
        bench.snapshot("nobody")

    assert bench.count("snapshots") == 0


def test_stages_and_checks_come_back_as_they_were_measured(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.store.record_stage(run_id, Stage("ingest", 1.25, 5 * 2**30))
    passed = CheckResult("balance", "pass", {"share": 0.5, "rows": 7, "word": "é"}, ">= 0.2", "balanced")
    failed = CheckResult("alignment", "fail", {}, "equal ids", "two rows differ", ("test/1/ab", "test/2/cd"))
    bench.store.record_checks(run_id, [passed, failed])

    run = bench.reader.run(run_id)
    (stage,) = run["stages"]
    assert (stage["name"], stage["seconds"], stage["peak_memory_bytes"]) == ("ingest", 1.25, 5 * 2**30)
    checks = {check["name"]: check for check in run["checks"]}
    assert checks["balance"]["measured"] == {"share": 0.5, "rows": 7, "word": "é"}
    assert (checks["balance"]["verdict"], checks["balance"]["offending_rows"]) == ("pass", [])
    assert (checks["alignment"]["verdict"], checks["alignment"]["bound"]) == ("fail", "equal ids")
    assert checks["alignment"]["offending_rows"] == ["test/1/ab", "test/2/cd"]


def test_stages_and_checks_are_told_in_the_order_they_were_noted(bench: Bench) -> None:
    run_id, other = bench.start_run(), bench.start_run()
    names = ["ingest", "validate", "featurize", "train b", "train a"]
    for name in names:
        bench.store.record_stage(run_id, Stage(name, 1.0, 1))
        bench.store.record_stage(other, Stage(name, 1.0, 1))
    bench.store.record_checks(run_id, [CheckResult(name, "pass", {}, "", "") for name in names])

    run = bench.reader.run(run_id)
    assert [stage["name"] for stage in run["stages"]] == names
    assert [check["name"] for check in run["checks"]] == names


# Candidates


def test_a_candidate_is_noted_with_epochs_metrics_and_counts(bench: Bench) -> None:
    candidate = bench.candidate()

    run = bench.reader.run(candidate.run_id)
    (told,) = run["candidates"]
    assert (told["id"], told["bundle"], told["model"]) == (candidate.id, candidate.bundle, candidate.model)
    assert (told["num_parameters"], told["best_epoch"], told["training_seconds"]) == (10, 2, 1.5)
    assert run["device"] == told["device"] == "CPU"
    assert told["epochs"][1] == {
        "candidate_id": candidate.id,
        "epoch": 2,
        "loss": 0.5,
        "accuracy": 0.7,
        "validation_loss": 0.4,
        "validation_accuracy": 0.8,
        "learning_rate": 0.001,
        "seconds": 0.5,
    }
    metrics = {(row["split"], row["name"], row["scope"]): row for row in told["metrics"]}
    assert len(metrics) == 8
    accuracy = metrics["test", "accuracy", "overall"]
    assert (accuracy["value"], accuracy["lower"], accuracy["upper"], accuracy["confidence"]) == (0.9, 0.8, 1.0, 0.95)
    assert metrics["validation", "recall", "class 1"]["lower"] is None
    matrix = next(row for row in told["confusion_matrices"] if row["split"] == "test")
    assert (matrix["true_negatives"], matrix["false_positives"]) == (45, 5)
    assert (matrix["false_negatives"], matrix["true_positives"]) == (5, 45)
    assert run["decisions"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": (Epoch(1, math.nan, 0.5, 0.6, 0.6, 0.001, 1.0),)},
        {"epochs": (Epoch(0, 0.7, 0.5, 0.6, 0.6, 0.001, 1.0),)},
        {"training_seconds": math.nan},
        {"num_parameters": "many"},
    ],
    ids=["a loss of NaN", "an epoch before the first", "an unknown time", "a text for a count"],
)
def test_a_candidate_with_a_broken_number_is_not_noted_at_all(bench: Bench, changes: dict[str, Any]) -> None:
    with pytest.raises((StoreError, DatabaseError)):
        bench.candidate(**changes)

    assert [bench.count(table) for table in ("candidates", "epochs", "metrics", "confusion_matrices")] == [0] * 4


@pytest.mark.parametrize(
    "metric",
    [
        Metric("accuracy", "overall", 1.2),
        Metric("accuracy", "overall", -0.1),
        Metric("accuracy", "overall", 0.5, 0.6, 0.7, 0.95),
        Metric("accuracy", "overall", 0.5, math.nan, 0.7, 0.95),
        Metric("accuracy", "class 2", 0.5),  # type: ignore[arg-type]
    ],
)
def test_a_candidate_with_an_impossible_metric_is_not_noted_at_all(bench: Bench, metric: Metric) -> None:
    test = bench.candidate().test
    before = [bench.count(table) for table in ("candidates", "epochs", "metrics")]

    with pytest.raises((StoreError, DatabaseError)):
        bench.candidate(test=dataclasses.replace(test, metrics=(metric,)))

    assert [bench.count(table) for table in ("candidates", "epochs", "metrics")] == before


def test_a_run_has_one_candidate_of_each_model(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.candidate(run_id, "baseline_avgpool")
    bench.candidate(run_id, "advanced_bilstm_features")

    with pytest.raises((StoreError, DatabaseError)):
        bench.candidate(run_id, "baseline_avgpool", id=f"{run_id}/again")
    assert bench.count("candidates") == 2


# Decisions


def test_a_promotion_writes_the_decision_its_gates_and_the_champion(bench: Bench) -> None:
    candidate = bench.candidate()
    gates = (
        Gate("accuracy", "pass", 0.9, 0.55, "accuracy is above chance"),
        Gate("comparison", "not applicable", None, None, "there is no champion"),
    )
    bench.decide(Decision(candidate.id, True, "the first one", gates))

    (told,) = bench.reader.run(candidate.run_id)["decisions"]
    assert (told["id"], told["run_id"], told["candidate_id"]) == (candidate.id, candidate.run_id, candidate.id)
    assert (told["kind"], told["verdict"], told["reason"]) == ("promotion", "promoted", "the first one")
    assert (told["test_id"], told["diagnosis"], told["comparison"]) == ("t1", [], None)
    assert [
        (gate["position"], gate["name"], gate["verdict"], gate["value"], gate["bound"]) for gate in told["gates"]
    ] == [(0, "accuracy", "pass", 0.9, 0.55), (1, "comparison", "not applicable", None, None)]
    champion = bench.reader.champion("imdb")
    assert champion is not None
    assert (champion.candidate_id, champion.position, champion.reason) == (candidate.id, 1, "the first one")


def test_a_rejection_is_written_and_the_champion_stays(bench: Bench) -> None:
    champion = bench.promote()
    loser = bench.candidate()
    gate = Gate("comparison", "fail", 0.4, 0.025, "not better")
    bench.decide(Decision(loser.id, False, "not better", (gate,), comparison(champion.id, 0)), position=1)

    (told,) = bench.reader.run(loser.run_id)["decisions"]
    assert told["verdict"] == "rejected"
    assert told["comparison"] == {
        "test_id": "t1",
        "comparison": 0,
        "decision_id": loser.id,
        "champion_id": champion.id,
        "alpha": 0.025,
        "num_rows": 100,
        "only_challenger": 9,
        "only_champion": 1,
        "p_value": 0.01,
        "difference": 0.08,
        "lower": 0.02,
        "upper": 0.14,
        "auc_difference": 0.03,
        "auc_lower": 0.01,
        "auc_upper": 0.05,
        "auc_standard_error": 0.01,
    }
    now = bench.reader.champion("imdb")
    assert now is not None
    assert now.candidate_id == champion.id


def test_each_use_of_a_test_set_is_counted_and_of_that_test_set_only(bench: Bench) -> None:
    champion = bench.promote()
    run_id = bench.start_run()
    first, second = bench.candidate(run_id, "baseline_avgpool"), bench.candidate(run_id, "advanced_bilstm_features")
    bench.decide(
        Decision(first.id, False, "", (), comparison(champion.id, 0)),
        Decision(second.id, False, "", (), comparison(champion.id, 1)),
        position=1,
    )
    assert bench.reader.num_comparisons("t1") == 2
    other = bench.candidate()
    bench.decide(Decision(other.id, False, "", (), comparison(champion.id, 0)), position=1, test_id="t2")

    assert (bench.reader.num_comparisons("t1"), bench.reader.num_comparisons("t2")) == (2, 1)
    assert bench.reader.num_comparisons("t3") == 0


def test_an_auc_that_could_not_be_compared_is_left_open(bench: Bench) -> None:
    champion, loser = bench.promote(), bench.candidate()
    unknown = dict.fromkeys(("auc_difference", "auc_lower", "auc_upper", "auc_standard_error"), math.nan)
    bench.decide(Decision(loser.id, False, "", (), comparison(champion.id, 0, **unknown)), position=1)

    told = bench.reader.run(loser.run_id)["decisions"][0]["comparison"]
    assert [told[name] for name in unknown] == [None] * 4


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_gate_that_could_not_be_measured_is_noted_without_a_value(bench: Bench, value: float | None) -> None:
    candidate = bench.candidate()
    bench.decide(Decision(candidate.id, False, "", (Gate("auc", "fail", value, 0.55, "no AUC"),)))

    (gate,) = bench.reader.run(candidate.run_id)["decisions"][0]["gates"]
    assert (gate["value"], gate["bound"], gate["verdict"]) == (None, 0.55, "fail")


@pytest.mark.parametrize(
    "gate",
    [
        Gate("auc", "pass", None, 0.55, ""),
        Gate("auc", "pass", math.nan, 0.55, ""),
        Gate("auc", "pass", math.inf, 0.55, ""),
        Gate("auc", "pass", 0.9, math.nan, ""),
    ],
)
def test_a_gate_that_passes_unmeasured_makes_no_champion(bench: Bench, gate: Gate) -> None:
    candidate = bench.candidate()
    with pytest.raises((StoreError, DatabaseError)):
        bench.decide(Decision(candidate.id, True, "", (gate,)))

    assert counts(bench) == dict.fromkeys(LEDGER, 0)


@pytest.mark.parametrize("changes", [{"p_value": math.nan}, {"p_value": 1.5}, {"alpha": 0.0}])
def test_an_impossible_number_is_not_called_a_stale_decision(bench: Bench, changes: dict[str, float]) -> None:
    champion, candidate = bench.promote(), bench.candidate()
    before = counts(bench)

    with pytest.raises((StoreError, DatabaseError)) as caught:
        bench.decide(Decision(candidate.id, False, "", (), comparison(champion.id, 0, **changes)), position=1)

    assert counts(bench) == before
    assert not isinstance(caught.value, StaleDecisionError)


@pytest.mark.parametrize("expected", [0, 2])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_decision_against_another_champion_is_stale_and_writes_nothing(
    bench: Bench, expected: int, dry_run: bool
) -> None:
    bench.promote()
    candidate = bench.candidate()
    before = counts(bench)

    with pytest.raises(StaleDecisionError, match=rf"\(expected entry {expected}, found 1\)"):
        bench.decide(Decision(candidate.id, True, "better", ()), position=expected, dry_run=dry_run)

    assert counts(bench) == before


def test_a_champion_of_another_line_makes_no_decision_stale(bench: Bench) -> None:
    bench.promote(line="synthetic")

    bench.promote(line="imdb", position=0)

    assert {champion.line for champion in bench.reader.champions()} == {"imdb", "synthetic"}


def test_a_comparison_that_another_run_has_counted_already_is_stale_and_writes_nothing(bench: Bench) -> None:
    champion = bench.promote()
    first, second = bench.candidate(), bench.candidate()
    bench.decide(Decision(first.id, False, "", (), comparison(champion.id, 0)), position=1)
    before = counts(bench)

    with pytest.raises(StaleDecisionError, match="somebody else decided at the same time"):
        bench.decide(Decision(second.id, True, "better", (), comparison(champion.id, 0)), position=1)

    assert counts(bench) == before
    assert bench.reader.num_comparisons("t1") == 1


def test_a_candidate_is_decided_on_once(bench: Bench) -> None:
    candidate = bench.candidate()
    bench.decide(Decision(candidate.id, False, "", ()))

    with pytest.raises(StoreError):
        bench.decide(Decision(candidate.id, True, "after all", ()))

    assert bench.query("SELECT verdict FROM decisions") == [("rejected",)]
    assert bench.count("champions") == 0


def test_two_promotions_in_one_run_make_no_champion(bench: Bench) -> None:
    run_id = bench.start_run()
    first, second = bench.candidate(run_id, "baseline_avgpool"), bench.candidate(run_id, "advanced_bilstm_features")

    with pytest.raises((StoreError, SQLAlchemyError)):
        bench.decide(Decision(first.id, True, "", ()), Decision(second.id, True, "", ()))

    assert counts(bench) == dict.fromkeys(LEDGER, 0)


def test_a_decision_on_nobody_is_refused(bench: Bench) -> None:
    with pytest.raises((StoreError, DatabaseError)):
        bench.decide(Decision("nobody", True, "", ()))

    assert counts(bench) == dict.fromkeys(LEDGER, 0)


@pytest.mark.parametrize(("promote", "verdict"), [(True, "would promote"), (False, "would reject")])
def test_a_dry_run_writes_what_would_have_happened_and_nothing_else(bench: Bench, promote: bool, verdict: str) -> None:
    champion, candidate = bench.promote(), bench.candidate()
    gate = Gate("accuracy", "pass", 0.9, 0.55, "")
    suspects = (Suspect("split", "likely", "test is weak", "draw it at random"),)
    decision = Decision(candidate.id, promote, "reason", (gate,), comparison(champion.id, 0), suspects)
    bench.decide(decision, position=1, dry_run=True)

    (told,) = bench.reader.run(candidate.run_id)["decisions"]
    assert (told["verdict"], len(told["gates"]), len(told["diagnosis"])) == (verdict, 1, 1)
    assert told["comparison"] is None
    assert [entry.candidate_id for entry in bench.reader.champions()] == [champion.id]
    assert bench.reader.num_comparisons("t1") == 0


# A store that cannot be written to


Write = Callable[["Bench", str], object]


@pytest.mark.parametrize(
    "write",
    [
        lambda bench, run_id: bench.start_run(),
        lambda bench, run_id: bench.store.record_stage(run_id, Stage("ingest", 1.0, 1)),
        lambda bench, run_id: bench.store.finish_run(run_id, "completed", "", 1.0),
        lambda bench, run_id: bench.store.reap_dead_runs(),
        lambda bench, run_id: bench.snapshot(run_id),
        lambda bench, run_id: bench.candidate(run_id),
        lambda bench, run_id: bench.decide(run_id=run_id),
    ],
    ids=["start_run", "record_stage", "finish_run", "reap_dead_runs", "snapshot", "candidate", "decide"],
)
def test_a_store_that_stays_locked_is_a_store_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    run_id = bench.start_run()
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 10)
    with writing_engine(bench.url).begin(), pytest.raises(StoreError, match=r"database is locked|lock timeout"):
        write(bench, run_id)
