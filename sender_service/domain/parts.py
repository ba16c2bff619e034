"""How is one part sent? Runs a channel's `deliver` against the provider; whatever happens ends as an outcome."""

import time
from collections.abc import Awaitable, Callable

from channels.channel import Answer, Call, Channel, Credentials, DeliveryError, Flow, Outgoing
from channels.media import Gives
from kit import logs
from sender_service.domain import flows, outcomes
from sender_service.domain.outcomes import Outcome

# Makes the call within so many seconds, or its own if they are fewer. Raises Unavailable and Late only when nothing of
# it was written, Unknown when it may have been read, TimeoutError when the time that it was given ended it.
Provider = Callable[[Call, float], Awaitable[Answer]]

log = logs.get("sender")


async def send(
    channel: Channel, outgoing: Outgoing, *, credentials: Credentials, provider: Provider, within_seconds: float
) -> Outcome:
    """Sends one part. Never raises but when it is cancelled."""
    called = False
    ends_at = time.monotonic() + within_seconds

    async def observed(call: Call) -> Answer:
        nonlocal called
        called = True
        return await provider(call, ends_at - time.monotonic())

    try:
        return outcomes.sent(await flows.run(_flow(channel, outgoing, credentials=credentials), observed))
    except DeliveryError as error:
        return outcomes.failed(error)
    except TimeoutError:
        return outcomes.unknown("timeout") if called else outcomes.rejected("channel_fault")
    except Exception as error:  # channel code is foreign: once it had called, what it was sent stays unknown
        log.error("channel.fault", channel=channel.name, called=called, exc_info=error)
        return outcomes.unknown("channel_fault") if called else outcomes.rejected("channel_fault")


def _flow(channel: Channel, outgoing: Outgoing, *, credentials: Credentials) -> Flow:
    """A part that is a file is given; whoever readied it knows that the channel can."""
    if outgoing.file is not None and isinstance(channel, Gives):
        return channel.give(outgoing, credentials)
    return channel.deliver(outgoing, credentials)
