"""How are many asks answered over one stream? Each is a task of its own, and what is ready leaves in the next frame.

No timer: an answer that comes when nothing is on its way leaves at once, and the busier it gets the larger the frames.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial

from kit import correlation, deadlines, logs, metrics, tracing
from kit.errors import Internal, InvalidField, ModelBusy, ParleyError, as_item
from kit.moments import seconds
from kit.tasks import cancel
from llm_service.domain.bulkhead import RETRY_AFTER
from parley.llm.v1 import llm_service_pb2 as llm

Generate = Callable[[llm.GenerateRequest], Awaitable[llm.GenerateResponse]]

# More than any worker has hands for: what comes beyond would only be kept waiting.
MOST_UNDER_WAY = 1024
# What one frame holds: of asks by the contract, and of bytes so that it stays well below the largest message.
MOST_ANSWERS, MOST_BYTES = 256, 1024 * 1024


class Exchange:
    """The asks of one stream, from their arrival to their answers."""

    def __init__(self, generate: Generate, ending: asyncio.Event) -> None:
        self._generate = generate
        self._ending = ending
        self._tasks: dict[int, asyncio.Task[llm.GenerateResponse]] = {}
        self._ready: list[llm.Answer] = []
        self._changed = asyncio.Event()
        self._observe = metrics.frame_size.labels(frames="llm.answers").observe
        self._log = logs.get("llm")

    async def frames(
        self, requests: AsyncIterator[llm.GenerateManyRequest]
    ) -> AsyncGenerator[llm.GenerateManyResponse, None]:
        """Answers until the requests end, or the service does; what was taken is answered first."""
        reading = asyncio.create_task(self._read(requests))
        ending = asyncio.create_task(self._ending.wait())
        reading.add_done_callback(self._wake)
        ending.add_done_callback(lambda _: reading.cancel())
        try:
            while self._ready or self._tasks or not reading.done():
                if reading.done() and not reading.cancelled():
                    reading.result()
                if self._ready:
                    yield self._frame()
                    continue
                self._changed.clear()
                await self._changed.wait()
            if not reading.cancelled():
                reading.result()
        finally:
            await cancel(reading, ending, *self._tasks.values())

    async def _read(self, requests: AsyncIterator[llm.GenerateManyRequest]) -> None:
        async for request in requests:
            for ask in request.asks:
                self._take(ask)
            for number in request.cancelled:
                if task := self._tasks.pop(number, None):
                    task.cancel()

    def _take(self, ask: llm.Ask) -> None:
        if ask.id in self._tasks:
            raise InvalidField([("asks.id", "is under way already")])
        if len(self._tasks) >= MOST_UNDER_WAY:
            self._put(llm.Answer(id=ask.id, error=as_item(ModelBusy(retry_after=RETRY_AFTER))))
            return
        task = self._tasks[ask.id] = asyncio.create_task(self._answer(ask))
        task.add_done_callback(partial(self._settle, ask.id))

    async def _answer(self, ask: llm.Ask) -> llm.GenerateResponse:
        """In a task of its own, so that what is bound here ends with it."""
        correlation.bind(correlation.accept(ask.correlation_id), tenant=ask.request.tenant_id)
        deadlines.bind(deadlines.within(seconds(ask.timeout)) or 0.0)
        with tracing.linked_span("generate", ask.traceparent):
            try:
                return await self._generate(ask.request)
            except ParleyError:
                raise
            except Exception as error:  # A fault of ours is this ask's alone, and the log has it under its id.
                self._log.error("ask.broken", exc_info=error)
                raise Internal from error

    def _settle(self, number: int, task: "asyncio.Task[llm.GenerateResponse]") -> None:
        if self._tasks.get(number) is task:
            del self._tasks[number]
        if task.cancelled():
            self._wake()
            return
        error = task.exception()
        if error is None:
            self._put(llm.Answer(id=number, response=task.result()))
        else:
            self._put(llm.Answer(id=number, error=as_item(error if isinstance(error, ParleyError) else Internal())))

    def _put(self, answer: llm.Answer) -> None:
        self._ready.append(answer)
        self._wake()

    def _wake(self, _done: object = None) -> None:
        self._changed.set()

    def _frame(self) -> llm.GenerateManyResponse:
        size = many = 0
        for answer in self._ready[:MOST_ANSWERS]:
            size += answer.ByteSize()
            if many and size > MOST_BYTES:
                break
            many += 1
        frame = llm.GenerateManyResponse(answers=self._ready[:many])
        del self._ready[:many]
        self._observe(many)
        return frame
