"""Where do calls of the same process enter a server, and what does its handler see of them?"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from kit.errors import CROWDED

Code = grpc.StatusCode
Pairs = Iterable[tuple[str, str | bytes]]


def failed(code: Code, details: str, *, trailing: Pairs = ()) -> grpc.aio.AioRpcError:
    """What a caller sees of a call that did not succeed."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details=details)


@dataclass(frozen=True, slots=True)
class Coders:
    """A stub's own, for one method."""

    request_serializer: Callable[[Any], bytes] = bytes
    response_deserializer: Callable[[bytes], Any] = bytes


class Door:
    """Where calls from within the process enter a server."""

    def __init__(self, handler: Callable[[str], Any], *, most_bytes: int, most_calls: int) -> None:
        self._handler = handler
        self._most_bytes = most_bytes
        self._most_calls = most_calls
        self._inside: set[asyncio.Task[Any]] = set()

    def enter(self, path: str) -> Any:
        """The handler, for the current task, which is now one of those that a drain waits for."""
        handler = self._handler(path)
        if handler is None:
            raise failed(Code.UNIMPLEMENTED, "Method not found!")
        if len(self._inside) >= self._most_calls:
            raise failed(Code.RESOURCE_EXHAUSTED, CROWDED)
        task = asyncio.current_task()
        if task is not None:
            self._inside.add(task)
            task.add_done_callback(self._inside.discard)
        return handler

    def carried(self, message: bytes) -> bytes:
        """The message, when it is not larger than it may be over the wire."""
        if len(message) > self._most_bytes:
            raise failed(Code.RESOURCE_EXHAUSTED, f"message larger than max ({len(message)} vs. {self._most_bytes})")
        return message

    async def close(self, grace_seconds: float) -> None:
        """Lets calls end within the grace, and cancels the rest."""
        if self._inside:
            await asyncio.wait(self._inside, timeout=grace_seconds)
        for call in list(self._inside):
            call.cancel()


@dataclass(frozen=True, slots=True)
class Way:
    """To one method of a service: how to find its door, and who ends its calls with the channel."""

    path: str
    coders: Coders
    find: Callable[[bool], Coroutine[Any, Any, Door | None]]
    keep: Callable[["asyncio.Task[None]"], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, as its caller made it."""

    path: str
    coders: Coders
    request: Any


class Context:
    """What a handler is given, as far as guarded handlers use it."""

    def __init__(self, metadata: Pairs, ends_at: float | None) -> None:
        self._metadata = tuple(metadata)
        self._ends_at = ends_at
        self._trailing: Pairs = ()
        self._undelivered = False
        self._when_done: list[Callable[[Context], None]] = []
        self.failure: grpc.aio.AioRpcError | None = None

    def invocation_metadata(self) -> Pairs:
        return self._metadata

    def time_remaining(self) -> float | None:
        return None if self._ends_at is None else max(self._ends_at - time.monotonic(), 0.0)

    def set_trailing_metadata(self, trailing: Pairs) -> None:
        self._trailing = trailing

    def trailing_metadata(self) -> Pairs:
        return self._trailing

    def add_done_callback(self, callback: Callable[["Context"], None]) -> None:
        self._when_done.append(callback)

    def cancelled(self) -> bool:
        """True when the call ended before its answer reached the caller."""
        return self._undelivered

    def finish(self, *, undelivered: bool) -> None:
        """Tells those who asked that the call is over."""
        self._undelivered = undelivered
        for callback in self._when_done:
            callback(self)

    def auth_context(self) -> dict[str, tuple[bytes, ...]]:
        return {}

    def peer(self) -> str:
        return "local"

    async def abort(self, code: Code, details: str = "", *, trailing_metadata: Pairs = ()) -> NoReturn:
        self.failure = failed(code, details, trailing=trailing_metadata or self._trailing)
        raise grpc.aio.AbortError
