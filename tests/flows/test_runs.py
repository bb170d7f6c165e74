from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows import runs
from flows.runs import Outcome, as_state, clean_up, record_run, trigger
from storage.errors import DataRejectedError, OptionError, SourceError, TrainingError
from storage.records import RunStart
from storage.settings import Settings
from tests.storage.conftest import Bench

START = RunStart("retrain", "-", "command line", {}, 7, False, {}, None)


def no_stages(run_id: str) -> str:
    return f"nothing to do in {run_id}"


def test_a_run_that_reaches_its_verdict_is_completed_with_it(bench: Bench) -> None:
    outcome = record_run(START, no_stages)

    (run,) = bench.reader.history()
    assert outcome == Outcome(run.id, "completed", f"nothing to do in {run.id}")
    assert (run.state, run.message, run.flow) == ("completed", outcome.message, "retrain")
    assert run.seconds is not None
    assert 0 <= run.seconds < 60


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (DataRejectedError("one class"), "rejected data"),
        (SourceError("no file"), "failed"),
        (TrainingError("NaN"), "failed"),
    ],
)
def test_an_error_of_ours_ends_the_run_and_knows_it(bench: Bench, error: Exception, state: str) -> None:
    def stages(run_id: str) -> str:
        raise error

    outcome = record_run(START, stages)

    (run,) = bench.reader.history()
    assert (outcome.state, outcome.message, outcome.error) == (state, str(error), error)
    assert (run.state, run.message) == (state, str(error))
    assert outcome.error is not None
    assert outcome.error.run_id == run.id == outcome.run_id


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), "cancelled", "stopped from outside before it was done"),
        (SystemExit(1), "cancelled", "stopped from outside before it was done"),
    ],
)
def test_whatever_else_ends_a_run_is_written_down_and_goes_on(
    bench: Bench, error: BaseException, state: str, message: str
) -> None:
    def stages(run_id: str) -> str:
        raise error

    with pytest.raises(type(error)):
        record_run(START, stages)

    (run,) = bench.reader.history()
    assert (run.state, run.message) == (state, message)


def test_a_run_makes_the_store_and_the_folders_where_there_are_none(settings: Settings) -> None:
    assert not (settings.home / "metrics.db").exists()

    record_run(START, no_stages)

    assert (settings.home / "metrics.db").is_file()
    assert settings.bundles.is_dir()


def test_runs_that_died_are_marked_before_a_new_one_starts(
    bench: Bench, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    dead, alive = bench.start_run(), bench.start_run()
    bench.query("UPDATE runs SET boot_id = 'another' WHERE id = ?", dead)

    with caplog.at_level("WARNING", "flows.runs"):
        clean_up(settings, bench.store)

    assert {run.id: run.state for run in bench.reader.history()} == {dead: "crashed", alive: "running"}
    assert [record.getMessage() for record in caplog.records] == [
        f"run {dead} had died without an end: marked as crashed"
    ]


@pytest.mark.parametrize(
    ("deployment", "tags", "expected"),
    [
        (None, [], "command line"),
        (None, None, "command line"),
        ("d1", ["auto-scheduled"], "schedule"),
        ("d1", ["mine"], "deployment"),
        ("d1", [], "deployment"),
        ("d1", None, "deployment"),
    ],
)
def test_what_started_a_run_is_told_from_its_deployment_and_its_tags(
    monkeypatch: pytest.MonkeyPatch, deployment: str | None, tags: list[str] | None, expected: str
) -> None:
    context = SimpleNamespace(deployment=SimpleNamespace(id=deployment), flow_run=SimpleNamespace(tags=tags))
    monkeypatch.setattr(runs, "runtime", context)

    assert trigger() == expected


def test_a_run_that_promoted_nothing_is_completed_and_only_faults_are_failures() -> None:
    assert as_state(Outcome("r1", "completed", "nothing promoted")).is_completed()
    rejected = as_state(Outcome("r1", "rejected data", "one class", DataRejectedError("one class")))
    assert (rejected.name, rejected.is_failed()) == ("DataRejected", True)
    failed = as_state(Outcome("r1", "failed", "no file", SourceError("no file")))
    assert (failed.name, failed.message) == ("Failed", "r1: no file")


def test_the_error_of_a_failed_run_is_raised_to_whoever_asks_for_its_result() -> None:
    error = OptionError("it serves already")

    with pytest.raises(OptionError, match="it serves already"):
        as_state(Outcome("r1", "failed", str(error), error)).result()
