"""The web chat as an API: begin a session, say something, read what was said. `/docs` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from channels import webchat
from channels.channel import Channel, Webhook
from channels.host import Verdict
from gateway.backends.conversations import Conversations
from gateway.backends.neighbours import Neighbours
from gateway.domain import spoken
from gateway.domain.first_words import FirstWords
from gateway.domain.reception import Outcome
from gateway.domain.sessions import Place, split
from gateway.envelope import ApiError
from gateway.reporting import Reports
from gateway.routes.asked import parsed, read
from gateway.routes.visitors import Door, stated_token
from kit import correlation, errors, moments

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ApiError} for status in (400, 401, 403, 404, 409, 413, 429, 503)
}
Seq = Annotated[int, Query(ge=0, lt=2**62)]


class NewSession(BaseModel, extra="forbid"):
    """Asks for a session."""

    site: str = Field("", max_length=128, description="The account key of the site. Empty: the only web chat there is")


class Session(BaseModel):
    """A session: send the token as `Authorization: Bearer …`."""

    token: str = Field(description="Proves the session; never put it into a URL")
    expires_at: datetime = Field(description="When to renew it: ask for a session with the old token as credential")


class NewMessage(BaseModel):
    """Something to say."""

    text: str = Field(min_length=1, max_length=8000, description="What to say, in plain text")


class Stored(BaseModel):
    """Where a message was stored. The same Idempotency-Key and text give the same answer."""

    id: str = Field(description="Id of the message")
    seq: int = Field(description="Its place in the conversation: 1, 2, 3 …")
    created_at: datetime = Field(description="When it was stored")


class About(BaseModel):
    """Who answers here."""

    backend: str = Field(description='What runs the model; "echo" when no model is connected')
    model: str = Field(description="The model's name")
    note: str = Field(description="A line for a person: why this model, and how to change it")


@dataclass(frozen=True, slots=True)
class Chat:
    """The routes."""

    door: Door
    channel: Channel
    conversations: Conversations
    neighbours: Neighbours
    reports: Reports
    first_words: FirstWords

    async def begin_session(self, request: Request) -> Response:
        """Begins a session, or renews the one whose token is shown."""
        wanted = parsed(NewSession, await read(request) or b"{}")
        ticket = await self.door.begin(request.scope, wanted.site)
        return _json({"token": ticket.token, "expires_at": ticket.expires_at}, 201)

    async def send_message(self, request: Request) -> Response:
        """Says something. Repeat it with the same Idempotency-Key when the answer got lost."""
        site, signed = split(stated_token(request.scope))
        webhook = await self._webhook(request, signed)
        correlation_id = correlation.correlation_id.get()
        outcome = await self.door.reception.take(self.channel, webhook, account_key=site, correlation_id=correlation_id)
        self.reports.taken(outcome)
        stored = _stored(outcome, webhook)
        for message in outcome.received.messages:
            account = outcome.account
            self.first_words.said(Place(account.tenant_id, account.known.id, message.chat_id))
        return _json(stored)

    async def list_messages(self, request: Request, *, after_seq: Seq = 0, before_seq: Seq = 0) -> Response:
        """What was said after a place in the conversation, oldest first. After a place that it does not have yet, all
        of it: the visitor was erased since, and its numbers began anew. With `before_seq`, unless it is 0, the last
        that was said before that place: before one beyond all, such as 9007199254740991, the newest."""
        visit = await self.door.visit(request)
        conversation = await self.conversations.find(visit.place)
        if not conversation.id:
            return _json({"messages": [], "more": False, "conversation_id": ""})
        after = after_seq if after_seq <= conversation.last_seq else 0
        while True:
            history = await self.conversations.history(
                visit.account.tenant_id, conversation.id, after_seq=after, before_seq=before_seq
            )
            messages = await spoken.seen(history.messages)
            if messages or not history.more:
                return _json({"messages": messages, "more": history.more, "conversation_id": conversation.id})
            # Of these a visitor may see none, and who is shown none has no place to go on from.
            after = after if before_seq else history.messages[-1].seq
            before_seq = before_seq and history.messages[0].seq

    async def about(self) -> Response:
        """Which model answers."""
        model = (await self.neighbours.report()).model
        return _json({"backend": model.backend, "model": model.model, "note": model.note})

    async def _webhook(self, request: Request, signed: str) -> Webhook:
        """The request as its channel reads it: our token has the account key before what was signed."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
        headers["authorization"] = f"Bearer {signed}"
        url = self.door.addresses.url(request.scope)
        return Webhook("POST", url, headers, await read(request), self.door.now())


def router(chat: Chat) -> APIRouter:
    """Where the routes stand. The stream of events is raw ASGI and stands beside them."""
    routes = APIRouter(prefix="/v1/chat", tags=["chat"], responses=ERRORS)
    routes.post("/sessions", status_code=201, response_model=Session, openapi_extra=_body(NewSession))(
        chat.begin_session
    )
    routes.post("/messages", response_model=Stored, openapi_extra=_body(NewMessage) | _IDEMPOTENCY_KEY)(
        chat.send_message
    )
    routes.get("/messages", response_model=spoken.Page)(chat.list_messages)
    routes.get("/about", response_model=About)(chat.about)
    return routes


def _stored(outcome: Outcome, webhook: Webhook) -> dict[str, object]:
    """Where it was stored; raises what the sender should know instead."""
    if outcome.received.verdict is Verdict.REFUSED:
        raise errors.CredentialMissing("The session is not valid, or has ended")
    if not outcome.stored:
        raise errors.InvalidField([_wrong(webhook)])
    stored = outcome.stored[0]
    if not stored.message_id:
        raise errors.StateConflict("The message with this Idempotency-Key was erased")
    if stored.differs:
        raise errors.AlreadyExists("Another text was sent with this Idempotency-Key")
    return {"id": stored.message_id, "seq": stored.seq, "created_at": moments.moment(stored.created_at)}


def _wrong(webhook: Webhook) -> tuple[str, str]:
    """Which field of a message that was not taken, and why."""
    message = parsed(NewMessage, webhook.body)
    if not message.text.strip():
        return "text", "is empty"
    if not webchat.is_message_id(webhook.headers.get("idempotency-key", "")):
        return "Idempotency-Key", "a header of 1 to 200 visible ASCII characters, chosen by you, is required"
    return "body", "cannot be read"


def _json(content: Mapping[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"cache-control": "no-store"}, "application/json")


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


_IDEMPOTENCY_KEY: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "Chosen by the client, one per message; a UUID does well",
        }
    ]
}
