"""Conversations as an API for support teams: who waits, take over, answer, give back. `/console` is its page.

The caller's API key goes on to storage, which says what it may do, and for which tenant: nothing is decided here.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.backends.desk import Desk
from gateway.domain import desk
from gateway.routes import keyed
from gateway.routes.asked import parsed, read
from gateway.routes.keyed import LONGEST_ID, Size, Token
from kit import errors
from parley.storage.v1 import conversation_change_pb2 as change
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as reads
from parley.storage.v1 import outbox_service_pb2 as outbox

LONGEST_TEXT = 65_536

Everything = Annotated[bool, Query(alias="all", description="Those that a human has, or gave back, too")]
OwnedBy = Annotated[desk.Owner | None, Query(description="Only those with this owner")]
OfAccount = Annotated[str, Query(max_length=LONGEST_ID, description="Only those of this channel account")]
After = Annotated[int, Query(ge=0, lt=2**62, description="Only messages behind this place")]


class NewOwner(BaseModel, extra="forbid"):
    """Who answers from now on."""

    owner: desk.Owner = Field(description="`human` takes it over: the agent is silent. `agent` gives it back")
    owner_epoch: int = Field(0, ge=0, lt=2**62, description="The epoch that you saw; another one is 409. 0: whichever")


class NewWords(BaseModel, extra="forbid"):
    """What a human says to the contact."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT, description="In Markdown, as an agent writes")
    owner_epoch: int = Field(0, ge=0, lt=2**62, description="The epoch that you saw; another one is 409. 0: whichever")


class Queued(BaseModel):
    """Where it was put. The same Idempotency-Key and text give the same answer."""

    message_id: str = Field(description="The message")
    delivery_id: str = Field(description="Its delivery")
    duplicate: bool = Field(description="Whether it was said before")


@dataclass(frozen=True, slots=True)
class Opened:
    """The routes."""

    desk: Desk

    async def list_queue(
        self, request: Request, *, everything: Everything = False, page_size: Size = 50, page_token: Token = ""
    ) -> Response:
        """Who waits for a human, the one that is due first first."""
        asked = change.ListQueueRequest(all=everything, page_size=page_size, page_token=page_token)
        found = await self.desk.queue(asked, keyed.credential(request))
        return keyed.answer({"entries": [*map(desk.waiting, found.entries)], "next_page_token": found.next_page_token})

    async def list_conversations(
        self,
        request: Request,
        *,
        owner: OwnedBy = None,
        account_id: OfAccount = "",
        page_size: Size = 50,
        page_token: Token = "",
    ) -> Response:
        """Conversations, the one that moved last first."""
        asked = reads.ListConversationsRequest(account_id=account_id, page_size=page_size, page_token=page_token)
        if owner is not None:
            asked.owner = desk.OWNERS[owner]
        found = await self.desk.list(asked, keyed.credential(request))
        rows = [*map(desk.conversation, found.conversations)]
        return keyed.answer({"conversations": rows, "next_page_token": found.next_page_token})

    async def get_conversation(self, request: Request, conversation_id: str) -> Response:
        """One of them."""
        asked = reads.GetConversationRequest(conversation_id=keyed.an_id(conversation_id, "conversation_id"))
        return keyed.answer(desk.conversation((await self.desk.get(asked, keyed.credential(request))).conversation))

    async def list_messages(
        self, request: Request, conversation_id: str, *, after_seq: After = 0, page_size: Size = 100
    ) -> Response:
        """What was said after a place in the conversation, oldest first. Places have no gaps: the newest fifty are
        those after `last_seq - 50`."""
        asked = reads.ListMessagesRequest(
            conversation_id=keyed.an_id(conversation_id, "conversation_id"), after_seq=after_seq, page_size=page_size
        )
        found = await self.desk.messages(asked, keyed.credential(request))
        return keyed.answer({"messages": [*map(desk.said, found.messages)], "more": found.more})

    async def set_owner(self, request: Request, conversation_id: str) -> Response:
        """Takes it over, or gives it back. Of two who take it with the epoch that they saw, one gets it."""
        wanted = parsed(NewOwner, await read(request))
        asked = owning.SetOwnerRequest(
            request_id=keyed.change_key(request),
            conversation_id=keyed.an_id(conversation_id, "conversation_id"),
            owner=desk.OWNERS[wanted.owner],
            owner_epoch=wanted.owner_epoch,
        )
        return keyed.answer(desk.conversation((await self.desk.give(asked, keyed.credential(request))).conversation))

    async def say(self, request: Request, conversation_id: str) -> Response:
        """Says something to the contact. Repeat it with the same Idempotency-Key when the answer got lost."""
        wanted = parsed(NewWords, await read(request))
        if not wanted.text.strip():
            raise errors.InvalidField([("text", "is empty")])
        asked = outbox.QueueMessageRequest(
            request_id=keyed.change_key(request),
            conversation_id=keyed.an_id(conversation_id, "conversation_id"),
            text=wanted.text,
            owner_epoch=wanted.owner_epoch,
        )
        done = await self.desk.say(asked, keyed.credential(request))
        return keyed.answer(
            {"message_id": done.message_id, "delivery_id": done.delivery_id, "duplicate": done.duplicate}
        )


def router(opened: Opened) -> APIRouter:
    """Where the routes stand."""
    routes = APIRouter(prefix="/v1", tags=["conversations"], responses=keyed.ERRORS)
    one = "/conversations/{conversation_id}"
    routes.get("/queue", response_model=desk.Queue)(opened.list_queue)
    routes.get("/conversations", response_model=desk.Conversations)(opened.list_conversations)
    routes.get(one, response_model=desk.Conversation)(opened.get_conversation)
    routes.get(f"{one}/messages", response_model=desk.History)(opened.list_messages)
    routes.put(f"{one}/owner", response_model=desk.Conversation, openapi_extra=keyed.takes(NewOwner))(opened.set_owner)
    routes.post(f"{one}/messages", response_model=Queued, openapi_extra=keyed.takes(NewWords))(opened.say)
    return routes
