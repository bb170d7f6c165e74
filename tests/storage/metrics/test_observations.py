"""What the monitor writes down of a champion, and how it is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError

from storage.errors import NotFoundError
from storage.records import CheckResult, ConfusionMatrix

if TYPE_CHECKING:
    from tests.storage.conftest import Bench


def test_an_observation_is_told_with_its_run(bench: Bench) -> None:
    champion = bench.promote()
    held = CheckResult("accuracy since promotion", "pass", {"accuracy": 0.9}, "at most 0.02 lost", "it holds")

    run = bench.reader.run(bench.observe(held))

    assert run["line"] == "imdb"
    observation = run["observation"]
    assert (observation["line"], observation["position"], observation["candidate_id"]) == ("imdb", 1, champion.id)
    assert (observation["num_rows"], observation["num_new"], observation["verdict"]) == (300, 200, "healthy")
    assert (observation["lower"], observation["accuracy"], observation["upper"]) == (0.85, 0.9, 0.94)
    assert (observation["predicted_positive"], observation["positive"], observation["auc"]) == (0.52, 0.5, 0.95)
    (check,) = run["checks"]
    assert (check["subject"], check["name"], check["verdict"]) == ("champion", "accuracy since promotion", "pass")


def test_a_run_of_another_flow_has_no_observation(bench: Bench) -> None:
    assert bench.reader.run(bench.start_run())["observation"] is None


def test_a_run_observes_once(bench: Bench) -> None:
    bench.promote()
    run_id = bench.observe()

    with pytest.raises(IntegrityError, match=r"append-only|unique constraint"):
        bench.query("INSERT INTO observations SELECT * FROM observations WHERE run_id = ?", run_id)


def test_only_a_champion_can_be_observed(bench: Bench) -> None:
    bench.promote()

    with pytest.raises(IntegrityError, match=r"(?i)foreign key constraint"):
        bench.observe(position=2)
    assert bench.count("observations") == 0


def test_an_observation_and_its_checks_are_written_together_or_not_at_all(bench: Bench) -> None:
    bench.promote()
    held = CheckResult("drift", "pass", {}, "", "as before")

    with pytest.raises(IntegrityError):
        bench.observe(held, verdict="fine")
    assert bench.count("checks") == 0


def test_how_a_candidate_did_on_its_test_rows_can_be_read(bench: Bench) -> None:
    candidate = bench.candidate()

    assert bench.reader.test_confusion(candidate.id) == ConfusionMatrix(45, 5, 5, 45)
    with pytest.raises(NotFoundError, match="no test evaluation of 'nobody'"):
        bench.reader.test_confusion("nobody")


def test_checks_are_noted_of_the_data_unless_another_subject_is_named(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.store.record_checks(run_id, [CheckResult("contents", "pass", {}, "", "")])
    bench.store.record_checks(run_id, [CheckResult("drift", "pass", {}, "", "")], subject="champion")

    assert [check["subject"] for check in bench.reader.run(run_id)["checks"]] == ["champion", "data"]
