"""What is a call within one process? A task that runs the server's handler, and an object that behaves as gRPC's."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

import grpc

from kit.local_doors import Asked, Code, Context, Door, Pairs, Way, failed

_WINDOW = 16  # responses of a stream that wait for their reader before the handler has to


class Work:
    """One call under way: the handler's task, the deadline, and how it ended (a failure, None, or cancelled).

    It does not know the call object that the caller holds: when that is dropped, the work is cancelled.
    """

    def __init__(self, metadata: Pairs, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.ended: asyncio.Future[grpc.aio.AioRpcError | None] = loop.create_future()
        self.context = Context(metadata, None if timeout is None else time.monotonic() + timeout)
        self.response: Any = None
        self._timer = None if timeout is None else loop.call_later(timeout, self._expire)
        self._task: asyncio.Task[None] | None = None
        self.ended.add_done_callback(self._clear)

    def start(self, finding: Coroutine[Any, Any, Door | None], asked: Asked) -> "asyncio.Task[None]":
        self._task = self.loop.create_task(self._run(finding, asked))
        return self._task

    def end(self, failure: grpc.aio.AioRpcError | None) -> None:
        if not self.ended.done():
            self.ended.set_result(failure)

    def _expire(self) -> None:
        self.end(failed(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    def _clear(self, ended: "asyncio.Future[grpc.aio.AioRpcError | None]") -> None:
        self.context.finish(undelivered=ended.cancelled() or ended.result() is not None)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and not self._task.done():
            self._task.cancel()

    async def _run(self, finding: Coroutine[Any, Any, Door | None], asked: Asked) -> None:
        try:
            door = await finding
            if door is None:
                raise failed(Code.UNAVAILABLE, "the service is not up")
            await self._serve(door, door.enter(asked.path), asked=asked)
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

    async def _serve(self, door: Door, handler: Any, *, asked: Asked) -> None:
        request = _received(door, handler, asked=asked)
        response = await _behavior(handler)(request, self.context)
        sent = door.carried(handler.response_serializer(response))
        self.response = asked.coders.response_deserializer(sent)


class StreamWork(Work):
    """A call with many responses, of which a few wait for their reader."""

    def __init__(self, metadata: Pairs, timeout: float | None) -> None:
        super().__init__(metadata, timeout)
        self.responses: asyncio.Queue[Any] = asyncio.Queue()
        self._room = asyncio.Semaphore(_WINDOW)

    async def take(self) -> Any:
        """The next response, or EOF when the call has ended."""
        response = await self.responses.get()
        self._room.release()
        return response

    def _clear(self, ended: "asyncio.Future[grpc.aio.AioRpcError | None]") -> None:
        super()._clear(ended)
        self.responses.put_nowait(grpc.aio.EOF)

    async def _serve(self, door: Door, handler: Any, *, asked: Asked) -> None:
        request = _received(door, handler, asked=asked)
        encode, decode = handler.response_serializer, asked.coders.response_deserializer
        async for response in _behavior(handler)(request, self.context):
            await self._room.acquire()
            self.responses.put_nowait(decode(door.carried(encode(response))))


class _Call:
    """What the caller holds."""

    _kind: type[Work] = Work

    def __init__(
        self,
        way: Way,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Pairs | None = None,
        wait_for_ready: bool | None = None,
        **_unused: Any,
    ) -> None:
        self._work = self._kind(metadata or (), timeout)
        asked = Asked(way.path, way.coders, request)
        way.keep(self._work.start(way.find(bool(wait_for_ready)), asked))

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
        return self._work.response


class StreamCall(_Call):
    """Many responses."""

    _kind = StreamWork
    _work: StreamWork

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


def _received(door: Door, handler: Any, *, asked: Asked) -> Any:
    """What the handler gets: the caller's request, or requests, after a way through bytes."""
    request, encode, decode = asked.request, asked.coders.request_serializer, handler.request_deserializer
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


def _behavior(handler: Any) -> Any:
    return getattr(handler, _KINDS[handler.request_streaming, handler.response_streaming])


_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
