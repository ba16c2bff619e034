"""What may a visitor see of a conversation? Their own words and the answers; never what was told to the model."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from kit.moments import moment
from parley.chat.v1 import message_pb2

Speaker = Literal["contact", "agent", "operator"]
SPEAKERS: dict[int, Speaker] = {
    message_pb2.ROLE_CONTACT: "contact",
    message_pb2.ROLE_AGENT: "agent",
    message_pb2.ROLE_OPERATOR: "operator",
}


class Message(BaseModel):
    """One thing said."""

    id: str = Field(description="Its id")
    seq: int = Field(description="Its place in the conversation")
    role: Speaker = Field(description="Who said it")
    text: str = Field(description="Plain text: show it as it is, never as markup")
    created_at: datetime = Field(description="When it was stored")
    client_id: str = Field(description="The Idempotency-Key that it was sent with; empty for answers")


class Page(BaseModel):
    """Part of a conversation, oldest first."""

    messages: list[Message] = Field(description="The messages")
    more: bool = Field(description="Whether more follow: ask again after the last seq")


def seen(messages: Iterable[message_pb2.Message]) -> list[dict[str, object]]:
    """The messages that a visitor may see, as JSON has them."""
    return [_seen(each) for each in messages if each.role in SPEAKERS]


def by_seq(messages: Iterable[message_pb2.Message]) -> list[tuple[int, dict[str, object]]]:
    """The same, each with its place."""
    return [(each.seq, _seen(each)) for each in messages if each.role in SPEAKERS]


def _seen(message: message_pb2.Message) -> dict[str, object]:
    return {
        "id": message.id,
        "seq": message.seq,
        "role": SPEAKERS[message.role],
        "text": message.text,
        "created_at": moment(message.created_at),
        "client_id": message.provider_message_id,
    }
