"""Where are the bytes of attachments, for who reads them, who takes them along, and who wants them gone?"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from sqlmodel import SQLModel, col

from kit.errors import InvalidField, MediaExpired
from kit.moments import stamp
from parley.chat.v1.message_pb2 import ATTACHMENT_KIND_UNSUPPORTED, MEDIA_STATE_STORED, Attachment, AttachmentKind
from parley.storage.v1 import media_service_pb2 as pb
from storage_service.backends.rows import Rows, missing
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Media, MediaPiece
from storage_service.domain import media as documents


class StoredMedia:
    """Reads of media."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def get(self, request: pb.GetMediaRequest) -> AsyncGenerator[pb.GetMediaResponse, None]:
        """What is known of it, and then its bytes piece by piece. NotFound when there are none, MediaExpired when they
        are removed, be it meanwhile."""
        row = await self.require(request.tenant_id, request.media_id)
        known = pb.Media(
            id=row.id,
            tenant_id=row.tenant_id,
            conversation_id=row.conversation_id,
            message_id=row.message_id,
            media_type=row.media_type,
            file_name=json.loads(row.attachment).get("file_name", ""),
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            stored_at=stamp(row.ended_at or row.created_at),
        )
        yield pb.GetMediaResponse(media=known)
        given = 0
        async for piece in _pieces(self._sessions, request.tenant_id, media_id=row.id):
            yield pb.GetMediaResponse(content=piece.content)
            given += 1
        if given < row.pieces:
            raise MediaExpired

    async def require(self, tenant_id: str, media_id: str) -> Media:
        """What is stored. NotFound when nothing is, MediaExpired when it was."""
        async with self._sessions.read(tenant_id) as rows:
            return await _stored(rows, media_id)


async def of_conversation(sessions: Sessions, tenant_id: str, *, conversation_id: str) -> AsyncIterator[SQLModel]:
    """Every attachment of a conversation, each followed by its bytes."""
    async with sessions.read(tenant_id) as rows:
        found = await rows.all(rows.select(Media).where(col(Media.conversation_id) == conversation_id))
    async for row in _with_bytes(sessions, tenant_id, found=found):
        yield row


async def of_messages(sessions: Sessions, tenant_id: str, *, message_ids: Sequence[str]) -> AsyncIterator[SQLModel]:
    """The same of some messages."""
    async with sessions.read(tenant_id) as rows:
        found = await rows.all(rows.select(Media).where(col(Media.message_id).in_(message_ids)))
    async for row in _with_bytes(sessions, tenant_id, found=found):
        yield row


async def sent(rows: Rows, attachments: Sequence[Attachment]) -> str | None:
    """Files of a message of ours, as they stand in its row. NotFound when there are no such bytes."""
    files = [await _sent(rows, attachment, place=place) for place, attachment in enumerate(attachments)]
    return json.dumps(files) if files else None


async def forget_conversation(rows: Rows, conversation_id: str) -> None:
    """The caller holds its lock: nothing new comes in meanwhile."""
    await _forget(rows, await rows.ids(rows.select(Media).where(col(Media.conversation_id) == conversation_id), Media))


async def forget_messages(rows: Rows, message_ids: Sequence[str]) -> None:
    """Whoever fetches one of them finds that it is not theirs any more."""
    await _forget(rows, await rows.ids(rows.select(Media).where(col(Media.message_id).in_(message_ids)), Media))


async def _sent(rows: Rows, attachment: Attachment, *, place: int) -> dict[str, object]:
    """Either by a URL or by our id; of the latter we know what it is."""
    if bool(attachment.url) == bool(attachment.media_id) or not attachment.kind:
        raise InvalidField([(f"attachments[{place}]", "needs a kind, and either a url or a media_id")])
    if attachment.kind not in AttachmentKind.values():
        raise InvalidField([(f"attachments[{place}].kind", "is not a known value")])
    if attachment.kind == ATTACHMENT_KIND_UNSUPPORTED:
        raise InvalidField([(f"attachments[{place}].kind", "is of what comes in only")])
    document = documents.stored(attachment)
    if attachment.url:
        if not attachment.url.startswith("https://"):
            raise InvalidField([(f"attachments[{place}].url", "must be https")])
        return document
    row = await _stored(rows, attachment.media_id)
    known = {"sniffed_media_type": row.media_type, "size_bytes": row.size_bytes, "media_type": row.media_type}
    name = attachment.file_name or json.loads(row.attachment).get("file_name", "")
    return document | known | {"media_state": MEDIA_STATE_STORED} | ({"file_name": name} if name else {})


async def _stored(rows: Rows, media_id: str) -> Media:
    row = await rows.first(rows.select(Media).where(col(Media.id) == media_id))
    if row is not None and row.reason == documents.EXPIRED:
        raise MediaExpired
    if row is None or row.state != "stored":
        raise missing("media")
    return row


async def _forget(rows: Rows, ids: Sequence[str]) -> None:
    """The rows first: that waits for a piece that is being written, which is then found and goes too."""
    if ids:
        await rows.change(rows.delete(Media).where(col(Media.id).in_(ids)))
        await rows.change(rows.delete(MediaPiece).where(col(MediaPiece.media_id).in_(ids)))


async def _with_bytes(sessions: Sessions, tenant_id: str, *, found: Sequence[Media]) -> AsyncIterator[SQLModel]:
    for media in sorted(found, key=lambda each: each.id):
        yield media
        async for piece in _pieces(sessions, tenant_id, media_id=media.id):
            yield piece


async def _pieces(sessions: Sessions, tenant_id: str, *, media_id: str) -> AsyncIterator[MediaPiece]:
    """One at a time: nobody holds a whole file in memory."""
    number = 0
    while True:
        async with sessions.read(tenant_id) as rows:
            theirs = rows.select(MediaPiece).where(col(MediaPiece.media_id) == media_id)
            piece = await rows.first(theirs.where(col(MediaPiece.number) == number))
        if piece is None:
            return
        yield piece
        number += 1
