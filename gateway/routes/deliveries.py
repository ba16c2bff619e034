"""What went out, as an API for support teams: what did not arrive and why; one is sent again, or put aside."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.backends.desk import Desk
from gateway.domain import sent
from gateway.routes import keyed
from gateway.routes.asked import parsed, read
from gateway.routes.keyed import LONGEST_ID, Size, Token
from parley.storage.v1 import outbox_service_pb2 as outbox

InState = Annotated[sent.State | None, Query(description="Only those in this state")]
OfConversation = Annotated[str, Query(max_length=LONGEST_ID, description="Only those of this conversation")]
NotPutAside = Annotated[bool, Query(description="Only those that nobody put aside; with `failed` or `unknown` only")]


class AsSeen(BaseModel, extra="forbid"):
    """What you saw of it; need not be sent."""

    attempts_seen: int | None = Field(
        None, ge=0, lt=2**31, description="The `attempts` that you saw; another number is 409, and nothing is done"
    )


class Dealt(AsSeen):
    """Whether somebody has dealt with it."""

    aside: bool = Field(description="Whether it is put aside; `false` puts it back among what is left to do")


@dataclass(frozen=True, slots=True)
class Opened:
    """The routes."""

    desk: Desk

    async def list_deliveries(
        self,
        request: Request,
        *,
        state: InState = None,
        conversation_id: OfConversation = "",
        not_put_aside: NotPutAside = False,
        page_size: Size = 50,
        page_token: Token = "",
    ) -> Response:
        """Deliveries, newest first: for example all of which nobody knows whether they arrived."""
        wanted = sent.state(state) if state else None
        asked = outbox.ListDeliveriesRequest(
            state=wanted, conversation_id=conversation_id, page_size=page_size, page_token=page_token
        )
        asked.not_put_aside = not_put_aside
        found = await self.desk.deliveries(asked, keyed.credential(request))
        rows = [*map(sent.delivery, found.deliveries)]
        return keyed.answer({"deliveries": rows, "next_page_token": found.next_page_token})

    async def retry_delivery(self, request: Request, delivery_id: str) -> Response:
        """Sends a `failed` or `unknown` one again, from the first part on that was not taken. An `unknown` one may have
        arrived: then the contact has it twice. 409 where it is in another state, was called for since you looked, or
        nobody may write to them."""
        seen = parsed(AsSeen, await read(request) or b"{}")
        asked = outbox.RetryDeliveryRequest(
            request_id=keyed.change_key(request),
            delivery_id=keyed.an_id(delivery_id, "delivery_id"),
            attempts_seen=seen.attempts_seen,
        )
        done = await self.desk.retry(asked, keyed.credential(request))
        return keyed.answer({"delivery": sent.delivery(done.delivery), "duplicate": done.duplicate})

    async def put_aside(self, request: Request, delivery_id: str) -> Response:
        """Puts a `failed` or `unknown` one aside, because somebody has dealt with it, or back. Its state stays; the
        mark ends when it is sent again, or stands otherwise. 409 where it is in another state."""
        wanted = parsed(Dealt, await read(request))
        asked = outbox.PutDeliveryAsideRequest(
            request_id=keyed.change_key(request),
            delivery_id=keyed.an_id(delivery_id, "delivery_id"),
            back=not wanted.aside,
            attempts_seen=wanted.attempts_seen,
        )
        done = await self.desk.put_aside(asked, keyed.credential(request))
        return keyed.answer({"delivery": sent.delivery(done.delivery), "duplicate": done.duplicate})


def router(opened: Opened) -> APIRouter:
    """Where the routes stand."""
    routes = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], responses=keyed.ERRORS)
    routes.get("", response_model=sent.Deliveries)(opened.list_deliveries)
    takes = keyed.takes(AsSeen, may_be_empty=True)
    again = routes.post("/{delivery_id}/retry", response_model=sent.Changed, openapi_extra=takes)
    again(opened.retry_delivery)
    aside = routes.put("/{delivery_id}/aside", response_model=sent.Changed, openapi_extra=keyed.takes(Dealt))
    aside(opened.put_aside)
    return routes
