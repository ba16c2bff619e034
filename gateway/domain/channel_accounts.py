"""What does a support team see of a channel account? Whether it takes part, and why it does not. Never a secret."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from gateway.domain.shown import times, word
from parley.storage.v1.account_health_pb2 import AccountHealthState
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount

PREFIX = "ACCOUNT_STATE_"
PAUSED = "operator"  # why, as `parley channels pause` says it, too
State = Literal["active", "paused", "disabled"]
Wanted = Literal["active", "paused"]


class Health(BaseModel):
    """Whether it works, as far as is known. No provider is asked."""

    state: Literal["ok", "look", "broken", ""] = Field(description='How bad it is; "" where nothing is known')
    reason: str = Field(description='Why it is not ok, for example "unauthorized"; empty when it is')
    since: datetime | None = Field(description="Since when; null where that is not known")
    refused_reason: str = Field(description="Why its last webhook was refused; empty when none was")
    credentials_expire_at: datetime | None = Field(description="When its credentials end; null where they do not")


class Account(BaseModel):
    """One address of the tenant on one channel."""

    id: str = Field(description="Its id")
    channel: str = Field(description='The channel, for example "telegram"')
    address: str = Field(description='The provider\'s name for it, for example "+14155238886"')
    name: str = Field(description="Its name, for people; may be empty")
    state: State = Field(description="`paused`: it receives, and what it has to send waits")
    reason: str = Field(description='Why it is not active, for example "unauthorized"; may be empty')
    changed_at: datetime = Field(description="When it was changed last: since when it is paused, if nothing else was")
    health: Health = Field(description="Whether it works")


class Accounts(BaseModel):
    """A page of accounts, oldest first."""

    accounts: list[Account] = Field(description="The accounts")
    next_page_token: str = Field(description="For the next page; empty at the end")


def state(wanted: Wanted) -> str:
    """As the contract names it, which a request takes as well as its number."""
    return f"{PREFIX}{wanted.upper()}"


def account(row: ChannelAccount) -> dict[str, Any]:
    return {
        "id": row.id,
        "channel": row.channel,
        "address": row.address,
        "name": row.name,
        "state": word(AccountState.Name(row.state), PREFIX),
        "reason": row.state_reason,
        "changed_at": times(row, "updated_at")["updated_at"],
        "health": {
            "state": word(AccountHealthState.Name(row.health.state), "ACCOUNT_HEALTH_STATE_"),
            "reason": row.health.reason,
            "refused_reason": row.health.refused_reason,
            **times(row.health, "since", "credentials_expire_at"),
        },
    }
