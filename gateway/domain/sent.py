"""What does a support team see of what went out? Where each delivery stands, and why it did not arrive."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from gateway.domain.shown import times, word
from parley.chat.v1.message_pb2 import DeliveryState
from parley.storage.v1 import directory_pb2 as directory

PREFIX = "DELIVERY_STATE_"
State = Literal["queued", "sending", "sent", "delivered", "read", "failed", "unknown"]


class Delivery(BaseModel):
    """One message on its way to one chat."""

    id: str = Field(description="Its id")
    conversation_id: str = Field(description="Its conversation")
    message_id: str = Field(description="The message that it carries")
    account_id: str = Field(description="The channel account that it is sent from")
    state: State = Field(description="Where it stands. `unknown`: the provider may have taken it")
    reason: str = Field(description='Why, for example "gave_up"; may be empty')
    provider_code: str = Field(description="The provider's own code of a failure; may be empty")
    attempts: int = Field(description="How many calls were made for it")
    parts: int = Field(description="How many parts it has; 0 before the first attempt")
    parts_sent: int = Field(description="How many of them were taken")
    created_at: datetime = Field(description="When it was queued")
    updated_at: datetime = Field(description="When its state changed last")
    correlation_id: str = Field(description="Ties it to the logs")
    put_aside_at: datetime | None = Field(
        description="When somebody put it aside as it stands; null when nobody did, or when it stands otherwise by now"
    )
    put_aside_by: str = Field(description="The name of the API key that put it aside, or `mesh`; may be empty")


class Deliveries(BaseModel):
    """A page of deliveries, newest first."""

    deliveries: list[Delivery] = Field(description="The deliveries")
    next_page_token: str = Field(description="For the next page; empty at the end")


class Changed(BaseModel):
    """A delivery of which somebody wanted something."""

    delivery: Delivery = Field(description="As it is now")
    duplicate: bool = Field(description="Whether it was done with this Idempotency-Key before")


def state(stated: State) -> str:
    """As the contract names it, which a request takes as well as its number."""
    return f"{PREFIX}{stated.upper()}"


def delivery(row: directory.Delivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "message_id": row.message_id,
        "account_id": row.account_id,
        "state": word(DeliveryState.Name(row.state), PREFIX),
        "reason": row.reason,
        "provider_code": row.provider_code,
        "attempts": row.attempts,
        "parts": row.parts,
        "parts_sent": row.parts_sent,
        "correlation_id": row.correlation_id,
        "put_aside_by": row.put_aside_by,
        **times(row, "created_at", "updated_at", "put_aside_at"),
    }
