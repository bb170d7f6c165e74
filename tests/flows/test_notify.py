from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from flows import events
from flows.events import announce_decisions, announce_degradation, announce_rejection
from flows.notify import check_address, notify
from flows.runs import record_run
from storage.errors import OptionError, SourceError
from storage.options import MonitorRunOptions
from storage.records import Observation, RunStart, Watched
from tests.storage.conftest import Bench
from tests.verdicts import PADDING, REJECTED, candidate

Mailbox = tuple[str, list[dict[str, Any]]]

SEEN = Observation("imdb", 2, "r0/a", 300, 200, 0.7, 0.6, 0.8, 0.75, 0.9, 0.5, 0.5, "degraded", "accuracy fell")
START = RunStart("score", "-", "schedule", {}, None, False, {}, None)


@pytest.fixture(params=["webhook", "apprise"])
def received(request: pytest.FixtureRequest, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What arrived at a server of our own, told to be a webhook or a service that Apprise knows."""
    url, posted = mailbox
    monkeypatch.setenv("RETRAIN_NOTIFY_URL", url if request.param == "webhook" else url.replace("http:", "json:"))
    return posted


@pytest.fixture(autouse=True)
def no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "emit_event", lambda *_, **__: object())


def words(received: list[dict[str, Any]]) -> list[str]:
    """The messages; Apprise's JSON calls them otherwise."""
    return [one.get("text") or one["message"] for one in received]


def test_a_verdict_is_one_message_with_the_headline(received: list[dict[str, Any]]) -> None:
    headline = "promoted c on imdb (test accuracy 0.8862, AUC 0.9541): it is better"
    decisions = (REJECTED, replace(REJECTED, candidate_id="r1/c", promote=True))
    announce_decisions("r1", "imdb", (candidate("a"), candidate("c")), decisions, headline, dry_run=False)
    assert words(received) == [f"{headline} (run r1)"]


def test_rejected_data_and_a_degraded_champion_are_told_too(received: list[dict[str, Any]]) -> None:
    announce_rejection("r1", "imdb", [PADDING], "the data was rejected")
    announce_degradation("r2", Watched(SEEN, (), "imdb"), MonitorRunOptions(source="today"), "it has degraded")
    assert words(received) == ["the data was rejected (run r1)", "it has degraded (run r2)"]


@pytest.mark.parametrize(("started_by", "messages"), [("schedule", 1), ("deployment", 1), ("command line", 0)])
def test_a_run_that_fails_is_told_where_nobody_sits_before_it(
    bench: Bench, received: list[dict[str, Any]], started_by: Any, messages: int
) -> None:
    def fail(run_id: str) -> str:
        raise SourceError("the shelf is empty")

    outcome = record_run(replace(START, trigger=started_by), fail)
    assert words(received) == [f"score failed: the shelf is empty (run {outcome.run_id})"] * messages


def test_without_an_address_nothing_is_sent(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETRAIN_NOTIFY_URL", raising=False)
    notify("retrain: imdb", "promoted c")
    assert mailbox[1] == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/secret", "URLError"),
        ("json://127.0.0.1:9/secret", "JSON did not take it"),
        ("carrier-pigeon://secret", "Apprise does not know this address"),
    ],
)
def test_what_cannot_be_sent_is_a_warning_without_the_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, why: str
) -> None:
    monkeypatch.setenv("RETRAIN_NOTIFY_URL", address)
    with caplog.at_level(logging.DEBUG):
        notify("retrain: imdb", "promoted c")
    (warning,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert warning.getMessage() == f"the notification could not be sent ({why}); it would have said: promoted c"
    assert "secret" not in caplog.text


def test_a_webhook_that_refuses_is_a_warning_with_its_code(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RETRAIN_NOTIFY_URL", mailbox[0].replace("/hook", "/refused"))
    notify("retrain: imdb", "promoted c")
    assert "the webhook answered 403" in caplog.text
    assert "/refused" not in caplog.text


@pytest.mark.parametrize("address", ["https://example.com/hook", "ntfy://topic", "mailto://user:word@example.com"])
def test_webhooks_and_what_apprise_knows_are_addresses(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", ["carrier-pigeon://secret", "mailto://"])
def test_an_address_that_nothing_can_be_sent_to_is_told_and_not_repeated(address: str) -> None:
    with pytest.raises(OptionError, match=f"RETRAIN_NOTIFY_URL begins with {address.partition(':')[0]}://") as caught:
        check_address(address)
    assert "secret" not in str(caught.value)
