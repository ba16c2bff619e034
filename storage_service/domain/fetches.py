"""What does storage do for those who fetch attachments?"""

from collections.abc import Sequence

from kit.errors import ParleyError
from parley.storage.v1 import media_service_pb2 as pb
from storage_service.domain import media_work
from storage_service.domain.asks import Ask
from storage_service.domain.database import Database, HotRows
from storage_service.domain.inbox import seconds_until
from storage_service.domain.lessor import Filled, Lessor
from storage_service.domain.turns import Done
from storage_service.domain.wakeups import Wakeups


class Fetches:
    """Hands out attachments to fetch, and notes what became of them."""

    def __init__(self, database: Database, *, wakeups: Wakeups) -> None:
        self._database = database
        bell, others = wakeups.fetches, database.living_others
        self.waiting = Lessor[pb.LeasedFetch](self._fill, self._give_back, bell=bell, others=others)

    async def close(self) -> None:
        await self.waiting.stop()

    async def lease(self, ask: Ask, wait_seconds: float) -> list[pb.LeasedFetch]:
        return await self.waiting.lease(ask, wait_seconds)

    async def append(self, request: pb.AppendMediaRequest) -> ParleyError | None:
        return await self._database.run("media", lambda rows: media_work.append(rows, request))

    async def end(self, request: pb.EndFetchRequest) -> Done:
        return await self._database.run("media", lambda rows: media_work.end(rows, request))

    async def _fill(self, asks: Sequence[Ask]) -> Filled[pb.LeasedFetch]:
        async def work(rows: HotRows) -> Filled[pb.LeasedFetch]:
            given = await media_work.lease(rows, asks)
            due_at = None if any(given) else await rows.media.next_due()
            return Filled(given, seconds_until(due_at, rows.now))

        return await self._database.run("media", work)

    async def _give_back(self, worker_id: str, given: Sequence[pb.LeasedFetch]) -> None:
        await self._database.run("media", lambda rows: media_work.give_back(rows, given, worker_id=worker_id))
