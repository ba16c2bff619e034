"""What when a model takes longer to load than anybody waits? It is loaded beside the calls, which all end before it.

Ollama ends a load together with the call that began it, so that each message would begin it from zero.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial

from kit import logs
from kit.errors import ParleyError
from llm_service.domain.backend import Model
from llm_service.domain.breaker import Breaker

MOST_AT_ONCE = 4
# Ollama itself gives up a load that gets nowhere for five minutes.
MOST_SECONDS = 900.0
# A model that is there sooner was in memory already, and something else kept it from answering.
LOADED_SECONDS = 1.0

Load = Callable[[Model], Awaitable[None]]


class Loads:
    """Of one backend: at most one of a model, and a few together."""

    def __init__(self, load: Load, *, backend: str, clock: Callable[[], float]) -> None:
        self._load, self._backend, self._clock = load, backend, clock
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False
        self._log = logs.get("llm")

    def begin(self, model: Model, breaker: Breaker) -> None:
        """Loads it, unless that is under way."""
        name = model.called
        if self._is_closed or name in self._under_way or len(self._under_way) >= MOST_AT_ONCE:
            return
        # In a context of its own: it is no part of the call that it begins after, whose deadline is over.
        task = asyncio.create_task(self._loaded(model, breaker), context=contextvars.Context())
        self._under_way[name] = task
        task.add_done_callback(partial(self._ended, name))

    async def aclose(self) -> None:
        """Ends those that are under way."""
        self._is_closed = True
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _loaded(self, model: Model, breaker: Breaker) -> None:
        began = self._clock()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self._load(model)
        except Exception as error:  # A backend is foreign code that reads what strangers wrote.
            reason = error.name if isinstance(error, ParleyError) else type(error).__name__
            self._log.warning("llm.not_loaded", backend=self._backend, model=model.name, reason=reason)
            return
        seconds = self._clock() - began
        if seconds >= LOADED_SECONDS:
            breaker.hurry()
            self._log.info("llm.loaded", backend=self._backend, model=model.name, seconds=round(seconds, 3))

    def _ended(self, name: str, _task: "asyncio.Task[None]") -> None:
        del self._under_way[name]
