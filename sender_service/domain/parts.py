"""How is one part sent? Runs a channel's `deliver` against the provider; whatever happens ends as an outcome."""

import asyncio
from collections.abc import Awaitable, Callable

from channels.channel import Answer, Call, Channel, Credentials, DeliveryError, Outgoing, Sent
from kit import logs
from sender_service.domain import outcomes
from sender_service.domain.outcomes import Outcome

# Makes the call. Raises Unavailable only when nothing of it was written, Unknown when it may have been read.
Provider = Callable[[Call], Awaitable[Answer]]

log = logs.get("sender")


async def send(
    channel: Channel, outgoing: Outgoing, *, credentials: Credentials, provider: Provider, within_seconds: float
) -> Outcome:
    """Sends one part. Never raises but when it is cancelled."""
    called = False

    async def observed(call: Call) -> Answer:
        nonlocal called
        called = True
        return await provider(call)

    try:
        async with asyncio.timeout(within_seconds):
            return outcomes.sent(await _run(channel, outgoing, credentials=credentials, provider=observed))
    except DeliveryError as error:
        return outcomes.failed(error)
    except TimeoutError:
        return outcomes.unknown("timeout") if called else outcomes.rejected("channel_fault")
    except Exception as error:  # channel code is foreign: once it had called, what it was sent stays unknown
        log.error("channel.fault", channel=channel.name, called=called, exc_info=error)
        return outcomes.unknown("channel_fault") if called else outcomes.rejected("channel_fault")


async def _run(channel: Channel, outgoing: Outgoing, *, credentials: Credentials, provider: Provider) -> Sent:
    flow = channel.deliver(outgoing, credentials)
    try:
        call = next(flow)
        while True:
            call = flow.send(await provider(call))
    except StopIteration as done:
        taken: Sent = done.value
        return taken
    finally:
        flow.close()
