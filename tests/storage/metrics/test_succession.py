"""What served when: rollbacks, the high-water mark, forced replacements, and the ledger of a test set."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from storage.errors import NotFoundError, StaleDecisionError
from storage.records import CheckResult, Decision, Suspect
from tasks.promotion.ledger import alpha_for
from tests.storage.conftest import comparison

if TYPE_CHECKING:
    from tests.storage.conftest import Bench, MakeBench

TOTAL = 0.05


def marks(bench: Bench, line: str = "imdb") -> list[int]:
    return [champion.mark for champion in bench.reader.champions(line)]


# Rollbacks


@pytest.fixture(scope="module")
def went_back(make_bench: MakeBench) -> Bench:
    """A store whose second champion was found wanting, so that the first one serves again. Only read from here on."""
    bench = make_bench()
    first_run = bench.start_run()
    bench.snapshot(first_run)
    first = bench.candidate(first_run)
    bench.decide(Decision(first.id, True, "the first one", ()))
    bench.promote(position=1, reason="better")
    back = bench.roll_back(first.id, position=2)
    bench.store.finish_run(back, "completed", "put back", 1.0)
    return bench


def test_a_rollback_is_a_second_decision_about_an_old_candidate_by_another_run(went_back: Bench) -> None:
    reader = went_back.reader
    first, _, again = reader.champions("imdb")
    run = reader.run("latest")

    (decision,) = run["decisions"]
    assert again.candidate_id == first.candidate_id
    assert decision["candidate_id"] == first.candidate_id
    assert (decision["kind"], decision["verdict"], decision["reason"]) == ("rollback", "promoted", "complaints")
    assert decision["run_id"] == run["id"] != first.candidate_id.split("/")[0]
    assert decision["id"] == f"{run['id']}/baseline_avgpool"
    assert [gate["verdict"] for gate in decision["gates"]] == ["pass"]
    assert (run["flow"], run["seed"], run["candidates"]) == ("rollback", None, [])
    (former,) = reader.run(first.candidate_id.split("/")[0])["decisions"]
    assert (former["kind"], former["reason"]) == ("promotion", "the first one")


def test_a_rollback_moves_the_mark_to_itself(went_back: Bench) -> None:
    assert marks(went_back) == [1, 2, 3]


def test_a_history_with_a_rollback_reads_back_in_order_with_its_reasons(went_back: Bench) -> None:
    champions = went_back.reader.champions("imdb")

    assert [champion.position for champion in champions] == [1, 2, 3]
    assert [champion.succession for champion in champions] == ["promotion", "promotion", "rollback"]
    assert [champion.reason for champion in champions] == ["the first one", "better", "complaints"]
    served = [champion.promoted_at for champion in champions]
    assert served == sorted(served)
    assert went_back.reader.champion("imdb") == champions[-1]


def test_a_champion_knows_what_it_was_trained_on_after_a_rollback_too(went_back: Bench) -> None:
    first, _, again = went_back.reader.champions("imdb")

    assert (first.snapshot_id, again.snapshot_id) == ("s1", "s1")
    assert (first.bundle, first.model) == (again.bundle, again.model)
    assert went_back.reader.snapshot(again.snapshot_id).test_id == "t1"


def test_the_history_of_runs_says_which_flow_put_what_back(went_back: Bench) -> None:
    rollback, *retrains = went_back.reader.history()

    assert (rollback.flow, rollback.promoted, rollback.test_accuracy) == ("rollback", "baseline_avgpool", {})
    assert {run.flow for run in retrains} == {"retrain"}


def test_a_rollback_uses_up_no_test_set(went_back: Bench) -> None:
    assert went_back.reader.num_comparisons("t1") == 0
    assert went_back.reader.run("latest")["ledger"] is None


def test_the_same_candidate_can_go_and_come_back_more_than_once(bench: Bench) -> None:
    first, second = bench.promote(), bench.promote(position=1)
    for position, candidate in enumerate((first, second, first), start=2):
        bench.roll_back(candidate.id, position=position)

    served = [champion.candidate_id for champion in bench.reader.champions("imdb")]
    assert served == [first.id, second.id, first.id, second.id, first.id]
    assert marks(bench) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_rollback_that_saw_another_champion_is_stale_and_writes_nothing(bench: Bench, position: int) -> None:
    first = bench.promote()
    bench.promote(position=1)

    with pytest.raises(StaleDecisionError, match=rf"\(expected entry {position}, found 2\)"):
        bench.roll_back(first.id, position=position)

    assert (bench.count("decisions"), bench.count("champions")) == (2, 2)


@pytest.mark.parametrize(
    ("promote", "dry_run", "verdict"),
    [(False, False, "rejected"), (True, True, "would promote"), (False, True, "would reject")],
)
def test_a_rollback_that_is_refused_or_dry_is_written_down_and_changes_nothing(
    bench: Bench, promote: bool, dry_run: bool, verdict: str
) -> None:
    first, second = bench.promote(), bench.promote(position=1)
    run_id = bench.roll_back(first.id, position=2, promote=promote, dry_run=dry_run)

    (decision,) = bench.reader.run(run_id)["decisions"]
    assert (decision["kind"], decision["verdict"]) == ("rollback", verdict)
    assert [champion.candidate_id for champion in bench.reader.champions("imdb")] == [first.id, second.id]


# The high-water mark


def test_a_promotion_that_was_not_shown_to_be_better_keeps_the_mark_of_the_entry_before(bench: Bench) -> None:
    bench.promote()
    bench.promote(position=1)
    for position in (2, 3):
        bench.promote(position=position, moves_mark=False)
    bench.promote(position=4)

    assert marks(bench) == [1, 2, 2, 2, 5]


def test_the_first_of_a_line_is_its_mark_whatever_the_decision_says(bench: Bench) -> None:
    bench.promote(moves_mark=False)

    assert marks(bench) == [1]


def test_each_line_has_its_own_mark(bench: Bench) -> None:
    bench.promote()
    bench.promote(position=1)
    bench.promote(line="synthetic")
    for position in (1, 2):
        bench.promote(line="synthetic", position=position, moves_mark=False)

    assert (marks(bench), marks(bench, "synthetic")) == ([1, 2], [1, 1, 1])


def test_a_forced_replacement_is_told_apart_from_a_promotion(bench: Bench) -> None:
    bench.promote()
    forced = bench.promote(position=1, succession="forced replacement")

    champion = bench.reader.champion("imdb")
    assert champion is not None
    assert (champion.candidate_id, champion.succession, champion.mark) == (forced.id, "forced replacement", 2)
    assert bench.query("SELECT kind FROM decisions WHERE id = ?", forced.id) == [("forced replacement",)]


# The diagnosis


def test_a_diagnosis_comes_back_in_its_order_and_belongs_to_its_decision(bench: Bench) -> None:
    run_id = bench.start_run()
    weak, other = bench.candidate(run_id, "baseline_avgpool"), bench.candidate(run_id, "advanced_bilstm_features")
    suspects = (
        Suspect("split", "shown", "it is not random", "draw it at random"),
        Suspect("alignment", "likely", "test is weak", "join by id"),
        Suspect("padding mask", "ruled out", "validation is fine", "mask"),
    )
    bench.decide(Decision(weak.id, False, "weak", (), diagnosis=suspects), Decision(other.id, False, "weak", ()))

    told, nothing = bench.reader.run(run_id)["decisions"]
    assert [(row["cause"], row["standing"], row["evidence"], row["remedy"]) for row in told["diagnosis"]] == [
        dataclasses.astuple(suspect) for suspect in suspects
    ]
    assert nothing["diagnosis"] == []


# Checks


def test_checks_of_the_data_and_of_each_model_are_kept_apart(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.store.record_checks(
        run_id, [CheckResult("probe", "pass", {}, "", "data"), CheckResult("b", "pass", {}, "", "")]
    )
    for model in ("baseline_avgpool", "advanced_bilstm_features"):
        bench.candidate(run_id, model, checks=(CheckResult("probe", "fail", {"logit": 0.5}, "", model),))

    checks = bench.reader.run(run_id)["checks"]
    told = [(check["subject"], check["name"], check["evidence"]) for check in checks]
    assert told == [
        ("advanced_bilstm_features", "probe", "advanced_bilstm_features"),
        ("baseline_avgpool", "probe", "baseline_avgpool"),
        ("data", "probe", "data"),
        ("data", "b", ""),
    ]
    assert checks[0]["measured"] == {"logit": 0.5}


def test_a_check_that_is_off_or_only_warns_is_stored_as_such(bench: Bench) -> None:
    run_id = bench.start_run()
    off = CheckResult("leakage", "off", {}, "", "turned off by the configuration", action="off")
    warned = CheckResult("drift", "warn", {}, "", "longer reviews", action="warn")
    bench.store.record_checks(run_id, [off, warned, CheckResult("split", "pass", {}, "", "")])

    told = {check["name"]: (check["verdict"], check["action"]) for check in bench.reader.run(run_id)["checks"]}
    assert told == {"leakage": ("off", "off"), "drift": ("warn", "warn"), "split": ("pass", "fail")}


# The ledger


def run_on(bench: Bench, test_id: str) -> str:
    """A run whose configuration spends 0.05 on a test set."""
    run_id = bench.start_run(options={"gates": {"comparison_alpha": TOTAL}})
    bench.snapshot(run_id, id=f"snapshot of {test_id}", test_id=test_id)
    return run_id


def compare(bench: Bench, index: int, test_id: str, *, dry_run: bool = False) -> None:
    champion = bench.reader.champion("imdb")
    assert champion is not None
    made = comparison(champion.candidate_id, index, alpha=alpha_for(index, TOTAL))
    loser = bench.candidate()
    bench.decide(Decision(loser.id, False, "", (), made), test_id=test_id, dry_run=dry_run, position=champion.position)


def test_the_ledger_of_a_fresh_test_set_is_empty(bench: Bench) -> None:
    bench.promote()
    run_id = run_on(bench, "t1")

    assert bench.reader.run(run_id)["ledger"] == {
        "test_id": "t1", "comparisons": 0, "total": TOTAL, "spent": 0.0, "left": TOTAL, "next": TOTAL / 2,
    }  # fmt: skip


def test_the_ledger_tells_what_was_spent_and_what_is_left(bench: Bench) -> None:
    bench.promote()
    run_id = run_on(bench, "t1")
    for index in range(3):
        compare(bench, index, "t1")

    ledger = bench.reader.run(run_id)["ledger"]
    assert ledger["comparisons"] == 3
    assert ledger["spent"] == pytest.approx(0.025 + 0.05 / 6 + 0.05 / 12, rel=1e-12)
    assert ledger["left"] == pytest.approx(TOTAL - ledger["spent"], rel=1e-12)
    assert ledger["next"] == pytest.approx(alpha_for(3, TOTAL), rel=1e-12)
    assert ledger["next"] < ledger["left"]


def test_a_new_test_set_starts_a_ledger_of_its_own(bench: Bench) -> None:
    bench.promote()
    worn, fresh = run_on(bench, "t1"), run_on(bench, "t2")
    compare(bench, 0, "t1")

    old, new = (bench.reader.run(run_id)["ledger"] for run_id in (worn, fresh))
    assert (old["comparisons"], old["next"]) == (1, pytest.approx(TOTAL / 6))
    assert (new["comparisons"], new["spent"], new["next"]) == (0, 0.0, TOTAL / 2)


def test_a_dry_run_spends_nothing_and_promotes_nothing(bench: Bench) -> None:
    first = bench.promote()
    run_id = run_on(bench, "t1")
    compare(bench, 0, "t1", dry_run=True)
    bench.decide(Decision(bench.candidate().id, True, "better", ()), dry_run=True, position=1)

    assert bench.reader.run(run_id)["ledger"]["spent"] == 0.0
    assert [champion.candidate_id for champion in bench.reader.champions("imdb")] == [first.id]


def test_a_run_that_spent_more_than_its_own_total_has_nothing_left(bench: Bench) -> None:
    bench.promote()
    run_id = bench.start_run(options={"gates": {"comparison_alpha": 0.01}})
    bench.snapshot(run_id)
    compare(bench, 0, "t1")

    ledger = bench.reader.run(run_id)["ledger"]
    assert (ledger["spent"], ledger["left"]) == (0.025, 0.0)


def test_a_run_without_a_snapshot_has_no_ledger(bench: Bench) -> None:
    assert bench.reader.run(bench.start_run())["ledger"] is None


# Snapshots


def test_a_snapshot_is_told_again_as_it_was_noted(bench: Bench) -> None:
    noted = bench.snapshot(bench.start_run())

    assert bench.reader.snapshot("s1") == dataclasses.replace(noted, reason="")


def test_a_snapshot_that_no_run_used_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="the metrics store knows no snapshot 's9'"):
        bench.reader.snapshot("s9")
