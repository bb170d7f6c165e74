"""What the Prefect server does by itself about our runs: each automation is made once, and kept as it is written here.

The retraining of a degraded champion is not among them: it is a trigger of a deployment, in `prefect.yaml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.types import SecretDict

from flows.notify import is_webhook
from storage.errors import SchedulingError

LOST_RUNS = "retrain: a run whose heartbeats stop has crashed"
NOTIFICATION = "retrain: tell that a run has crashed"

_BLOCK = "retrain"
_SILENCE = timedelta(seconds=90)


def lost_runs(deployments: Sequence[UUID]) -> AutomationCore:
    """Runs of these deployments that were killed with their worker or their machine, so that nobody reports it.

    Heartbeats come every 30 s. Whatever else comes from a run, such as its end under any name, is no silence.
    """
    return AutomationCore(
        name=LOST_RUNS,
        description="Its worker or its machine was killed: mark it crashed, so that the next run need not wait for it.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=_of(deployments),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            posture=Posture.Proactive,
            threshold=1,
            within=_SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"no heartbeat for {_SILENCE.seconds} s: its worker or its machine was killed",
            )
        ],
    )


def notification(block_id: UUID, deployments: Sequence[UUID]) -> AutomationCore:
    """A message that a run of these deployments has crashed, sent through a notification block.

    All else is told by the run itself; of this, only the server can tell.
    """
    return AutomationCore(
        name=NOTIFICATION,
        description="Tell RETRAIN_NOTIFY_URL of a run that was killed; what a run comes to, it tells by itself.",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=_of(deployments),
            expect={"prefect.flow-run.Crashed"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=block_id,
                subject="{{ flow_run.name }} has crashed",
                body="{{ flow_run.state.message }}",
            )
        ],
    )


def apply_automations(client: SyncPrefectClient, deployments: Sequence[UUID], notify_url: str | None) -> list[str]:
    """Make, change or remove automations until the server has those that are wanted.

    Args:
        client: The server.
        deployments: Whose runs are watched.
        notify_url: Where messages go; of a crash the server can tell a webhook only, which takes JSON with a `text`.

    Returns:
        What was done, a sentence each; nothing where all was as it should be.
    """
    done = [_apply(client, lost_runs(deployments))]
    if notify_url is None or not is_webhook(notify_url):
        done.append(_remove_notification(client))
    else:
        block_id, changed = _webhook(notify_url)
        done += [changed, _apply(client, notification(block_id, deployments))]
    return [sentence for sentence in done if sentence]


def _of(deployments: Sequence[UUID]) -> ResourceSpecification:
    ids = [f"prefect.deployment.{each}" for each in sorted(deployments)]
    return ResourceSpecification({"prefect.resource.role": "deployment", "prefect.resource.id": ids})


def _apply(client: SyncPrefectClient, wanted: AutomationCore) -> str:
    present = _present(client, wanted.name)
    if present is None:
        client.create_automation(wanted)
        return f"made the automation '{wanted.name}'"
    # Whether it is switched on is for people to say, in the UI.
    wanted = wanted.model_copy(update={"enabled": present.enabled})
    if _content(present) == _content(wanted):
        return ""
    client.update_automation(present.id, AutomationCore.model_validate(wanted.model_dump(exclude={"owner_resource"})))
    return f"brought the automation '{wanted.name}' up to date"


def _remove_notification(client: SyncPrefectClient) -> str:
    present = _present(client, NOTIFICATION)
    if present is None:
        return ""
    client.delete_automation(present.id)
    with suppress(ValueError):
        # It holds the webhook's address; somebody may have deleted it already.
        CustomWebhookNotificationBlock.delete(_BLOCK)
    return f"removed the automation '{NOTIFICATION}'"


def _webhook(url: str) -> tuple[UUID, str]:
    """The block that posts to this address, and what was done to have it."""
    try:
        present: CustomWebhookNotificationBlock | None = _load()
    except ValueError:
        present = None
    if present is not None and present.secrets.get_secret_value().get("url") == url:
        return _id(present), ""
    # Slack, Mattermost and others show the `text` of what they are sent. The address is a secret: whoever has it can
    # post there, so it stands among the block's secrets, which the UI does not show.
    block = CustomWebhookNotificationBlock(
        name=_BLOCK, url="{{url}}", json_data={"text": "{{subject}}\n{{body}}"}, secrets=SecretDict({"url": url})
    )
    block.save(_BLOCK, overwrite=True)
    return _id(_load()), "set the address that notifications are sent to"


def _load() -> CustomWebhookNotificationBlock:
    # Prefect's type allows for a coroutine, which there is none of outside of one.
    return cast(CustomWebhookNotificationBlock, CustomWebhookNotificationBlock.load(_BLOCK))


def _id(block: CustomWebhookNotificationBlock) -> UUID:
    if block._block_document_id is None:
        raise SchedulingError(f"the Prefect server has no notification block {_BLOCK!r}, although it was just saved.")
    return block._block_document_id


def _present(client: SyncPrefectClient, name: str) -> Automation | None:
    found = client.read_automations_by_name(name)
    return found[0] if found else None


def _content(automation: AutomationCore) -> dict[str, Any]:
    return automation.model_dump(include={"name", "description", "enabled", "trigger", "actions"})
