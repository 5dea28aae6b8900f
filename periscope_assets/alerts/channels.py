"""Ways out: Slack, Telegram, e-mail, PagerDuty, a webhook, or whatever else Apprise reaches.

What belongs here: handing a message over and saying whether it was accepted. What does not: trying again
(``outbox``). A channel's URL holds its credential: it is in no message, log or error of ours, and Apprise's
own log is kept silent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from periscope_assets.alerts.messages import Message
from periscope_assets.operations_settings import ChannelSettings

Send = Callable[[Message], None]
"""Hands a message over; raises :class:`RefusedError` unless it was accepted."""


class RefusedError(RuntimeError):
    """A channel did not take a message; the text names the channel and never its URL."""


def open_channel(name: str, channel: ChannelSettings) -> Send:
    """Return what sends on a channel.

    Raises
    ------
    ValueError
        If Apprise does not know its kind of URL.
    """
    # Imported here because it takes half a second that only a sender needs.
    import apprise

    for each in ("apprise", "urllib3", "requests"):
        logging.getLogger(each).setLevel(logging.CRITICAL + 1)
    target = apprise.Apprise()
    if not target.add(channel.url.get_secret_value()):
        raise ValueError(f"channel {name}: Apprise does not know this kind of URL")

    def send(message: Message) -> None:
        kind = apprise.NotifyType.SUCCESS if message.is_good else apprise.NotifyType.WARNING
        try:
            accepted = target.notify(body=message.body, title=message.title, notify_type=kind)
        except Exception as error:
            raise RefusedError(f"channel {name}: {type(error).__name__}") from None
        if not accepted:
            raise RefusedError(f"channel {name} could not be reached or refused the message")

    return send
