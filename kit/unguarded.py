"""What does a service answer to anybody? Health and reflection: streams that last as long as their callers like, and
end with the server, which would otherwise wait for them before it stops."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection


class Health:
    """The library's health, whose watches end at the event."""

    def __init__(self, ending: asyncio.Event) -> None:
        self._health = health.aio.HealthServicer()
        self._ending = ending
        self.Check, self.List = self._health.Check, self._health.List
        self.set = self._health.set
        self.enter_graceful_shutdown = self._health.enter_graceful_shutdown

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - named by the contract
        watch = asyncio.ensure_future(self._health.Watch(request, context))
        if await _comes_first(watch, self._ending):
            await watch


class Reflection:
    """The library's reflection, which hears no more of a caller after the event."""

    def __init__(self, names: tuple[str, ...], ending: asyncio.Event) -> None:
        self._reflection = reflection.aio.ReflectionServicer(names)
        self._ending = ending

    async def ServerReflectionInfo(  # noqa: N802 - named by the contract
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        async for response in self._reflection.ServerReflectionInfo(self._heard(requests), context):
            yield response

    async def _heard(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        while True:
            following = asyncio.ensure_future(anext(requests, None))
            if not await _comes_first(following, self._ending) or following.result() is None:
                return
            yield following.result()


async def _comes_first(work: "asyncio.Future[Any]", ending: asyncio.Event) -> bool:
    """Whether the work is done before the event. If not, it is cancelled, as it is with its caller."""
    ended = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        ended.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
