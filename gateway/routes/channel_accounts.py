"""Channel accounts, as an API for support teams: which there are, whether each takes part, pause one, resume one."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.backends.desk import Desk
from gateway.domain import channel_accounts
from gateway.routes import keyed
from gateway.routes.asked import parsed, read
from gateway.routes.keyed import Size, Token
from parley.storage.v1 import directory_service_pb2 as directory

LONGEST_NAME = 32

OfChannel = Annotated[str, Query(max_length=LONGEST_NAME, description="Only those of this channel")]


class NewState(BaseModel, extra="forbid"):
    """Whether it takes part from now on."""

    state: channel_accounts.Wanted = Field(
        description="`paused`: it receives, and what it has to send waits. `active`: what waited is sent"
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """The routes."""

    desk: Desk

    async def list_accounts(
        self, request: Request, *, channel: OfChannel = "", page_size: Size = 50, page_token: Token = ""
    ) -> Response:
        """Channel accounts, oldest first, without their credentials."""
        asked = directory.ListChannelAccountsRequest(channel=channel, page_size=page_size, page_token=page_token)
        found = await self.desk.accounts(asked, keyed.credential(request))
        rows = [*map(channel_accounts.account, found.accounts)]
        return keyed.answer({"accounts": rows, "next_page_token": found.next_page_token})

    async def set_account_state(self, request: Request, account_id: str) -> Response:
        """Pauses it, or resumes it. One whose credentials the provider refuses is soon paused again."""
        wanted = parsed(NewState, await read(request)).state
        asked = directory.SetAccountStateRequest(
            request_id=keyed.change_key(request),
            account_id=keyed.an_id(account_id, "account_id"),
            state=channel_accounts.state(wanted),
            reason=channel_accounts.PAUSED if wanted == "paused" else "",
        )
        done = await self.desk.set_account_state(asked, keyed.credential(request))
        return keyed.answer(channel_accounts.account(done.account))


def router(opened: Opened) -> APIRouter:
    """Where the routes stand."""
    routes = APIRouter(prefix="/v1/accounts", tags=["accounts"], responses=keyed.ERRORS)
    routes.get("", response_model=channel_accounts.Accounts)(opened.list_accounts)
    change = routes.put(
        "/{account_id}/state", response_model=channel_accounts.Account, openapi_extra=keyed.takes(NewState)
    )
    change(opened.set_account_state)
    return routes
