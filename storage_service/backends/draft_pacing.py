"""May a draft be shown in a chat where it counts among what may be sent? Only out of what no reply has used."""

from datetime import timedelta

from sqlmodel import col

from parley.storage.v1.pacing_pb2 import Pacing
from storage_service.backends.rows import Rows
from storage_service.backends.tables import Conversation, Pace
from storage_service.domain.pace import FIRST_ALLOWED, explained, taken


async def wait(rows: Rows, lane: Conversation, *, pacing: Pacing) -> timedelta | None:
    """None, and it is counted as a send is; else how long until everything that may be sent at once is free again.

    The conversation is locked. What several share is locked here, after it, as senders' records lock it.
    """
    if not pacing.chat.interval_micros:
        return None
    place = await _shared(rows, lane, recipient=pacing.recipient) if pacing.recipient else None
    free_at = explained(lane.chat_free_at if place is None else place.free_at, pacing.chat, now=rows.now)
    if free_at is not None and free_at > rows.now:
        return free_at - rows.now
    after = taken(free_at, pacing.chat, at=rows.now)
    if place is None:
        lane.chat_free_at = after
    else:
        place.free_at, place.begun_at = after, rows.now
    await rows.flush()
    return None


async def _shared(rows: Rows, lane: Conversation, *, recipient: str) -> Pace:
    """The group's, whose topics are conversations."""
    theirs = col(Pace.account_id) == lane.account_id, col(Pace.recipient) == recipient
    found = await rows.first(rows.select(Pace).where(*theirs), lock=True)
    if found is None:
        found = Pace(tenant_id=rows.tenant_id, account_id=lane.account_id, recipient=recipient, allowed=FIRST_ALLOWED)
        await rows.add(found)
    return found
