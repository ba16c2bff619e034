"""What does a support team see of a conversation? All that was said in it, by whom, and what became of it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from gateway.domain.shown import times, word
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_pb2
from parley.storage.v1.conversation_change_pb2 import HandOffReason, QueueEntry

Owner = Literal["agent", "queue", "human", "none"]
OWNERS: dict[str, chat.Owner] = {
    "agent": chat.OWNER_AGENT,
    "queue": chat.OWNER_QUEUE,
    "human": chat.OWNER_HUMAN,
    "none": chat.OWNER_NONE,
}
_WORDS = {value: name for name, value in OWNERS.items()}


class Waiting(BaseModel):
    """A conversation that was passed on to a human."""

    id: str = Field(description="Id of the entry")
    conversation_id: str = Field(description="Its conversation")
    reason: str = Field(description='Why, for example "model_asked"')
    summary: str = Field(description="What happened so far, as the agent passed it on. Untrusted text")
    created_at: datetime = Field(description="Since when it waits")
    due_at: datetime = Field(description="When a human should have it")
    taken_at: datetime | None = Field(description="When a human took it over; null while it waits")
    closed_at: datetime | None = Field(description="When it was handed back; null before")


class Queue(BaseModel):
    """A page of the queue, the one that is due first first."""

    entries: list[Waiting] = Field(description="The entries")
    next_page_token: str = Field(description="For the next page; empty at the end")


class Conversation(BaseModel):
    """One chat of one contact."""

    id: str = Field(description="Its id")
    account_id: str = Field(description="The channel account that it is held on")
    channel: str = Field(description='The channel, for example "whatsapp"')
    chat_id: str = Field(description="The provider's id of the chat")
    contact_id: str = Field(description="The contact")
    contact_name: str = Field(description="The name that they show there; may be empty. Untrusted text")
    owner: Owner = Field(description="Who answers now")
    owner_epoch: int = Field(description="Rises with every change of owner")
    last_seq: int = Field(description="The place of the newest message; 0 when there is none")
    created_at: datetime = Field(description="When it began")
    updated_at: datetime = Field(description="When it moved last, to within five seconds")
    opted_out_at: datetime | None = Field(description="Since when they want no messages; null when they do")


class Conversations(BaseModel):
    """A page of conversations, the one that moved last first."""

    conversations: list[Conversation] = Field(description="The conversations")
    next_page_token: str = Field(description="For the next page; empty at the end")


class File(BaseModel):
    """What came or went with a message."""

    kind: str = Field(description='What it is for a person, for example "image"')
    file_name: str = Field(description="Its name; may be empty. Untrusted text")
    caption: str = Field(description="What was written to it; may be empty. Untrusted text")
    media_id: str = Field(description="Ask `/v1/media/{media_id}` for its bytes; empty when there are none here")
    media_state: str = Field(description='Where its bytes are: "pending", "stored", "unavailable", or ""')


class Said(BaseModel):
    """One thing said."""

    id: str = Field(description="Its id")
    seq: int = Field(description="Its place in the conversation: 1, 2, 3 … without a gap")
    role: str = Field(description="Who said it: contact, agent, operator or system")
    text: str = Field(description="As it was written. Untrusted: show it as text, never as markup")
    attachments: list[File] = Field(description="The files")
    created_at: datetime = Field(description="When it was stored")
    delivery_state: str = Field(description='Where its delivery stands, for example "sent"; "" for what came in')
    taken_back_at: datetime | None = Field(description="When its sender took it back; null when they did not")


class History(BaseModel):
    """Part of a conversation, oldest first."""

    messages: list[Said] = Field(description="The messages")
    more: bool = Field(description="Whether more follow: ask again after the last seq")


def waiting(entry: QueueEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "conversation_id": entry.conversation_id,
        "reason": word(HandOffReason.Name(entry.reason), "HAND_OFF_REASON_"),
        "summary": entry.summary,
        **times(entry, "created_at", "due_at", "taken_at", "closed_at"),
    }


def conversation(row: conversation_pb2.Conversation) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "channel": row.channel,
        "chat_id": row.chat_id,
        "contact_id": row.contact_id,
        "contact_name": row.contact_name,
        "owner": _WORDS[row.owner],
        "owner_epoch": row.owner_epoch,
        "last_seq": row.last_seq,
        **times(row, "created_at", "updated_at", "opted_out_at"),
    }


def said(message: chat.Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "seq": message.seq,
        "role": word(chat.Role.Name(message.role), "ROLE_"),
        "text": message.text,
        "attachments": [_file(each) for each in message.attachments],
        "delivery_state": word(chat.DeliveryState.Name(message.delivery_state), "DELIVERY_STATE_"),
        **times(message, "created_at", "taken_back_at"),
    }


def _file(attachment: chat.Attachment) -> dict[str, str]:
    return {
        "kind": word(chat.AttachmentKind.Name(attachment.kind), "ATTACHMENT_KIND_") or "file",
        "file_name": attachment.file_name,
        "caption": attachment.caption,
        "media_id": attachment.media_id,
        "media_state": word(chat.MediaState.Name(attachment.media_state), "MEDIA_STATE_"),
    }
