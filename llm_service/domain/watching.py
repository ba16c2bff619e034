"""How does the service keep up with the world? It looks at its servers, and at models.toml, again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from kit import logs, metrics
from llm_service.domain.catalogue import Catalogue, CatalogueError
from llm_service.domain.choice import Choice


class Source(Protocol):
    """Where the catalogue is written down."""

    @property
    def name(self) -> str:
        """As it is called in what people read."""

    def changed(self) -> bool:
        """Whether it says something else than when it was last read."""

    def read(self) -> Catalogue:
        """What it says; CatalogueError when that is wrong."""


async def watch(
    choice: Choice,
    source: Source,
    *,
    every_seconds: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Looks now and again every few seconds, so that a server started later is picked up. Ends when cancelled."""
    while True:
        if source.changed():
            _follow(choice, source)
        await choice.look()
        await sleep(every_seconds)


async def stopping_or_fault(stopping: Awaitable[None], looking: "asyncio.Task[None]") -> None:
    """Returns when the service is to stop. A fault of ours that ends the looking ends the service: one that never looks
    again would seem well, and know nothing of what changes."""
    told = asyncio.ensure_future(stopping)
    try:
        await asyncio.wait((told, looking), return_when=asyncio.FIRST_COMPLETED)
        if looking.done():
            looking.result()
    finally:
        told.cancel()


def _follow(choice: Choice, source: Source) -> None:
    """A catalogue that is wrong changes nothing: the one before holds until it is mended."""
    log = logs.get("llm")
    try:
        choice.follow(source.read(), written=source.name)
    except CatalogueError as error:
        metrics.llm_reloads.labels(result="refused").inc()
        log.error("llm.models_refused", reason=str(error))
        return
    metrics.llm_reloads.labels(result="followed").inc()
    log.info("llm.models_followed")
