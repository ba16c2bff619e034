"""What does a support team see of a turn? What waits to be answered, for how long, and why something was not."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from gateway.domain.shown import times, word
from parley.chat.v1.message_pb2 import TurnState
from parley.storage.v1 import conversation_service_pb2 as reads

PREFIX = "TURN_STATE_"
State = Literal["waiting", "running", "replied", "handed_off", "suppressed", "failed"]


class Turn(BaseModel):
    """One answer in the making, or made."""

    id: str = Field(description="Its id")
    conversation_id: str = Field(description="Its conversation")
    state: State = Field(description="Where it stands")
    reason: str = Field(description='Why it ended so, for example "model_unavailable"; may be empty')
    messages: int = Field(description="How many messages it answers")
    attempts: int = Field(description="How often a worker took it")
    model: str = Field(description="The model that answered; may be empty")
    created_at: datetime = Field(description="When its first message was accepted")
    deadline_at: datetime = Field(description="When it is ended if nobody has")
    ended_at: datetime | None = Field(description="When it ended; null while it is open")
    correlation_id: str = Field(description="Ties it to the logs")


class Turns(BaseModel):
    """A page of turns."""

    turns: list[Turn] = Field(description="The turns")
    next_page_token: str = Field(description="For the next page; empty at the end")


def states(stated: State | None) -> list[str]:
    """As the contract names them; none stands for those that are open."""
    return [f"{PREFIX}{stated.upper()}"] if stated else []


def turn(row: reads.Turn) -> dict[str, Any]:
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "state": word(TurnState.Name(row.state), PREFIX),
        "reason": row.reason,
        "messages": row.messages,
        "attempts": row.attempts,
        "model": row.model,
        "correlation_id": row.correlation_id,
        **times(row, "created_at", "deadline_at", "ended_at"),
    }
