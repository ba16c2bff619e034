"""How long does a webhook wait for storage, and what does it do meanwhile?

Most providers come again after a 503. Of one that does not, a 503 loses what a person said, so its webhook is held for
as long as the provider waits, and storage is asked again: a database that fails over takes seconds.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar, TypeVarTuple

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, stop_never, wait_random_exponential
from tenacity.stop import stop_base

from channels.channel import Channel
from kit import errors

Asked = TypeVarTuple("Asked")
Given = TypeVar("Given")

# Held at once; each keeps a connection and its body. Who comes later waits as long as all others do.
MOST_HELD = 1_000
AWAY = retry_if_exception_type(errors.StorageUnavailable)
PAUSES = wait_random_exponential(multiplier=0.1, max=0.5)  # seconds; what waits at the same time leaves in one frame


class Patience:
    """Of all webhooks that are under way. What storage cannot say is asked again: an accept counts once, however often
    it is made, so an answer that was lost does no harm."""

    def __init__(self, usual: timedelta) -> None:
        self._usual = usual
        self._held = 0

    def seconds(self, channel: Channel) -> float:
        """How long a webhook of this channel may take at most."""
        once = channel.capabilities.waits_once
        return (self._usual if once is None else max(self._usual, once)).total_seconds()

    async def with_stranger(self, ask: Callable[[*Asked], Awaitable[Given]], *what: *Asked) -> Given:
        """For whoever has proven nothing yet: for the usual time, so that they take nobody's place."""
        try:
            return await ask(*what)
        except errors.StorageUnavailable as error:
            return await _again(error, ask, *what, until=stop_after_delay(self._usual))

    async def with_provider(self, ask: Callable[[*Asked], Awaitable[Given]], *what: *Asked) -> Given:
        """Until whoever called gives up."""
        try:
            return await ask(*what)  # bare: what nearly always happens costs nothing more
        except errors.StorageUnavailable as error:
            failed = error
        until = stop_never if self._held < MOST_HELD else stop_after_delay(self._usual)
        self._held += 1
        try:
            return await _again(failed, ask, *what, until=until)
        finally:
            self._held -= 1


async def _again(
    failed: errors.StorageUnavailable,
    ask: Callable[[*Asked], Awaitable[Given]],
    *what: *Asked,
    until: stop_base,
) -> Given:
    async for attempt in AsyncRetrying(retry=AWAY, wait=PAUSES, stop=until, reraise=True):
        with attempt:
            if attempt.retry_state.attempt_number == 1:
                raise failed
            return await ask(*what)
    raise failed
