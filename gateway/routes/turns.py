"""Turns, as an API for support teams: what waits to be answered, and what was not, and why."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.backends.desk import Desk
from gateway.domain import turns
from gateway.routes import keyed
from gateway.routes.keyed import LONGEST_ID, Size, Token
from parley.storage.v1 import conversation_service_pb2 as reads

InState = Annotated[turns.State | None, Query(description="Only those in this state. Default: those that are open")]
OfConversation = Annotated[str, Query(max_length=LONGEST_ID, description="Only those of this conversation")]
Newest = Annotated[bool, Query(description="The newest first. Default: longest waiting first")]


@dataclass(frozen=True, slots=True)
class Opened:
    """The routes."""

    desk: Desk

    async def list_turns(
        self,
        request: Request,
        *,
        state: InState = None,
        conversation_id: OfConversation = "",
        newest_first: Newest = False,
        page_size: Size = 50,
        page_token: Token = "",
    ) -> Response:
        """Turns: those that are open, or those in a state."""
        asked = reads.ListTurnsRequest(
            states=turns.states(state),
            conversation_id=conversation_id,
            newest_first=newest_first,
            page_size=page_size,
            page_token=page_token,
        )
        found = await self.desk.turns(asked, keyed.credential(request))
        rows = [*map(turns.turn, found.turns)]
        return keyed.answer({"turns": rows, "next_page_token": found.next_page_token})


def router(opened: Opened) -> APIRouter:
    """Where the routes stand."""
    routes = APIRouter(prefix="/v1/turns", tags=["turns"], responses=keyed.ERRORS)
    routes.get("", response_model=turns.Turns)(opened.list_turns)
    return routes
