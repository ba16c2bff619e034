"""What becomes of what was heard at a provider that does not call? The same as of a webhook, with an id of its own."""

from collections.abc import Callable
from datetime import datetime

from channels.channel import Channel, Webhook
from channels.listening import Taken
from gateway.domain.accounts import Account
from gateway.domain.reception import Reception
from gateway.reporting import Reports
from kit import correlation, errors, tracing
from kit.ids import new_id


class Hearing:
    """Takes in, and counts as webhooks are counted."""

    def __init__(self, reception: Reception, reports: Reports, *, now: Callable[[], datetime]) -> None:
        self._reception = reception
        self._reports = reports
        self._now = now

    async def __call__(self, channel: Channel, account: Account, body: bytes) -> Taken | None:
        """None when it could not be stored; it is to be said again then."""
        correlation_id = new_id()
        correlation.bind(correlation_id, channel=channel.name)
        webhook = Webhook("POST", "", {}, body, self._now())
        with tracing.linked_span(f"heard {channel.name}"):
            try:
                outcome = await self._reception.hear(channel, webhook, account=account, correlation_id=correlation_id)
            except errors.ParleyError as error:
                self._reports.not_taken(channel.name, error)
                return None
        self._reports.taken(outcome)
        return Taken(outcome.received.answer.body)
