"""What may a visitor see of a conversation? Their own words and the answers; never what was told to the model."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from channels.markup import page
from kit.moments import moment
from parley.chat.v1 import message_pb2

Speaker = Literal["contact", "agent", "operator"]
SPEAKERS: dict[int, Speaker] = {
    message_pb2.ROLE_CONTACT: "contact",
    message_pb2.ROLE_AGENT: "agent",
    message_pb2.ROLE_OPERATOR: "operator",
}
FileKind = Literal["image", "audio", "video", "file", "sticker", "location", "contact_card"]
KINDS: dict[int, FileKind] = {
    message_pb2.ATTACHMENT_KIND_IMAGE: "image",
    message_pb2.ATTACHMENT_KIND_AUDIO: "audio",
    message_pb2.ATTACHMENT_KIND_VIDEO: "video",
    message_pb2.ATTACHMENT_KIND_STICKER: "sticker",
    message_pb2.ATTACHMENT_KIND_LOCATION: "location",
    message_pb2.ATTACHMENT_KIND_CONTACT_CARD: "contact_card",
}
# Reading Markdown takes a millisecond or two for so many characters: more is read beside the loop.
AT_ONCE = 4096


class Span(BaseModel):
    """Words that look alike throughout."""

    text: str = Field(description="The words; a line may end in them")
    marks: list[Literal["bold", "italic", "strike", "code"]] = Field(description="How they are shown, outermost first")
    href: str | None = Field(None, description="Where they lead: http, https or mailto only. Absent: nowhere")


class Item(BaseModel):
    """One item of a list."""

    number: str = Field(description='As it was written, such as "3."; empty for a bullet')
    blocks: list["Block"] = Field(description="What stands in it")


class Block(BaseModel):
    """One piece of an answer. Which other fields there are depends on its kind."""

    kind: Literal["paragraph", "heading", "quote", "list", "code", "table", "rule"] = Field(description="What it is")
    spans: list[Span] | None = Field(None, description="Of a paragraph and a heading")
    blocks: list["Block"] | None = Field(None, description="Of a quote")
    items: list[Item] | None = Field(None, description="Of a list")
    rows: list[list[list[Span]]] | None = Field(None, description="Of a table: rows of cells; the first is the heads")
    text: str | None = Field(None, description="Of a block of code")
    language: str | None = Field(None, description="Of a block of code; may be empty")


class File(BaseModel):
    """A file that was sent with an answer. All of it is text."""

    kind: FileKind = Field(description="What it is for a person")
    file_name: str = Field(description="Its name; may be empty")
    caption: str = Field(description="What was written to it; may be empty")
    href: str = Field(description="Where it is, https always; empty when it cannot be fetched from here")


class Message(BaseModel):
    """One thing said."""

    id: str = Field(description="Its id")
    seq: int = Field(description="Its place in the conversation")
    role: Speaker = Field(description="Who said it")
    text: str = Field(description="As it was written, an answer in Markdown: show it as text, never as markup")
    blocks: list[Block] = Field(
        description="Of an answer: what its Markdown says, to build a page of. Every value is text. Empty for the "
        "visitor's own words"
    )
    attachments: list[File] = Field(description="The files that were sent with an answer")
    created_at: datetime = Field(description="When it was stored")
    client_id: str = Field(description="The Idempotency-Key that it was sent with; empty for answers")


class Page(BaseModel):
    """Part of a conversation, oldest first."""

    messages: list[Message] = Field(description="The messages")
    more: bool = Field(
        description="Whether more follow: ask again after the last seq. With before_seq, whether more came before: ask "
        "again before the first"
    )
    conversation_id: str = Field(
        description="Of which conversation; empty before the first word. Another one after the visitor was erased"
    )


async def seen(messages: Sequence[message_pb2.Message]) -> list[dict[str, object]]:
    """The messages that a visitor may see, as JSON has them."""
    return [each for _, each in await by_seq(messages)]


async def by_seq(messages: Sequence[message_pb2.Message]) -> list[tuple[int, dict[str, object]]]:
    """The same, each with its place."""
    if sum(len(each.text) for each in messages) > AT_ONCE:
        return await asyncio.to_thread(_by_seq, messages)
    return _by_seq(messages)


async def drafted(text: str) -> dict[str, object]:
    """What may be seen of an answer that is being written; nothing when nothing is any more."""
    built = await asyncio.to_thread(page.drawn, text) if len(text) > AT_ONCE else page.drawn(text)
    return {"text": text, "blocks": built if text else ()}


def _by_seq(messages: Iterable[message_pb2.Message]) -> list[tuple[int, dict[str, object]]]:
    return [(each.seq, _seen(each)) for each in messages if each.role in SPEAKERS]


def _seen(message: message_pb2.Message) -> dict[str, object]:
    written = message.role == message_pb2.ROLE_CONTACT  # shown as it was typed
    return {
        "id": message.id,
        "seq": message.seq,
        "role": SPEAKERS[message.role],
        "text": message.text,
        "blocks": () if written else page.blocks(message.text),
        "attachments": () if written else tuple(map(_file, message.attachments)),
        "created_at": moment(message.created_at),
        "client_id": message.provider_message_id,
    }


def _file(attachment: message_pb2.Attachment) -> dict[str, str]:
    return {
        "kind": KINDS.get(attachment.kind, "file"),
        "file_name": attachment.file_name,
        "caption": attachment.caption,
        "href": attachment.url if attachment.url.lower().startswith("https://") else "",
    }
