"""What is kept too long? Raw payloads, and message texts when asked, go when they are older than they may be."""

from asyncio import get_running_loop, sleep
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import or_
from sqlmodel import col
from sqlmodel.sql.expression import SelectOfScalar

from kit.moments import seconds
from parley.storage.v1 import privacy_service_pb2 as pb
from storage_service.backends import media
from storage_service.backends.erasure import NOTHING_SAID
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import (
    Audit,
    Conversation,
    Delivery,
    Message,
    QueueEntry,
    RawPayload,
    Summary,
    Turn,
)
from storage_service.domain.words import OPEN_TURN

# Each transaction is short, and as long a pause follows: SQLite lets one write at a time, and whoever comes again at
# once before whoever waits.
AT_ONCE = 200


@dataclass(slots=True)
class _Removed:
    """What one call removed so far, and the audit's line that says so."""

    counts: dict[str, int]
    line_id: str = ""


class Retention:
    """Ends what is kept too long."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def apply(self, request: pb.ApplyRetentionRequest, actor: str) -> pb.ApplyRetentionResponse:
        who, now = Who(request.tenant_id, actor), self._sessions.now()
        removed = _Removed({"payloads": 0, "messages": 0})
        if request.HasField("raw_payloads"):
            await self._payloads(who, now - timedelta(seconds=seconds(request.raw_payloads)), removed=removed)
        if request.HasField("messages"):
            await self._messages(who, now - timedelta(seconds=seconds(request.messages)), removed=removed)
        if removed.line_id:
            await self._sessions.shed()
        counts = removed.counts
        return pb.ApplyRetentionResponse(raw_payloads=counts["payloads"], messages=counts["messages"])

    async def _payloads(self, who: Who, before: datetime, *, removed: _Removed) -> None:
        async def work(rows: Rows) -> int:
            old = rows.select(RawPayload).where(col(RawPayload.created_at) < before)
            ids = await rows.ids(old.order_by(col(RawPayload.created_at)).limit(AT_ONCE), RawPayload)
            return await rows.change(rows.delete(RawPayload).where(col(RawPayload.id).in_(ids)))

        while await self._bite(who, "payloads", work=work, removed=removed):
            continue

    async def _messages(self, who: Who, before: datetime, *, removed: _Removed) -> None:
        """Page by page in the order of ids, which is the order of time. What sums up resting conversations goes too."""
        last = ""
        while True:
            async with self._sessions.read(who.tenant_id) as rows:
                old = _old_texts(rows, before).where(col(Message.id) > last)
                ids = await rows.ids(old.order_by(col(Message.id)).limit(AT_ONCE), Message)
            if not ids:
                break
            await self._bite(who, "messages", work=partial(_empty, ids=ids), removed=removed)
            last = ids[-1]
        await self._sessions.write(who, partial(_drop_summary_jobs, before=before))
        await self._sessions.write(who, partial(_sum_up_no_more, before=before))
        await self._sessions.write(who, partial(_tell_no_more, before=before))

    async def _bite(self, who: Who, kind: str, *, work: Callable[[Rows], Awaitable[int]], removed: _Removed) -> int:
        """Leaves the database to others for as long as the work had it. The audit's line is written anew with each
        bite, so that it says what is gone when the call ends half-way, too."""

        async def noted(rows: Rows) -> tuple[_Removed, int]:
            gone = await work(rows)
            if not gone:
                return removed, 0
            await rows.change(rows.delete(Audit).where(col(Audit.id) == removed.line_id))
            counts = {**removed.counts, kind: removed.counts[kind] + gone}
            line_id = await rows.note("retention.apply", "tenant", row_id=who.tenant_id, **counts)
            return _Removed(counts, line_id), gone

        clock = get_running_loop().time
        began = clock()
        durable, gone = await self._sessions.write(who, noted)
        removed.counts, removed.line_id = durable.counts, durable.line_id
        await sleep(clock() - began)
        return gone


async def _empty(rows: Rows, *, ids: Sequence[str]) -> int:
    await media.forget_messages(rows, ids)
    return await rows.change(rows.update(Message).where(col(Message.id).in_(ids)).values(**NOTHING_SAID))


async def _sum_up_no_more(rows: Rows, *, before: datetime) -> int:
    """Neither by our summary, nor by a conversation in which a model server remembers what was said."""
    something = or_(col(Conversation.summary) != "", col(Conversation.model_conversation) != "")
    resting = rows.update(Conversation).where(col(Conversation.updated_at) < before, something)
    return await rows.change(resting.values(summary="", summary_seq=0, model_conversation=""))


async def _drop_summary_jobs(rows: Rows, *, before: datetime) -> int:
    """Of resting conversations: whoever holds one has read texts that are gone. Conversations are locked first."""
    jobs = rows.select(Summary).where(col(Summary.conversation_id) == col(Conversation.id))
    resting = rows.select(Conversation).where(col(Conversation.updated_at) < before, jobs.exists())
    held = await rows.all(resting.order_by(col(Conversation.id)), lock=True)
    return await rows.change(rows.delete(Summary).where(col(Summary.conversation_id).in_([each.id for each in held])))


async def _tell_no_more(rows: Rows, *, before: datetime) -> int:
    """What the queue says of conversations that no longer wait for a human."""
    told = rows.update(QueueEntry).where(col(QueueEntry.created_at) < before, col(QueueEntry.summary) != "")
    waits_no_more = or_(col(QueueEntry.taken_at).is_not(None), col(QueueEntry.closed_at).is_not(None))
    return await rows.change(told.where(waits_no_more).values(summary=""))


def _old_texts(rows: Rows, before: datetime) -> SelectOfScalar[Message]:
    """Texts that nobody needs any more: what is being answered or sent is not touched, however old."""
    something = or_(
        col(Message.text) != "", col(Message.attachments).is_not(None), col(Message.message_metadata).is_not(None)
    )
    answering = rows.select(Turn).where(col(Turn.id) == col(Message.turn_id), col(Turn.state).in_(OPEN_TURN))
    sending = rows.select(Delivery).where(
        col(Delivery.id) == col(Message.delivery_id), col(Delivery.state).in_(["queued", "sending"])
    )
    return rows.select(Message).where(
        col(Message.created_at) < before, something, ~answering.exists(), ~sending.exists()
    )
