"""Which automations are made, changed and removed; that they do their work is shown in tests/system/test_up.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger

from flows import automations
from flows.automations import LOST_RUNS, NOTIFICATION, apply_automations, lost_runs, notification

DEPLOYMENTS = [UUID(int=1), UUID(int=2)]
URL = "https://hooks.example.com/services/T0/B0"


class Server:
    """Keeps automations by name, as Prefect's client reads and writes them."""

    def __init__(self) -> None:
        self.kept: dict[str, Automation] = {}

    def read_automations_by_name(self, name: str) -> list[Automation]:
        return [self.kept[name]] if name in self.kept else []

    def create_automation(self, automation: AutomationCore) -> UUID:
        self.kept[automation.name] = Automation(id=uuid4(), **automation.model_dump())
        return self.kept[automation.name].id

    def update_automation(self, automation_id: UUID, automation: AutomationCore) -> None:
        assert self.kept[automation.name].id == automation_id
        self.kept[automation.name] = Automation(id=automation_id, **automation.model_dump())

    def delete_automation(self, automation_id: UUID) -> None:
        self.kept = {name: one for name, one in self.kept.items() if one.id != automation_id}


class Webhook:
    """The block that posts; remembers where to."""

    def __init__(self) -> None:
        self.id = uuid4()
        self.url: str | None = None

    def set(self, url: str) -> tuple[UUID, str]:
        changed = "set the address" if url != self.url else ""
        self.url = url
        return self.id, changed

    def delete(self, name: str) -> None:
        assert name == "retrain"
        self.url = None


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Webhook:
    webhook = Webhook()
    monkeypatch.setattr(automations, "_webhook", webhook.set)
    monkeypatch.setattr(CustomWebhookNotificationBlock, "delete", webhook.delete)
    return webhook


def apply(server: Server, url: str | None = None, deployments: list[UUID] = DEPLOYMENTS) -> list[str]:
    return apply_automations(cast(SyncPrefectClient, server), deployments, url)


def test_notifications_are_off_by_default() -> None:
    server = Server()
    assert apply(server) == [f"made the automation '{LOST_RUNS}'"]
    assert set(server.kept) == {LOST_RUNS}


def test_what_is_there_is_left_as_it_is(webhook: Webhook) -> None:
    server = Server()
    apply(server, URL)
    before = dict(server.kept)
    assert apply(server, URL) == []
    assert server.kept == before


def test_an_automation_that_is_written_otherwise_now_is_changed_and_stays_switched_off() -> None:
    server = Server()
    apply(server, deployments=DEPLOYMENTS[:1])
    server.kept[LOST_RUNS] = server.kept[LOST_RUNS].model_copy(update={"enabled": False})
    assert apply(server) == [f"brought the automation '{LOST_RUNS}' up to date"]
    assert server.kept[LOST_RUNS].trigger == lost_runs(DEPLOYMENTS).trigger
    assert server.kept[LOST_RUNS].enabled is False


def test_without_its_webhook_the_notification_goes_and_so_does_the_address(webhook: Webhook) -> None:
    server = Server()
    assert len(apply(server, URL)) == 3
    assert set(server.kept) == {LOST_RUNS, NOTIFICATION}
    assert apply(server) == [f"removed the automation '{NOTIFICATION}'"]
    assert set(server.kept) == {LOST_RUNS}
    assert webhook.url is None
    assert apply(server) == []


def test_only_runs_of_our_deployments_are_watched_and_any_sign_of_life_counts() -> None:
    trigger = lost_runs(DEPLOYMENTS).trigger
    assert isinstance(trigger, EventTrigger)
    related: Any = trigger.match_related
    assert set(related.root["prefect.resource.id"]) == {f"prefect.deployment.{one}" for one in DEPLOYMENTS}
    assert (trigger.after, trigger.expect) == ({"prefect.flow-run.heartbeat"}, {"prefect.flow-run.*"})
    assert trigger.within == timedelta(seconds=90)


def test_of_our_runs_only_a_crash_is_told_by_the_server_since_they_tell_the_rest() -> None:
    trigger, watching = notification(uuid4(), DEPLOYMENTS).trigger, lost_runs(DEPLOYMENTS).trigger
    assert isinstance(trigger, EventTrigger)
    assert isinstance(watching, EventTrigger)
    assert trigger.expect == {"prefect.flow-run.Crashed"}
    assert trigger.match_related == watching.match_related


def test_what_is_no_webhook_is_for_the_runs_alone_to_tell(webhook: Webhook) -> None:
    server = Server()
    apply(server, "mailto://user:password@example.com")
    assert set(server.kept) == {LOST_RUNS}
    assert webhook.url is None
