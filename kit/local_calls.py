"""What is a call within one process? A task that runs the server's handler, and an object that behaves as gRPC's."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

Code = grpc.StatusCode
Pairs = Iterable[tuple[str, str | bytes]]

_WINDOW = 16  # responses of a stream that wait for their reader before the handler has to


def failed(code: Code, details: str, trailing: Pairs = ()) -> grpc.aio.AioRpcError:
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
            raise failed(Code.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")
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


class Context:
    """What a handler is given, as far as guarded handlers use it."""

    def __init__(self, metadata: Pairs, ends_at: float | None) -> None:
        self._metadata = tuple(metadata)
        self._ends_at = ends_at
        self._trailing: Pairs = ()
        self.failure: grpc.aio.AioRpcError | None = None

    def invocation_metadata(self) -> Pairs:
        return self._metadata

    def time_remaining(self) -> float | None:
        return None if self._ends_at is None else max(self._ends_at - time.monotonic(), 0.0)

    def set_trailing_metadata(self, trailing: Pairs) -> None:
        self._trailing = trailing

    def trailing_metadata(self) -> Pairs:
        return self._trailing

    def auth_context(self) -> dict[str, tuple[bytes, ...]]:
        return {}

    def peer(self) -> str:
        return "local"

    async def abort(self, code: Code, details: str = "", trailing_metadata: Pairs = ()) -> NoReturn:
        self.failure = failed(code, details, trailing_metadata or self._trailing)
        raise grpc.aio.AbortError


class Work:
    """One call under way: the handler's task, the deadline, and how it ended (a failure, None, or cancelled).

    It does not know the call object that the caller holds: when that is dropped, the work is cancelled.
    """

    def __init__(self, metadata: Pairs, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.ended: asyncio.Future[grpc.aio.AioRpcError | None] = loop.create_future()
        self.context = Context(metadata, None if timeout is None else time.monotonic() + timeout)
        self.responses: asyncio.Queue[Any] = asyncio.Queue()
        self._room = asyncio.Semaphore(_WINDOW)
        self._timer = None if timeout is None else loop.call_later(timeout, self._expire)
        self._task: asyncio.Task[None] | None = None
        self.ended.add_done_callback(self._clear)

    def start(self, finding: Coroutine[Any, Any, Door | None], path: str, coders: Coders, request: Any) -> Any:
        self._task = self.loop.create_task(self._run(finding, path, coders, request))
        return self._task

    async def take(self) -> Any:
        """The next response, or EOF when the call has ended."""
        response = await self.responses.get()
        self._room.release()
        return response

    def end(self, failure: grpc.aio.AioRpcError | None) -> None:
        if not self.ended.done():
            self.ended.set_result(failure)

    def _expire(self) -> None:
        self.end(failed(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    def _clear(self, _ended: object) -> None:
        self.responses.put_nowait(grpc.aio.EOF)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and not self._task.done():
            self._task.cancel()

    async def _run(self, finding: Coroutine[Any, Any, Door | None], path: str, coders: Coders, request: Any) -> None:
        try:
            door = await finding
            if door is None:
                raise failed(Code.UNAVAILABLE, "the service is not up")
            handler = door.enter(path)
            await self._serve(door, handler, coders, _received(door, handler, coders, request))
        except grpc.aio.AbortError:
            self.end(self.context.failure)
        except grpc.aio.AioRpcError as failure:
            self.end(failure)
        except asyncio.CancelledError:
            # Because the call ended before; or else the server is going away.
            self.end(failed(Code.UNAVAILABLE, "Cancelling all calls"))
            raise
        except (
            Exception
        ) as error:  # The coders are the caller's: a request of a wrong type fails its call, not the mesh.
            self.end(failed(Code.INTERNAL, f"{type(error).__name__} while the call was coded"))
        else:
            self.end(None)

    async def _serve(self, door: Door, handler: Any, coders: Coders, request: Any) -> None:
        behavior = getattr(handler, _KINDS[handler.request_streaming, handler.response_streaming])
        encode, decode = handler.response_serializer, coders.response_deserializer
        if not handler.response_streaming:
            response = await behavior(request, self.context)
            self.responses.put_nowait(decode(door.carried(encode(response))))
            return
        async for response in behavior(request, self.context):
            await self._room.acquire()
            self.responses.put_nowait(decode(door.carried(encode(response))))


class _Call:
    """What the caller holds."""

    def __init__(
        self,
        channel: Any,
        path: str,
        coders: Coders,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Pairs | None = None,
        wait_for_ready: bool | None = None,
        **_unused: Any,
    ) -> None:
        self._work = Work(metadata or (), timeout)
        channel.keep(self._work.start(channel.find(bool(wait_for_ready)), path, coders, request))

    def __del__(self) -> None:
        if not self._work.ended.done() and not self._work.loop.is_closed():
            self._work.ended.cancel()

    def cancel(self) -> bool:
        """Ends the call, and its handler."""
        return self._work.ended.cancel()

    def cancelled(self) -> bool:
        return self._work.ended.cancelled()

    def done(self) -> bool:
        return self._work.ended.done()

    def time_remaining(self) -> float | None:
        return self._work.context.time_remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._work.ended.add_done_callback(lambda _: callback(self))

    async def code(self) -> Code:
        failure = await self._outcome()
        return Code.OK if failure is None else failure.code()

    async def details(self) -> str:
        failure = await self._outcome()
        return "" if failure is None else failure.details() or ""

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        failure = await self._outcome()
        trailing = self._work.context.trailing_metadata() if failure is None else failure.trailing_metadata()
        return grpc.aio.Metadata(*(trailing or ()))

    async def _outcome(self) -> grpc.aio.AioRpcError | None:
        await asyncio.wait([self._work.ended])
        if self._work.ended.cancelled():
            return failed(Code.CANCELLED, "Locally cancelled by application!")
        return self._work.ended.result()


class UnaryCall(_Call):
    """One response."""

    def __await__(self) -> Generator[Any, None, Any]:
        # Who is cancelled here cancels the future that it waits for, and with it the work.
        failure = yield from self._work.ended
        if failure is not None:
            raise failure
        return self._work.responses.get_nowait()


class StreamCall(_Call):
    """Many responses."""

    def __aiter__(self) -> "StreamCall":
        return self

    async def __anext__(self) -> Any:
        response = await self.read()
        if response is grpc.aio.EOF:
            raise StopAsyncIteration
        return response

    async def read(self) -> Any:
        """The next response, or EOF."""
        if self.cancelled():
            raise asyncio.CancelledError
        try:
            response = await self._work.take()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if response is grpc.aio.EOF:
            self._work.responses.put_nowait(response)  # Whoever asks again is told again.
            failure = self._work.ended.result()
            if failure is not None:
                raise failure
        return response


def _received(door: Door, handler: Any, coders: Coders, request: Any) -> Any:
    """What the handler gets: the caller's request, or requests, after a way through bytes."""
    encode, decode = coders.request_serializer, handler.request_deserializer
    if not handler.request_streaming:
        return decode(door.carried(encode(request)))

    async def each() -> AsyncIterator[Any]:
        if hasattr(request, "__aiter__"):
            async for message in request:
                yield decode(door.carried(encode(message)))
        else:
            for message in request or ():
                yield decode(door.carried(encode(message)))

    return each()


_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
