from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows import labels
from flows.labels import label_flow_run, label_of
from storage.records import CheckResult, Decision, RunState
from storage.settings import Settings
from tests.storage.conftest import Bench

FLOW_RUN = str(uuid4())


def ended(bench: Bench, run_id: str, state: RunState = "completed", message: str = "so it is") -> tuple[str, set[str]]:
    """A run's name from its time on, and its tags, once it has ended."""
    bench.store.finish_run(run_id, state, message, 1.0)
    run = bench.reader.run(run_id)
    label = label_of(run)
    subject, _, words = label.name.partition(f" {run['started_at']:%Y-%m-%d %H:%M}: ")
    return f"{subject}: {words}", set(label.tags)


@pytest.mark.parametrize(
    ("promote", "dry_run", "words", "tag"),
    [
        (True, False, "promoted baseline_avgpool", "promoted"),
        (False, False, "nothing promoted", "nothing-promoted"),
        (True, True, "dry run, would promote baseline_avgpool", "dry-run"),
        (False, True, "dry run, would promote nothing", "dry-run"),
    ],
)
def test_a_retraining_is_named_after_its_decision(
    bench: Bench, promote: bool, dry_run: bool, words: str, tag: str
) -> None:
    run_id = bench.start_run(dry_run=dry_run)
    bench.decide(Decision(bench.candidate(run_id).id, promote, "so it is", ()), dry_run=dry_run)

    assert ended(bench, run_id) == (f"imdb: {words}", {"line:imdb", tag})


@pytest.mark.parametrize(
    ("state", "message", "words", "tag"),
    [
        ("rejected data", "the data was rejected", "data rejected", "data-rejected"),
        ("skipped", "nothing has changed since run r0", "skipped, nothing has changed", "skipped"),
        ("skipped", "the slot is taken: run r0 has the result", "skipped, the slot is taken", "skipped"),
        ("skipped", "for another reason", "skipped", "skipped"),
        ("failed", "no file", "failed", "failed"),
    ],
)
def test_a_run_without_a_decision_is_named_after_its_state(
    bench: Bench, state: RunState, message: str, words: str, tag: str
) -> None:
    assert ended(bench, bench.start_run(), state, message) == (f"imdb: {words}", {"line:imdb", tag})


@pytest.mark.parametrize(
    ("verdict", "words", "tag"),
    [
        ("healthy", "champion healthy", "healthy"),
        ("degraded", "champion degraded", "degraded"),
        ("drifted", "reviews drifted", "drifted"),
        ("too few rows", "too few new rows", "too-few-rows"),
    ],
)
def test_a_run_of_the_monitor_is_named_after_its_champion(bench: Bench, verdict: str, words: str, tag: str) -> None:
    bench.promote()
    run_id = bench.observe(CheckResult("drift", "pass", {}, "", "as before"), verdict=verdict)

    assert ended(bench, run_id) == (f"imdb: {words}", {"line:imdb", tag})


def test_a_rollback_says_what_it_has_put_back(bench: Bench) -> None:
    first = bench.promote()
    bench.promote(position=1)

    assert ended(bench, bench.roll_back(first.id, position=2, promote=False)) == (
        "imdb: nothing put back",
        {"line:imdb", "nothing-put-back"},
    )
    assert ended(bench, bench.roll_back(first.id, position=2, dry_run=True)) == (
        "imdb: dry run, would put back baseline_avgpool",
        {"line:imdb", "dry-run"},
    )
    assert ended(bench, bench.roll_back(first.id, position=2)) == (
        "imdb: put back baseline_avgpool",
        {"line:imdb", "put-back"},
    )


def test_a_check_and_a_scoring_say_what_they_did(bench: Bench) -> None:
    assert ended(bench, bench.start_run(flow="check")) == ("imdb: fit to be trained on", {"line:imdb", "fit"})
    scoring = bench.start_run("-", flow="score", options={"source": "shop"})
    assert ended(bench, scoring) == ("shop: labelled", {"labelled"})


def test_a_run_that_never_knew_its_line_is_named_after_its_source(bench: Bench) -> None:
    run_id = bench.start_run("-", options={"source": "shop"})
    assert ended(bench, run_id, "failed") == ("shop: failed", {"failed"})


def test_a_long_name_is_cut_and_keeps_its_verdict(bench: Bench) -> None:
    run_id = bench.start_run("x" * 120, dry_run=True)
    bench.decide(Decision(bench.candidate(run_id).id, True, "so it is", ()), dry_run=True)
    bench.store.finish_run(run_id, "completed", "so it is", 1.0)

    name = label_of(bench.reader.run(run_id)).name

    assert len(name) == 99
    assert name.startswith("xxx")
    assert "x… 20" in name
    assert name.endswith(": dry run, would promote baseline_avgpool")


class Client:
    """Stands in for Prefect's client, with one flow run."""

    def __init__(self, *tags: str, error: Exception | None = None) -> None:
        self.flow_run, self.error = SimpleNamespace(name="retrain imdb", tags=list(tags)), error

    def read_flow_run(self, flow_run_id: UUID) -> SimpleNamespace:
        assert str(flow_run_id) == FLOW_RUN
        return self.flow_run

    def update_flow_run(self, flow_run_id: UUID, *, name: str, tags: list[str]) -> SimpleNamespace:
        def raise_for_status() -> None:
            if self.error is not None:
                raise self.error
            self.flow_run = SimpleNamespace(name=name, tags=tags)

        assert str(flow_run_id) == FLOW_RUN
        return SimpleNamespace(raise_for_status=raise_for_status)


def within_flow_run(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    @contextmanager
    def get_client(*, sync_client: bool) -> Iterator[Client]:
        assert sync_client
        yield client

    monkeypatch.setattr(labels, "runtime", SimpleNamespace(flow_run=SimpleNamespace(id=FLOW_RUN)))
    monkeypatch.setattr(labels, "get_client", get_client)


def test_a_flow_run_keeps_the_tags_that_are_not_ours(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client("mine", "scheduled", "failed", "line:synthetic")
    within_flow_run(monkeypatch, client)
    run_id = bench.start_run()
    bench.store.finish_run(run_id, "completed", "so it is", 1.0)

    label_flow_run(settings, run_id)

    assert client.flow_run.name.endswith(": nothing promoted")
    assert client.flow_run.tags == ["line:imdb", "mine", "nothing-promoted", "scheduled"]


@pytest.mark.parametrize("run_id", ["known", "unknown"])
def test_a_flow_run_that_cannot_be_renamed_is_a_warning(
    bench: Bench,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    run_id: str,
) -> None:
    client = Client("mine", error=ConnectionError("the server is gone"))
    within_flow_run(monkeypatch, client)
    started = bench.start_run()

    with caplog.at_level(logging.WARNING, "flows.labels"):
        label_flow_run(settings, started if run_id == "known" else run_id)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("the flow run could not be named after its verdict: ")
    assert client.flow_run.tags == ["mine"]


def test_outside_of_a_flow_run_there_is_nothing_to_name(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def get_client(**_: Any) -> None:
        raise AssertionError("nobody is to be asked")

    monkeypatch.setattr(labels, "runtime", SimpleNamespace(flow_run=SimpleNamespace(id=None)))
    monkeypatch.setattr(labels, "get_client", get_client)

    label_flow_run(settings, "r1")

    assert caplog.records == []
