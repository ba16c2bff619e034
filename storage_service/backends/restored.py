"""What was open in a backup that came back? It has been done since, as far as anybody knows, so it ends here.

Else people would be answered a second time: the first worker that asks takes up the turns and the texts that waited, or
were on their way, when the backup was made.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sqlalchemy import or_
from sqlmodel import col, select

from kit.ids import new_id
from kit.moments import utc_now
from storage_service.backends import lanes
from storage_service.backends.engines import open_engine
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation, Tenant, Turn

ACTOR, REASON = "restore", "restored"
AT_ONCE = 200


class Ended(NamedTuple):
    """How much that was."""

    turns: int = 0
    deliveries: int = 0


async def end_open_work(url: str, *, progress: Callable[[Ended], None]) -> Ended:
    """Of all tenants. Nothing may be at work on the database meanwhile. Stopped half-way and begun again, it goes on
    where it was."""
    sessions = Sessions(open_engine(url, pool_size=1), now=utc_now, new_id=new_id)
    try:
        return await _end(sessions, progress)
    finally:
        await sessions.close()


async def _end(sessions: Sessions, progress: Callable[[Ended], None]) -> Ended:
    async with sessions.across_tenants() as session:
        tenants = (await session.exec(select(Tenant.id).order_by(col(Tenant.id)))).all()
    ended = Ended()
    for tenant_id in tenants:
        last: str | None = ""
        while last is not None:
            page, last = await sessions.write(Who(tenant_id, ACTOR), partial(_end_some, after=last))
            ended = Ended(ended.turns + page.turns, ended.deliveries + page.deliveries)
            progress(ended)
    return ended


async def _end_some(rows: Rows, *, after: str) -> tuple[Ended, str | None]:
    """Of some conversations, and the last of them; None when there are no more."""
    busy = or_(
        col(Conversation.waiting_turn_id).is_not(None),
        col(Conversation.running_turn_id).is_not(None),
        col(Conversation.open_deliveries) > 0,
    )
    found = rows.select(Conversation).where(col(Conversation.id) > after, busy)
    page = await rows.all(found.order_by(col(Conversation.id)).limit(AT_ONCE), lock=True)
    turns = deliveries = 0
    for lane in page:
        turns += await _end_turns(rows, lane)
        deliveries += await lanes.drop_deliveries(rows, lane, reason=REASON, state="unknown")
    if turns or deliveries:
        await rows.note("work.end", "tenant", row_id=rows.tenant_id, turns=turns, deliveries=deliveries)
    return Ended(turns, deliveries), page[-1].id if page else None


async def _end_turns(rows: Rows, lane: Conversation) -> int:
    """Whoever held one is of another time."""
    if lane.running_turn_id:
        running = await rows.named(Turn, lane.running_turn_id)
        running.state, running.epoch = "returned", running.epoch + 1
        running.expires_at, running.worker_id = None, ""
        await rows.flush()
    return len(await lanes.drop_waiting_turn(rows, lane, reason=REASON))
