"""Which bodies, kept as they came, name a person? No index knows: all that may are looked at, a few at a time.

What a body was kept for does not tell. One brings messages of several people, some of them again; another holds what
nobody reads; a provider posts for several accounts at once.
"""

from asyncio import get_running_loop, sleep
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import and_, case
from sqlmodel import col

from kit.ids import earliest_id
from storage_service.backends.footprint import Names
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Message, RawPayload
from storage_service.domain.mentions import Mentions

AT_ONCE = 200
# A body may be written this long after its id was made: hot work takes 10 s at most, and replicas' clocks differ.
LATE = timedelta(seconds=20)


class Payloads:
    """Looks at bodies. After each few it leaves the database to others for as long as that took."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def drop(self, who: Who, names: Names) -> str:
        """Those that name them. Behind the id that it returns others may have come in by now: see drop_rest."""
        behind = ""
        for _ in range(2):  # The second look is at what came in during the first, and so is short.
            began = self._sessions.now()
            async for ids in self.naming(who.tenant_id, names, behind=behind):
                await self._sessions.write(who, partial(_drop, ids=ids))
            behind = earliest_id(began - LATE)
        return behind

    async def naming(
        self, tenant_id: str, names: Names, *, behind: str = "", loose: bool = False
    ) -> AsyncIterator[Sequence[str]]:
        """The ids of those that name them; of loose ones only, when asked so: those of nobody's conversation."""
        clock, mentions = get_running_loop().time, Mentions(names.names)
        while True:
            began = clock()
            async with self._sessions.read(tenant_id) as rows:
                page = await _next(rows, names, behind=behind, loose=loose)
            if found := _naming(page, mentions):
                yield found
            if len(page) < AT_ONCE:
                return
            behind = page[-1][0]
            await sleep(clock() - began)


async def drop_rest(rows: Rows, names: Names, *, behind: str) -> None:
    """The same within one transaction, of the few that are behind an id."""
    mentions = Mentions(names.names)
    while page := await _next(rows, names, behind=behind):
        await _drop(rows, ids=_naming(page, mentions))
        behind = page[-1][0]


async def forget(rows: Rows, messages: Sequence[Message]) -> None:
    """What these came in. A body names one conversation, and may carry messages of several: it was written when they
    were."""
    written: set[datetime] = {message.created_at for message in messages}
    correlated = {message.correlation_id for message in messages if message.correlation_id}
    theirs = rows.delete(RawPayload).where(
        col(RawPayload.created_at).in_(written), col(RawPayload.correlation_id).in_(correlated)
    )
    await rows.change(theirs)


async def _next(rows: Rows, names: Names, *, behind: str, loose: bool = False) -> Sequence[tuple[str, bytes | None]]:
    """In the order of ids, so that each step is as short as any. A body that cannot name them is not read."""
    of_theirs = col(RawPayload.account_id).in_(sorted(names.accounts))
    may_name = and_(of_theirs, col(RawPayload.conversation_id) == "") if loose else of_theirs
    few = rows.select(RawPayload).where(col(RawPayload.id) > behind).order_by(col(RawPayload.id)).limit(AT_ONCE)
    return await rows.values(few, RawPayload.id, case((may_name, col(RawPayload.payload))))


def _naming(page: Sequence[tuple[str, bytes | None]], mentions: Mentions) -> list[str]:
    return [id_ for id_, payload in page if payload and mentions.are_in(payload)]


async def _drop(rows: Rows, *, ids: Sequence[str]) -> None:
    await rows.change(rows.delete(RawPayload).where(col(RawPayload.id).in_(ids)))
