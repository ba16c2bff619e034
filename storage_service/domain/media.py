"""What is to be fetched of a message's attachments, and how does a fetch move? Leased, ended, at most so often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from parley.chat.v1 import message_pb2 as chat
from parley.chat.v1.message_pb2 import Attachment
from parley.storage.v1.media_service_pb2 import EndFetchRequest, LeasedFetch
from storage_service.domain.rows import Key, Message

# A worker that dies each time is no reason to try for ever.
MOST_LEASES = 5
OPEN = ("waiting", "fetching")
EXPIRED = "expired"
_NO_FILE = (chat.ATTACHMENT_KIND_LOCATION,)


@dataclass(slots=True)
class Media:
    """One attachment's bytes, on their way or here. Until due_at nobody may take it: the end of a lease, or a pause."""

    tenant_id: str
    id: str
    conversation_id: str
    message_id: str
    account_id: str
    place: int  # among the message's attachments, from 0
    attachment: str  # as the channel gave it: JSON
    state: str
    reason: str
    media_type: str
    size_bytes: int
    pieces: int
    sha256: bytes
    worker_id: str
    epoch: int
    lease_seconds: float
    attempts: int
    due_at: datetime
    correlation_id: str
    traceparent: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def key(self) -> Key:
        return self.tenant_id, self.id

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def lease(self, worker_id: str, *, now: datetime, lease: timedelta) -> None:
        self.state, self.worker_id = "fetching", worker_id
        self.epoch, self.attempts = self.epoch + 1, self.attempts + 1
        self.lease_seconds, self.due_at = lease.total_seconds(), now + lease

    def is_held(self, worker_id: str, epoch: int) -> bool:
        return (self.state, self.worker_id, self.epoch) == ("fetching", worker_id, epoch)

    def was_ended(self, worker_id: str, epoch: int) -> bool:
        """Whether this worker has said so already, and did not hear that it was heard."""
        return self.state != "fetching" and (self.worker_id, self.epoch) == (worker_id, epoch)

    def put_back(self, due_at: datetime, *, reason: str = "") -> None:
        self.state, self.reason, self.due_at = "waiting", reason, due_at

    def give_up(self, reason: str, *, now: datetime) -> None:
        self.state, self.reason, self.ended_at = "unavailable", reason, now
        self.size_bytes, self.pieces, self.sha256 = 0, 0, b""

    def expire(self) -> None:
        """It was kept for its time: all that stays is that it was here, for who asks for it."""
        if self.state == "stored":
            self.state, self.reason = "unavailable", EXPIRED
        self.attachment, self.media_type, self.ended_at = "{}", "", None
        self.size_bytes, self.pieces, self.sha256 = 0, 0, b""

    def store(self, item: EndFetchRequest, *, now: datetime) -> None:
        self.state, self.reason, self.ended_at = "stored", "", now
        self.media_type, self.size_bytes = item.media_type, item.size_bytes
        self.pieces, self.sha256 = item.pieces, item.sha256


def wanted(message: Message, attachments: Sequence[Attachment], *, new_id: Callable[[], str]) -> list[Media]:
    """What is to be fetched of them. Each that is learns so: the message is written with its state and id."""
    found = [
        _new(message, attachment, place=place, media_id=new_id())
        for place, attachment in enumerate(attachments)
        if _has_bytes(attachment)
    ]
    if found:
        documents = [stored(attachment) for attachment in attachments]
        for media in found:
            documents[media.place] |= {"media_state": chat.MEDIA_STATE_PENDING, "media_id": media.id}
        message.attachments = orjson.dumps(documents).decode()
    return found


def stored(attachment: Attachment) -> dict[str, object]:
    """As it stands in the message's row: by the contract's own names."""
    return {field.name: value for field, value in attachment.ListFields()}


def written(attachments: Sequence[Attachment]) -> str | None:
    """All of a message's, as they stand in its row."""
    return orjson.dumps(list(map(stored, attachments))).decode() if attachments else None


def told(attachments: str | None, media: Media, *, excerpt: str = "") -> str | None:
    """The message's attachments, with what became of this one. As they were when they are gone."""
    documents = orjson.loads(attachments) if attachments else []
    if media.place >= len(documents) or documents[media.place].get("media_id") != media.id:
        return attachments
    known = documents[media.place]
    known["media_state"] = _STATES[media.state]
    if media.state == "stored":
        known |= {"sniffed_media_type": media.media_type, "size_bytes": media.size_bytes}
        known |= {"excerpt": excerpt} if excerpt else {}
    elif media.state == "unavailable":
        known["unavailable_reason"] = media.reason
        known.pop("excerpt", None)
    return orjson.dumps(documents).decode()


def leased(media: Media) -> LeasedFetch:
    return LeasedFetch(
        tenant_id=media.tenant_id,
        media_id=media.id,
        conversation_id=media.conversation_id,
        message_id=media.message_id,
        epoch=media.epoch,
        account_id=media.account_id,
        attachment=Attachment(**orjson.loads(media.attachment)),
        attempts=media.attempts - 1,
        correlation_id=media.correlation_id,
        traceparent=media.traceparent,
    )


_STATES = {
    "waiting": chat.MEDIA_STATE_PENDING,
    "fetching": chat.MEDIA_STATE_PENDING,
    "stored": chat.MEDIA_STATE_STORED,
    "unavailable": chat.MEDIA_STATE_UNAVAILABLE,
}


def _has_bytes(attachment: Attachment) -> bool:
    named = attachment.url or attachment.provider_file_id
    return bool(named) and attachment.media_state == chat.MEDIA_STATE_UNSPECIFIED and attachment.kind not in _NO_FILE


def _new(message: Message, attachment: Attachment, *, place: int, media_id: str) -> Media:
    return Media(
        tenant_id=message.tenant_id,
        id=media_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        account_id=message.account_id,
        place=place,
        attachment=orjson.dumps(stored(attachment)).decode(),
        state="waiting",
        reason="",
        media_type="",
        size_bytes=0,
        pieces=0,
        sha256=b"",
        worker_id="",
        epoch=0,
        lease_seconds=0.0,
        attempts=0,
        due_at=message.created_at,
        correlation_id=message.correlation_id,
        traceparent=message.traceparent,
        created_at=message.created_at,
        ended_at=None,
    )
