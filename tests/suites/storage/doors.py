"""The inbox and the outbox as their callers see them, on a database to which something may happen in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from kit.ids import new_id
from storage_service.domain.asks import Ask
from storage_service.domain.database import Database, HotRows, Kind
from storage_service.domain.inbox import Inbox
from storage_service.domain.outbox import Outbox
from storage_service.domain.pressure import Pressure
from storage_service.domain.wakeups import Bell
from tests.suites.storage.hot import LEASE, Store


class Interrupted:
    """A database before or after whose work of one kind something happens, before anybody hears of the result."""

    def __init__(self, database: Database, kind: Kind) -> None:
        self._database = database
        self._kind = kind
        self.first: Callable[[], Awaitable[Any]] = _nothing
        self.then: Callable[[], Any] = lambda: None
        self.runs: list[Kind] = []

    async def run(self, kind: Kind, work: Callable[[HotRows], Awaitable[Any]]) -> Any:
        self.runs.append(kind)
        if kind == self._kind:
            await self.first()
        result = await self._database.run(kind, work)
        if kind == self._kind:
            self.then()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


async def _nothing() -> None:
    pass


@asynccontextmanager
async def running(store: Store, database: Any = None, pressure: Pressure | None = None) -> AsyncIterator[Inbox]:
    inbox = an_inbox(store, database, pressure=pressure)
    loop = asyncio.create_task(inbox.turns.run())
    yield inbox
    await inbox.close()
    await loop


def an_inbox(
    store: Store, database: Any = None, *, outbox: Outbox | None = None, pressure: Pressure | None = None
) -> Inbox:
    outbox = outbox or Outbox(store.database, store.deliveries, wakeups=store.wakeups, new_id=new_id)
    return Inbox(
        database or store.database,
        store.acceptance,
        work=store.turns,
        pressure=pressure or Pressure(100, 100),
        wakeups=store.wakeups,
        deliveries=outbox.deliveries,
    )


def an_ask(worker: str = "w1", most: int = 10, history: int = 20) -> Ask:
    return Ask(worker, most, LEASE, history)


class Patient(Bell):
    """Is heard only when it rings: no poll stands in for it."""

    async def wait(self, timeout_seconds: float) -> bool:
        return await super().wait(3600)


class Noting(Bell):
    """Notes how long it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    async def wait(self, timeout_seconds: float) -> bool:
        self.asked.append(timeout_seconds)
        return await super().wait(timeout_seconds)
