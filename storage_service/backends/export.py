"""What do we keep about a person? All of it, as JSON lines, each saying what kind of row it is."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

import orjson
from sqlmodel import SQLModel, col

from parley.storage.v1 import privacy_service_pb2 as pb
from storage_service.backends import footprint, media
from storage_service.backends.footprint import Footprint
from storage_service.backends.payloads import Payloads
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Attempt, Delivery, Message, QueueEntry, RawPayload, Receipt, Turn

CHUNK_BYTES = 64 * 1024


class Export:
    """Streams what is kept about contacts."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._bodies = Payloads(sessions)

    async def chunks(self, request: pb.ExportContactRequest, actor: str) -> AsyncGenerator[bytes, None]:
        """Notes in the audit that it was asked for, then gives it, at most 64 KiB at a time."""

        async def begin(rows: Rows) -> Footprint:
            found = await footprint.find(rows, request.contact_id)
            await rows.note("contact.export", "contact", row_id=request.contact_id)
            return found

        found = await self._sessions.write(Who(request.tenant_id, actor), begin)
        pending = b""
        async for line in self._lines(request.tenant_id, found):
            pending += line
            while len(pending) >= CHUNK_BYTES:
                yield pending[:CHUNK_BYTES]
                pending = pending[CHUNK_BYTES:]
        if pending:
            yield pending

    async def _lines(self, tenant_id: str, found: Footprint) -> AsyncIterator[bytes]:
        for row in (found.contact, *found.identities, *found.conversations):
            yield _line(row)
        for conversation in found.conversations:
            async with self._sessions.read(tenant_id) as rows:
                turns = await rows.all(rows.select(Turn).where(col(Turn.conversation_id) == conversation.id))
                theirs = rows.select(QueueEntry).where(col(QueueEntry.conversation_id) == conversation.id)
                entries = await rows.all(theirs.order_by(col(QueueEntry.id)))
            for line in _each([*turns, *entries]):
                yield line
            async for page in footprint.messages(self._sessions, tenant_id, conversation_id=conversation.id):
                async for line in self._page(tenant_id, page):
                    yield line
            async for line in self._payloads(tenant_id, conversation.id):
                yield line
            files = media.of_conversation(self._sessions, tenant_id, conversation_id=conversation.id)
            async for row in files:
                yield _line(row)
        for start in range(0, len(found.elsewhere), footprint.PAGE):
            ids = found.elsewhere[start : start + footprint.PAGE]
            async with self._sessions.read(tenant_id) as rows:
                messages = await rows.all(rows.select(Message).where(col(Message.id).in_(ids)))
            for line in _each(messages):
                yield line
            async for row in media.of_messages(self._sessions, tenant_id, message_ids=ids):
                yield _line(row)
        async for line in self._loose(tenant_id, found.contact.id):
            yield line

    async def _page(self, tenant_id: str, page: Sequence[Message]) -> AsyncIterator[bytes]:
        ids = [message.delivery_id for message in page if message.delivery_id]
        async with self._sessions.read(tenant_id) as rows:
            deliveries = await rows.all(rows.select(Delivery).where(col(Delivery.id).in_(ids)))
            attempts = await rows.all(rows.select(Attempt).where(col(Attempt.delivery_id).in_(ids)))
            receipts = await rows.all(rows.select(Receipt).where(col(Receipt.delivery_id).in_(ids)))
        for line in _each([*page, *deliveries, *attempts, *receipts]):
            yield line

    async def _loose(self, tenant_id: str, contact_id: str) -> AsyncIterator[bytes]:
        """Bodies that name them, of which nobody made a message. What came with the messages of others is theirs."""
        async with self._sessions.read(tenant_id) as rows:
            names = await footprint.names(rows, contact_id)
        async for ids in self._bodies.naming(tenant_id, names, loose=True):
            async with self._sessions.read(tenant_id) as rows:
                page = await rows.all(rows.select(RawPayload).where(col(RawPayload.id).in_(ids)))
            for line in _each(page):
                yield line

    async def _payloads(self, tenant_id: str, conversation_id: str) -> AsyncIterator[bytes]:
        after = ""
        while True:
            async with self._sessions.read(tenant_id) as rows:
                theirs = rows.select(RawPayload).where(col(RawPayload.conversation_id) == conversation_id)
                next_few = theirs.where(col(RawPayload.id) > after).order_by(col(RawPayload.id)).limit(10)
                page = await rows.all(next_few)
            if not page:
                return
            for line in _each(page):
                yield line
            after = page[-1].id


def _each(rows: Sequence[SQLModel]) -> Iterator[bytes]:
    return (_line(row) for row in rows)


def _line(row: SQLModel) -> bytes:
    kind = type(row).__name__
    shown = row.model_dump(exclude={"put_aside_by"})  # who of the team did something is not the contact's
    return orjson.dumps({"kind": kind, **shown}, default=_readable, option=orjson.OPT_APPEND_NEWLINE)


def _readable(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
