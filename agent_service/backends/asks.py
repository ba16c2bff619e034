"""How do many asks share one stream to the model service? What is asked meanwhile travels together, without a timer.

A stream takes asks for half a minute, then the next one does, which may reach another replica; the old one ends when
its asks are answered. A stream that breaks fails its asks; one that the service ends by itself gives them back.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration

from kit import correlation, logs, metrics, tracing
from kit.errors import ModelTimeout, ModelUnavailable, ParleyError, Unreachable, from_item, from_rpc
from kit.moments import span
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub

STREAM_SECONDS = 30.0
# The longest ask of the contract: a stream must outlive the last one that it took.
MOST_ASK_SECONDS = 600.0
# What one frame holds: of asks by the contract, and of bytes so that it stays well below the largest message.
MOST_ASKS, MOST_CANCELLED, MOST_BYTES = 256, 4096, 1024 * 1024
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0

Sleep = Callable[[float], Awaitable[None]]
Reply = asyncio.Future[llm.GenerateResponse]


class NotBegun(Exception):
    """The service ended the stream before it took the ask, which may be asked again at no one's cost."""


class Asks:
    """Asks of one process, over one stream at a time."""

    def __init__(
        self, channel: grpc.aio.Channel, *, sleep: Sleep = asyncio.sleep, stream_seconds: float = STREAM_SECONDS
    ) -> None:
        self._stub = LlmServiceStub(channel)
        self._sleep = sleep
        self._stream_seconds = stream_seconds
        self._stream: _Stream | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)
        self._pause = FIRST_PAUSE_SECONDS
        self._log = logs.get("agent")

    async def ask(self, request: llm.GenerateRequest, *, seconds: float) -> llm.GenerateResponse:
        """The answer. Raises NotBegun, or the ParleyError that kept it from coming; cancelled, it ends the work."""
        seconds = min(seconds, MOST_ASK_SECONDS)
        if seconds <= 0:
            raise ModelTimeout
        number = next(self._ids)
        ask = _Ask(
            number,
            request,
            timeout=span(timedelta(seconds=seconds)),
            correlation_id=correlation.correlation_id.get(),
            traceparent=tracing.traceparent(),
        )
        stream = self._current()
        reply = stream.put(ask)
        timer = reply.get_loop().call_later(seconds, _late, reply)
        try:
            return await reply
        finally:
            timer.cancel()
            stream.leave(number)

    async def rest(self) -> None:
        """Waits before asking again, the longer the more streams ended one after the other without an answer."""
        await self._sleep(self._pause)

    async def close(self, grace_seconds: float = 1.0) -> None:
        """Lets what is asked be answered within the grace, and ends the rest. Nothing may be asked after it."""
        if self._stream is not None:
            self._stream.retire()
        if self._open:
            await asyncio.wait(self._open, timeout=grace_seconds)
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _current(self) -> "_Stream":
        if self._stream is None or self._stream.retired:
            self._stream = stream = _Stream()
            # An empty context: the stream belongs to no single asker, and must not inherit one's deadline.
            task = asyncio.get_running_loop().create_task(self._run(stream), context=Context())
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        return self._stream

    async def _run(self, stream: "_Stream") -> None:
        call = self._stub.GenerateMany(stream.frames(), timeout=self._stream_seconds + MOST_ASK_SECONDS)
        timer = asyncio.get_running_loop().call_later(self._stream_seconds, stream.retire)
        failure: Exception = ModelUnavailable("The stream to the model service was ended.")
        try:
            async for frame in call:
                stream.settle(frame)
                self._pause = FIRST_PAUSE_SECONDS
            failure = NotBegun()
        except grpc.aio.AioRpcError as error:
            failure = _meaning(error)
            self._log.debug("asks.broken", reason=error.code().name, asks=len(stream.replies))
        finally:
            timer.cancel()
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            stream.end(failure)
            call.cancel()


@dataclass(slots=True)
class _Ask:
    """What waits to be written into a frame, where it is copied for the only time."""

    id: int
    request: llm.GenerateRequest
    timeout: Duration
    correlation_id: str
    traceparent: str

    def put(self, frame: llm.GenerateManyRequest) -> None:
        frame.asks.add(
            id=self.id,
            timeout=self.timeout,
            request=self.request,
            correlation_id=self.correlation_id,
            traceparent=self.traceparent,
        )


class _Stream:
    """One stream: what waits to be sent, and who waits for an answer."""

    def __init__(self) -> None:
        self.replies: dict[int, Reply] = {}
        self.retired = False
        self._ended = False
        self._asks: dict[int, _Ask] = {}
        self._cancelled: list[int] = []
        self._changed = asyncio.Event()
        self._observe = metrics.frame_size.labels(frames="llm.asks").observe

    def put(self, ask: _Ask) -> Reply:
        reply = self.replies[ask.id] = asyncio.get_running_loop().create_future()
        self._asks[ask.id] = ask
        self._changed.set()
        return reply

    def leave(self, number: int) -> None:
        """Nobody waits for this ask any more. Unanswered, it is not sent, or else cancelled."""
        reply = self.replies.pop(number, None)
        if reply is not None and self._asks.pop(number, None) is None:
            self._cancelled.append(number)
        self._changed.set()

    def retire(self) -> None:
        """Takes no new asks, and ends after the last answer."""
        self.retired = True
        self._changed.set()

    def settle(self, frame: llm.GenerateManyResponse) -> None:
        for answer in frame.answers:
            reply = self.replies.pop(answer.id, None)
            if reply is None or reply.done():
                continue
            if answer.HasField("response"):
                reply.set_result(answer.response)
            else:
                reply.set_exception(from_item(answer.error))

    def end(self, failure: Exception) -> None:
        """No answer comes any more."""
        self.retired = self._ended = True
        self._changed.set()
        replies, self.replies = self.replies, {}
        for reply in replies.values():
            if not reply.done():
                reply.set_exception(failure)

    async def frames(self) -> AsyncIterator[llm.GenerateManyRequest]:
        """What is to be said, as soon as gRPC has taken what was said before."""
        while not self._ended:
            if self._asks or self._cancelled:
                yield self._frame()
            elif self.retired and not self.replies:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def _frame(self) -> llm.GenerateManyRequest:
        frame = llm.GenerateManyRequest(cancelled=self._cancelled[:MOST_CANCELLED])
        del self._cancelled[:MOST_CANCELLED]
        size = 0
        for number, ask in list(itertools.islice(self._asks.items(), MOST_ASKS)):
            size += ask.request.ByteSize()
            if frame.asks and size > MOST_BYTES:
                break
            self._asks.pop(number).put(frame)
        if frame.asks:
            self._observe(len(frame.asks))
        return frame


def _late(reply: Reply) -> None:
    if not reply.done():
        reply.set_exception(ModelTimeout())


def _meaning(error: grpc.aio.AioRpcError) -> ParleyError:
    """Whatever ended the stream under its asks, to them the service is away; but not if it refused what was sent."""
    failure = from_rpc(error, unavailable=ModelUnavailable)
    away = (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
    return ModelUnavailable() if isinstance(failure, Unreachable) or error.code() in away else failure
