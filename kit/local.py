"""How do services that share a process call each other? Through the same handlers and checks, without the socket.

`parley up` runs all five in one process, where a call over loopback costs ten times the work that it carries. Messages
are still serialised, so that nobody shares an object by accident, and everything a caller can see is as over the wire.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any

import grpc

from kit.local_calls import StreamCall, UnaryCall
from kit.local_doors import Coders, Door, Way

_neighbours: ContextVar["Neighbours | None"] = ContextVar("neighbours", default=None)


class Neighbours:
    """The servers of this process that may be called directly."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}
        self._joined = asyncio.Event()

    def join(self, service: str, door: Door) -> None:
        """The service takes calls from now on."""
        self._doors[service] = door
        self._joined.set()
        self._joined = asyncio.Event()

    def leave(self, service: str) -> None:
        """It takes no more."""
        self._doors.pop(service, None)

    def door(self, service: str) -> Door | None:
        """Where to call the service; None while it is not up."""
        return self._doors.get(service)

    async def wait(self, service: str) -> Door:
        """The same, as soon as it is up."""
        while (door := self._doors.get(service)) is None:
            await self._joined.wait()
        return door


@contextmanager
def share() -> Iterator[Neighbours]:
    """Servers and meshes that are made inside, also by tasks that start inside, find each other directly."""
    neighbours = Neighbours()
    token = _neighbours.set(neighbours)
    try:
        yield neighbours
    finally:
        _neighbours.reset(token)


def shared() -> Neighbours | None:
    """Who can be called directly from this context."""
    return _neighbours.get()


class LocalChannel(grpc.aio.Channel):
    """As much of a channel as stubs use."""

    def __init__(self, neighbours: Neighbours, service: str) -> None:
        self._neighbours = neighbours
        self._service = service
        self._calls: set[asyncio.Task[None]] = set()

    def unary_unary(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(UnaryCall, method, *coders, **named)

    def unary_stream(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(StreamCall, method, *coders, **named)

    def stream_unary(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(UnaryCall, method, *coders, **named)

    def stream_stream(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(StreamCall, method, *coders, **named)

    async def find(self, wait_for_ready: bool) -> Door | None:
        """The service's door, waited for when the caller wants to."""
        if wait_for_ready:
            return await self._neighbours.wait(self._service)
        return self._neighbours.door(self._service)

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Calls under way end with the channel."""
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def close(self, grace: float | None = None) -> None:
        if grace and self._calls:
            await asyncio.wait(self._calls, timeout=grace)
        for call in list(self._calls):
            call.cancel()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        del try_to_connect
        up = self._neighbours.door(self._service) is not None
        return grpc.ChannelConnectivity.READY if up else grpc.ChannelConnectivity.IDLE

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        if self.get_state() is last_observed_state:
            await self.channel_ready()

    async def channel_ready(self) -> None:
        await self._neighbours.wait(self._service)

    async def __aenter__(self) -> "LocalChannel":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _method(self, call: Any, path: str, *coders: Any, **named: Any) -> Callable[..., Any]:
        named.pop("_registered_method", None)
        return partial(call, Way(path, Coders(*coders, **named), self.find, self.keep))
