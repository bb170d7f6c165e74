from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.states import Completed

from flows import runs
from flows.runs import Outcome, as_state, clean_up, lateness, record_run, run_here, run_start, slot, trigger
from storage.errors import DataRejectedError, OptionError, SourceError, TrainingError
from storage.metrics.store import MetricsStore
from storage.records import RunStart
from storage.settings import Settings
from storage.slots import slot_name
from tasks.reporting.page import write_report
from tests.storage.conftest import Bench

START = RunStart("retrain", "-", "command line", {}, 7, False, {}, None)


def no_stages(run_id: str) -> str:
    return f"nothing to do in {run_id}"


def test_what_is_known_of_a_run_at_its_start_says_what_it_works_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "git_commit", lambda: "0123abcd")
    monkeypatch.setattr(runs, "slot", lambda: "retrain/weekly@2026-11-23T03:00:00Z")
    start = run_start("retrain", {"epochs": 3}, seed=7, dry_run=True)
    assert (start.flow, start.line, start.trigger, start.options) == ("retrain", "-", "command line", {"epochs": 3})
    assert (start.seed, start.dry_run, start.git_commit) == (7, True, "0123abcd")
    assert start.slot == "retrain/weekly@2026-11-23T03:00:00Z"
    assert {"python", "prefect"} <= set(start.versions)


@pytest.mark.parametrize("temporary", [True, False])
def test_a_run_on_a_temporary_server_sends_no_heartbeats(monkeypatch: pytest.MonkeyPatch, temporary: bool) -> None:
    monkeypatch.setattr(runs, "check_server", lambda: None)
    monkeypatch.setattr(runs, "is_temporary", lambda api: temporary)
    usual = get_current_settings().flows.heartbeat_frequency
    ended = Outcome("20261126-000000-0000", "completed", "done")
    during: list[int | None] = []

    def flow(*, return_state: bool) -> State[Any]:
        assert return_state
        during.append(get_current_settings().flows.heartbeat_frequency)
        return Completed(data=ended)

    # Only called, as a flow is.
    called: Any = flow
    assert run_here(called) == ended
    assert usual is not None
    assert during == [None if temporary else usual]
    assert get_current_settings().flows.heartbeat_frequency == usual


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


def test_an_error_before_a_run_begins_leaves_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (SourceError("no"), ZeroDivisionError("by zero")):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(MetricsStore, "start_run", fail)
        with pytest.raises(type(error)):
            record_run(START, no_stages)
    assert bench.reader.history() == []


@pytest.mark.parametrize(
    ("error", "named"),
    [(None, True), (SourceError("no file"), True), (ZeroDivisionError(), True), (SystemExit(), False)],
)
def test_the_flow_run_is_named_once_the_end_is_written_down_unless_somebody_waits_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, named: bool
) -> None:
    ends: list[str] = []

    def stages(run_id: str) -> str:
        if error is not None:
            raise error
        return "done"

    monkeypatch.setattr(runs, "label_flow_run", lambda _, run_id: ends.append(bench.reader.run(run_id)["state"]))
    with contextlib.suppress(ZeroDivisionError, SystemExit):
        record_run(START, stages)

    (run,) = bench.reader.history()
    assert ends == ([run.state] if named else [])
    assert run.state != "running"


def test_a_run_that_is_stopped_while_it_is_being_named_has_ended_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "label_flow_run", stop)
    with pytest.raises(KeyboardInterrupt):
        record_run(START, no_stages)

    (run,) = bench.reader.history()
    assert (run.state, run.message) == ("completed", f"nothing to do in {run.id}")


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
        assert clean_up(settings, bench.store) == ([dead], [])

    assert {run.id: run.state for run in bench.reader.history()} == {dead: "crashed", alive: "running"}
    assert [record.getMessage() for record in caplog.records] == [
        f"run {dead} had died without an end: marked as crashed"
    ]


def test_what_a_process_that_is_gone_had_half_written_is_removed(bench: Bench, settings: Settings) -> None:
    roots = (settings.snapshots, settings.matrices, settings.bundles, settings.checkpoints)
    # No process has this id: Linux gives none above four million.
    orphans = [root / ".staging-99999999-1-abc" for root in roots]
    for orphan in orphans:
        orphan.mkdir(parents=True)
    kept = settings.checkpoints / "k.npz"
    kept.touch()

    clean_up(settings, bench.store)

    assert not any(orphan.exists() for orphan in orphans)
    assert kept.exists()


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


# Slots.


def in_prefect(monkeypatch: pytest.MonkeyPatch, due: datetime, tags: list[str]) -> None:
    """Let this be a run of the deployment `weekly`."""
    deployment = SimpleNamespace(id="d1", name="weekly")
    flow_run = SimpleNamespace(tags=tags, scheduled_start_time=due, flow_name="retrain")
    monkeypatch.setattr(runs, "runtime", SimpleNamespace(deployment=deployment, flow_run=flow_run))


@pytest.mark.parametrize(("month", "hour"), [(7, "07"), (12, "08")])
def test_a_scheduled_run_is_for_the_slot_of_its_due_time_in_utc(
    monkeypatch: pytest.MonkeyPatch, month: int, hour: str
) -> None:
    in_prefect(monkeypatch, datetime(2026, month, 7, 3, tzinfo=ZoneInfo("America/New_York")), ["auto-scheduled"])

    assert slot() == f"retrain/weekly 2026-{month:02}-07T{hour}:00:00Z"


def test_a_run_that_somebody_started_is_for_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    in_prefect(monkeypatch, datetime(2026, 11, 30, 3, tzinfo=UTC), ["mine"])

    assert slot() is None


def due(ago: timedelta) -> str:
    return slot_name("retrain/weekly", datetime.now(UTC) - ago)


def test_the_second_run_of_a_slot_is_skipped_with_the_reason_and_does_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    start = replace(START, slot=due(timedelta()))
    first = record_run(start, no_stages)
    called: list[str] = []

    def stages(run_id: str) -> str:
        called.append(run_id)
        return "done"

    with caplog.at_level("WARNING", "flows.runs"):
        second = record_run(start, stages)

    reason = f"the slot is taken: run {first.run_id} has the result of {start.slot}."
    assert second == Outcome(second.run_id, "skipped", reason)
    assert called == []
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [f"run {second.run_id} skipped: {reason}"]
    told = {run.id: (run.state, run.slot) for run in bench.reader.history()}
    assert told == {first.run_id: ("completed", start.slot), second.run_id: ("skipped", None)}
    state = as_state(second)
    assert (state.is_completed(), state.name, state.message) == (True, "Skipped", f"{second.run_id}: {reason}")


@pytest.mark.parametrize("error", [SourceError("no file"), ZeroDivisionError("by zero"), KeyboardInterrupt()])
def test_a_retry_gets_the_slot_of_a_first_try_that_ended_badly(bench: Bench, error: BaseException) -> None:
    start = replace(START, slot=due(timedelta()))

    def fail(run_id: str) -> str:
        raise error

    with contextlib.suppress(ZeroDivisionError, KeyboardInterrupt):
        record_run(start, fail)
    assert record_run(start, no_stages).state == "completed"
    assert {run.slot for run in bench.reader.history()} == {start.slot}


def test_a_late_run_says_in_its_log_and_in_its_message_how_late_it_is(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    start = replace(START, slot=due(timedelta(hours=2, minutes=7, seconds=20)))

    with caplog.at_level("INFO", "flows.runs"):
        outcome = record_run(start, lambda run_id: "promoted")

    assert outcome.message == bench.reader.run("latest")["message"] == "promoted (2 h 07 min late)"
    started = f"run {outcome.run_id} started for the slot {start.slot}, 2 h 07 min late"
    assert caplog.records[0].getMessage() == started


@pytest.mark.parametrize("ago", [timedelta(minutes=4), timedelta(minutes=-1)])
def test_a_run_that_begins_within_minutes_is_in_time(ago: timedelta) -> None:
    assert lateness(due(ago)) == ""


def test_missed_slots_run_in_their_order_and_one_that_comes_after_a_later_one_is_skipped(bench: Bench) -> None:
    old, middle, new = (replace(START, slot=due(timedelta(days=days))) for days in (21, 14, 7))

    assert [record_run(start, no_stages).state for start in (middle, new, old)] == ["completed", "completed", "skipped"]
    assert bench.reader.run("latest")["message"].startswith("the slot was overtaken: run ")


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


@pytest.mark.parametrize(
    "error", [None, DataRejectedError("one class"), SourceError("no file"), ZeroDivisionError("0")]
)
def test_a_run_that_ends_leaves_its_page(bench: Bench, settings: Settings, error: Exception | None) -> None:
    def stages(run_id: str) -> str:
        if error:
            raise error
        return "all is well: it is"

    with contextlib.suppress(ZeroDivisionError):
        record_run(START, stages)

    (run,) = bench.reader.history()
    written = (settings.reports / f"{run.id}.html").read_bytes()
    assert run.message.split(": ")[0].encode() in written
    # Written again from the store alone, it is the same.
    assert write_report(settings, run.id, settings.home / "again.html").read_bytes() == written


def test_a_run_that_ends_leaves_the_page_of_its_line_which_leads_to_its_own(bench: Bench, settings: Settings) -> None:
    start, page = replace(START, line="imdb"), settings.reports / "trend-imdb.html"
    first = record_run(start, no_stages)
    assert first.run_id in page.read_text(encoding="utf-8")

    second = record_run(start, no_stages)

    written = page.read_text(encoding="utf-8")
    for run in (first, second):
        assert f'href="{run.run_id}.html"' in written
        assert f'href="{page.name}"' in (settings.reports / f"{run.run_id}.html").read_text(encoding="utf-8")


def test_a_run_that_never_knew_its_line_leaves_no_page_of_one(bench: Bench, settings: Settings) -> None:
    outcome = record_run(START, no_stages)
    assert [file.name for file in settings.reports.iterdir()] == [f"{outcome.run_id}.html"]


def test_a_page_that_cannot_be_written_is_a_warning_that_says_how_to_try_again(
    bench: Bench, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.reports.write_text("a file where the folder should be", encoding="utf-8")

    outcome = record_run(replace(START, line="imdb"), no_stages)

    assert outcome.state == "completed"
    report, trend = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert report.startswith("the report could not be written (OptionError: the report ")
    assert report.endswith(f"to try again: retrain report {outcome.run_id}")
    assert trend.startswith("the trend could not be written (OptionError: the report ")
    assert trend.endswith("to try again: retrain trend LINE")
