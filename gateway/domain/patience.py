"""How long does a webhook wait for storage, and what does it do meanwhile?

Most providers come again after a 503. Of one that does not, a 503 loses what a person said, so its webhook is held for
as long as the provider waits, and storage is asked again: a database that fails over takes seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import ParamSpec, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from channels.channel import Channel
from kit import errors

P = ParamSpec("P")
Given = TypeVar("Given")

COME_AGAIN = timedelta(seconds=1)
# Held at once; each keeps a connection and its body. Who comes later waits as long as all others do.
MOST_HELD = 1_000
AWAY = retry_if_exception_type(errors.StorageUnavailable)
PAUSES = wait_random_exponential(multiplier=0.1, max=0.5)  # seconds; what waits at the same time leaves in one frame


class Patience:
    """One webhook's, of those that are under way."""

    def __init__(self, usual: timedelta) -> None:
        self._usual = usual
        self._held = 0

    @asynccontextmanager
    async def of(self, channel: Channel) -> AsyncIterator[None]:
        """Ends what is done within it in its time. StorageUnavailable then."""
        self._held += 1
        try:
            async with asyncio.timeout(self._longest(channel).total_seconds()):
                yield
        except TimeoutError:
            raise errors.StorageUnavailable(retry_after=COME_AGAIN) from None
        finally:
            self._held -= 1

    def _longest(self, channel: Channel) -> timedelta:
        once = channel.capabilities.waits_once
        return self._usual if once is None or self._held > MOST_HELD else max(self._usual, once)


def persistent(ask: Callable[P, Awaitable[Given]]) -> Callable[P, Awaitable[Given]]:
    """The same question, asked again while storage cannot say, for as long as the caller lets it. What is accepted
    twice counts once, so an answer that was lost does no harm."""

    async def asked(*args: P.args, **kwargs: P.kwargs) -> Given:
        try:
            return await ask(*args, **kwargs)  # bare: what nearly always happens costs nothing more
        except errors.StorageUnavailable as error:
            failed = error
        async for attempt in AsyncRetrying(retry=AWAY, wait=PAUSES):
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise failed
                return await ask(*args, **kwargs)
        raise failed

    return asked
