"""A message to people: what was decided, or went wrong, in the sentence that the report begins with.

Off unless RETRAIN_NOTIFY_URL says where to. The run itself sends it, so that it is the same with and without a server,
and the address, which is a secret, stays in the environment: it is in no log and in no error.
"""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from storage.errors import OptionError
from storage.settings import Settings

if TYPE_CHECKING:
    from apprise import NotifyBase

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10


def check_address(url: str) -> None:
    """Say at once that nothing can ever arrive there.

    Raises:
        OptionError: It is neither an address that Apprise knows nor a web address.
    """
    if _service(url) is None and not is_webhook(url):
        raise OptionError(
            f"RETRAIN_NOTIFY_URL begins with {urlsplit(url).scheme}://, and what follows is no address that Apprise "
            "knows: expected one such as mailto://user:password@example.com, ntfy://topic or slack://…, as "
            "https://appriseit.com/services lists them, or a webhook's https://…"
        )


def notify(subject: str, headline: str) -> None:
    """Send one message, if an address is set; whatever goes wrong is a warning, since what it tells is in the store.

    Args:
        subject: What a mail or a push message has as its title.
        headline: The message.
    """
    url = Settings.from_environment().notify_url
    if url is None:
        return
    try:
        problem = _send(url, subject, headline)
    except Exception as error:
        # Only its kind: its words may hold the address.
        problem = type(error).__name__
    if problem:
        logger.warning("the notification could not be sent (%s); it would have said: %s", problem, headline)


def is_webhook(url: str) -> bool:
    """Whether it is a web address, which takes JSON with a `text`, as Slack, Mattermost and many others do."""
    return url.startswith(("https://", "http://"))


def _send(url: str, subject: str, headline: str) -> str:
    """What went wrong; empty if the message was taken."""
    service = _service(url)
    if service is not None:
        return "" if service.notify(title=subject, body=headline) else f"{service.service_name} did not take it"
    return _post(url, headline) if is_webhook(url) else "Apprise does not know this address"


def _service(url: str) -> NotifyBase | None:
    """Where Apprise would send it; None of an address that it does not know, such as any webhook."""
    # Not before a message is to be sent: it loads some hundred services. Its own words may hold the address.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    from apprise import Apprise

    return Apprise.instantiate(url)


def _post(url: str, headline: str) -> str:
    body = json.dumps({"text": headline}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return f"the webhook answered {error.code}"
