"""What does a call carry to another service? A channel whose calls of all four kinds do, and are measured."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import Any

import grpc

from kit import contract, correlation, deadlines, metrics
from kit.ids import new_id
from kit.metrics import Observe

Pairs = tuple[tuple[str, str | bytes], ...]

# A call that is under way when certificates change gets this long on the old connection.
_OLD_CONNECTION_SECONDS = 60.0


class Outgoing:
    """The credential of this process."""

    def __init__(self, token: str) -> None:
        self._fixed: Pairs = (("authorization", f"Bearer {token}"),) if token else ()

    def metadata(self, given: Iterable[tuple[str, str | bytes]] | None) -> Pairs:
        """What the caller gives, and the credential and the correlation id unless the caller gives its own."""
        carried = (*self._fixed, (correlation.METADATA_KEY, correlation.correlation_id.get() or new_id()))
        if not given:
            return carried
        own = tuple(given)
        names = {name for name, _ in own}
        return (*(pair for pair in carried if pair[0] not in names), *own)


class Channel(grpc.aio.Channel):
    """A channel around the one that `connect` makes, which may be replaced while stubs keep this one."""

    def __init__(self, connect: Callable[[], grpc.aio.Channel], outgoing: Outgoing) -> None:
        self._connect = connect
        self._outgoing = outgoing
        self._inner = connect()
        self._methods: list[_Method] = []

    def unary_unary(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(_Unary, method, *coders, **named)

    def unary_stream(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(_Stream, method, *coders, **named)

    def stream_unary(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(_Collecting, method, *coders, **named)

    def stream_stream(self, method: str, *coders: Any, **named: Any) -> Any:
        return self._method(_Chatting, method, *coders, **named)

    async def reconnect(self) -> None:
        """New calls go over a new connection; those under way end on the old one."""
        old, self._inner = self._inner, self._connect()
        for method in self._methods:
            method.bind(self._inner)
        await old.close(_OLD_CONNECTION_SECONDS)

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _method(self, call: Any, path: str, *coders: Any, **named: Any) -> "_Method":
        kind = call.kind

        def make(inner: grpc.aio.Channel) -> Callable[..., Any]:
            made: Callable[..., Any] = getattr(inner, kind)(path, *coders, **named)
            return made

        method = _Method(make, path, call=call, outgoing=self._outgoing)
        method.bind(self._inner)
        self._methods.append(method)
        return method


class _Method:
    """What a stub calls."""

    __slots__ = ("_call", "_invoke", "_make", "_observe", "_outgoing", "_repeatable")

    def __init__(
        self, make: Callable[[grpc.aio.Channel], Callable[..., Any]], path: str, *, call: Any, outgoing: Outgoing
    ) -> None:
        rpc = contract.rpc(path) if call is _Unary else None
        self._make = make
        self._call = call
        self._outgoing = outgoing
        self._observe = metrics.observer(metrics.rpc_client_seconds, path)
        self._repeatable = rpc is not None and rpc.idempotent
        self._invoke: Callable[..., Any] = make

    def bind(self, inner: grpc.aio.Channel) -> None:
        self._invoke = self._make(inner)

    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        wait_for_ready: bool | None = None,
        **more: Any,
    ) -> Any:
        left = deadlines.within(timeout)
        if left is not None and left <= 0:
            self._observe("DEADLINE_EXCEEDED", 0.0)
            raise expired("no time is left for this call")
        carried = self._outgoing.metadata(metadata)
        invoke = partial(self._invoke, request, metadata=carried, wait_for_ready=wait_for_ready, **more)
        return self._call(invoke, left, observe=self._observe, repeatable=self._repeatable)


class _Measured:
    """A call that is measured where its result is taken; everything else is the call's own."""

    __slots__ = ("_call", "_invoke", "_observe", "_repeatable", "_started", "_timeout")

    def __init__(
        self, invoke: Callable[..., Any], timeout: float | None, *, observe: Observe, repeatable: bool
    ) -> None:
        self._started = time.perf_counter()
        self._invoke = invoke
        self._timeout = timeout
        self._observe = observe
        self._repeatable = repeatable
        self._call = invoke(timeout=timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def _ended(self, code: str) -> None:
        self._observe(code, time.perf_counter() - self._started)


class _Unary(_Measured):
    __slots__ = ()

    kind = "unary_unary"

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            response = yield from self._call.__await__()
        except grpc.aio.AioRpcError as error:
            if self._repeatable and error.code() is grpc.StatusCode.CANCELLED:
                return (yield from self._repeated().__await__())
            self._ended(error.code().name)
            raise
        except asyncio.CancelledError:
            self._ended("CANCELLED")
            raise
        self._ended("OK")
        return response

    def _repeated(self) -> "_Unary":
        """The same call, once more.

        A call that reaches a server in the moment it stops is cancelled by gRPC there, before any handler saw it; no
        handler of ours says CANCELLED. gRPC itself repeats UNAVAILABLE only, so this is where a drain stays unnoticed.
        """
        left = None if self._timeout is None else self._timeout - (time.perf_counter() - self._started)
        return _Unary(self._invoke, left, observe=self._observe, repeatable=False)


class _Collecting(_Unary):
    """Its requests are an iterator, and cannot be sent twice."""

    __slots__ = ()

    kind = "stream_unary"


class _Stream(_Measured):
    __slots__ = ("_responses",)

    kind = "unary_stream"

    def __aiter__(self) -> AsyncIterator[Any]:
        self._responses = aiter(self._call)
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._responses)
        except StopAsyncIteration:
            self._ended("OK")
            raise
        except grpc.aio.AioRpcError as error:
            self._ended(error.code().name)
            raise
        except asyncio.CancelledError:
            self._ended("CANCELLED")
            raise


class _Chatting(_Stream):
    __slots__ = ()

    kind = "stream_stream"


def expired(why: str) -> grpc.aio.AioRpcError:
    """The deadline passed on our side."""
    return grpc.aio.AioRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, grpc.aio.Metadata(), grpc.aio.Metadata(), details=why
    )
