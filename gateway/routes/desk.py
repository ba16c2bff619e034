"""Conversations as an API for support teams: who waits, take over, answer, give back. `/console` is its page.

The caller's API key goes on to storage, which says what it may do, and for which tenant: nothing is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway import body as bodies
from gateway.backends.desk import Desk
from gateway.domain import desk
from gateway.envelope import ApiError
from gateway.routes.asked import parsed, read
from kit import errors
from parley.storage.v1 import conversation_change_pb2 as change
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as reads
from parley.storage.v1 import outbox_service_pb2 as outbox

LONGEST_ID, LONGEST_TOKEN, LONGEST_TEXT = 64, 512, 65_536
MOST = 200
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ApiError} for status in (400, 401, 403, 404, 409, 413, 429, 503)
}

Size = Annotated[int, Query(ge=1, le=MOST, description="Most to return")]
Token = Annotated[str, Query(max_length=LONGEST_TOKEN, description="From the page before")]
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
        found = await self.desk.queue(asked, _credential(request))
        return _json({"entries": [*map(desk.waiting, found.entries)], "next_page_token": found.next_page_token})

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
        found = await self.desk.list(asked, _credential(request))
        rows = [*map(desk.conversation, found.conversations)]
        return _json({"conversations": rows, "next_page_token": found.next_page_token})

    async def get_conversation(self, request: Request, conversation_id: str) -> Response:
        """One of them."""
        asked = reads.GetConversationRequest(conversation_id=_id(conversation_id))
        return _json(desk.conversation((await self.desk.get(asked, _credential(request))).conversation))

    async def list_messages(
        self, request: Request, conversation_id: str, *, after_seq: After = 0, page_size: Size = 100
    ) -> Response:
        """What was said after a place in the conversation, oldest first. Places have no gaps: the newest fifty are
        those after `last_seq - 50`."""
        asked = reads.ListMessagesRequest(
            conversation_id=_id(conversation_id), after_seq=after_seq, page_size=page_size
        )
        found = await self.desk.messages(asked, _credential(request))
        return _json({"messages": [*map(desk.said, found.messages)], "more": found.more})

    async def set_owner(self, request: Request, conversation_id: str) -> Response:
        """Takes it over, or gives it back. Of two who take it with the epoch that they saw, one gets it."""
        wanted = parsed(NewOwner, await read(request))
        asked = owning.SetOwnerRequest(
            request_id=_key(request),
            conversation_id=_id(conversation_id),
            owner=desk.OWNERS[wanted.owner],
            owner_epoch=wanted.owner_epoch,
        )
        return _json(desk.conversation((await self.desk.give(asked, _credential(request))).conversation))

    async def say(self, request: Request, conversation_id: str) -> Response:
        """Says something to the contact. Repeat it with the same Idempotency-Key when the answer got lost."""
        wanted = parsed(NewWords, await read(request))
        if not wanted.text.strip():
            raise errors.InvalidField([("text", "is empty")])
        asked = outbox.QueueMessageRequest(
            request_id=_key(request),
            conversation_id=_id(conversation_id),
            text=wanted.text,
            owner_epoch=wanted.owner_epoch,
        )
        done = await self.desk.say(asked, _credential(request))
        return _json({"message_id": done.message_id, "delivery_id": done.delivery_id, "duplicate": done.duplicate})


def router(opened: Opened) -> APIRouter:
    """Where the routes stand."""
    routes = APIRouter(prefix="/v1", tags=["conversations"], responses=ERRORS)
    one = "/conversations/{conversation_id}"
    routes.get("/queue", response_model=desk.Queue)(opened.list_queue)
    routes.get("/conversations", response_model=desk.Conversations)(opened.list_conversations)
    routes.get(one, response_model=desk.Conversation)(opened.get_conversation)
    routes.get(f"{one}/messages", response_model=desk.History)(opened.list_messages)
    routes.put(f"{one}/owner", response_model=desk.Conversation, openapi_extra=_takes(NewOwner))(opened.set_owner)
    routes.post(f"{one}/messages", response_model=Queued, openapi_extra=_takes(NewWords))(opened.say)
    return routes


def _credential(request: Request) -> str:
    """Never from the URL, and never a cookie: no other site can make a browser show it."""
    stated = bodies.header(request.scope, b"authorization").decode("latin-1")
    if not stated or not (stated.isascii() and stated.isprintable()):
        raise errors.CredentialMissing("Send an API key as Authorization: Bearer …")
    return stated


def _key(request: Request) -> str:
    key = bodies.header(request.scope, b"idempotency-key").decode("latin-1")
    if not (0 < len(key) <= LONGEST_ID and key.isascii() and key.isprintable() and " " not in key):
        raise errors.InvalidField([("Idempotency-Key", "a header of 1 to 64 visible ASCII characters is required")])
    return key


def _id(stated: str) -> str:
    if len(stated) > LONGEST_ID:
        raise errors.InvalidField([("conversation_id", "is no id")])
    return stated


def _json(content: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(content), 200, {"cache-control": "no-store"}, "application/json")


def _takes(model: type[BaseModel]) -> dict[str, Any]:
    key = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
    about = "Chosen by the client, one per change; a UUID does well"
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}},
        "parameters": [
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": key, "description": about}
        ],
    }
