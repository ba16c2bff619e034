"""Who waits for a human, and what becomes of an entry of the queue when the owner changes?"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col

from parley.storage.v1 import conversation_change_pb2 as pb
from storage_service.backends import mapping
from storage_service.backends.rows import Rows, after
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation, QueueEntry
from storage_service.backends.tables.hand_offs import WAITING
from storage_service.domain import hand_offs, paging


class HandOffs:
    """The queue of each tenant."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list(self, request: pb.ListQueueRequest) -> pb.ListQueueResponse:
        """The one that is due first first."""
        query = (request.tenant_id, "queue", request.all)
        most, order = paging.size(request.page_size), (QueueEntry.due_at, QueueEntry.id)
        place = paging.place(request.page_token, [datetime, str], query=query)
        async with self._sessions.read(request.tenant_id) as rows:
            statement = rows.select(QueueEntry).order_by(*(col(each) for each in order)).limit(most + 1)
            if not request.all:
                # The literal lets both databases use the partial index.
                statement = statement.where(text(WAITING))
            if place:
                statement = statement.where(after(order, place))
            found = await rows.all(statement)
        page, following = paging.cut(
            found, most, key=lambda row: (row.due_at, row.id), query=query, weigh=lambda row: len(row.summary.encode())
        )
        return pb.ListQueueResponse(entries=map(mapping.queue_entry, page), next_page_token=following)


async def follow(rows: Rows, lane: Conversation) -> None:
    """What a change of owner by a human does to the queue. The lane, which is locked, has its new owner already."""
    mine = rows.update(QueueEntry).where(
        col(QueueEntry.conversation_id) == lane.id, col(QueueEntry.closed_at).is_(None)
    )
    if lane.owner == "human":
        await rows.change(mine.where(col(QueueEntry.taken_at).is_(None)).values(taken_at=rows.now))
        return
    await rows.change(mine.values(closed_at=rows.now))
    if lane.owner == "queue":
        entry = QueueEntry(
            tenant_id=rows.tenant_id,
            id=rows.new_id(),
            conversation_id=lane.id,
            reason=hand_offs.OPERATOR_ASKED,
            created_at=rows.now,
            due_at=rows.now + hand_offs.DUE_IN,
        )
        await rows.add(entry)


async def quote_no_more(rows: Rows, beside: Mapping[str, datetime]) -> None:
    """Somebody is erased who wrote in these conversations of others since then: what was passed on may quote them."""
    for conversation_id, since in beside.items():
        theirs = rows.update(QueueEntry).where(col(QueueEntry.conversation_id) == conversation_id)
        await rows.change(theirs.where(col(QueueEntry.created_at) >= since).values(summary=""))


async def forget(rows: Rows, lane: Conversation) -> None:
    """The contact is erased: nobody waits any more, and nothing says what for."""
    theirs = rows.update(QueueEntry).where(col(QueueEntry.conversation_id) == lane.id)
    await rows.change(theirs.where(col(QueueEntry.closed_at).is_(None)).values(closed_at=rows.now))
    await rows.change(theirs.values(summary=""))
