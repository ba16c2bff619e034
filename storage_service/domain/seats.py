"""Where does a message of one sender in one chat belong? What is there already, and who is seen for the first time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from parley.storage.v1.inbox_service_pb2 import Submission

Chat = tuple[str, str, str]  # tenant_id, account_id, chat_id
Sitter = tuple[str, str, str, str]  # the same, and sender_id


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was never seen before, as their first message shows them."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one sender in one chat: account settings, and rows that exist already."""

    channel: str
    account_state: str
    agent_id: str
    quiet_ms: int
    deadline_seconds: int
    prompt_version_id: str | None
    conversation_id: str | None
    contact_id: str | None
    manners: str | None = None

    @property
    def quiet(self) -> timedelta:
        return timedelta(milliseconds=self.quiet_ms)


@dataclass(frozen=True, slots=True)
class Known:
    """A message that was accepted before."""

    id: str
    conversation_id: str
    seq: int
    turn_id: str | None
    text: str
    created_at: datetime


def sitters(submission: Submission) -> list[Sitter]:
    """Who writes where; and the account itself, in no chat."""
    account = (submission.tenant_id, submission.account_id)
    return [(*account, "", ""), *((*account, m.chat_id, m.sender_id) for m in submission.messages)]


def insisting(submission: Submission) -> list[Sitter]:
    """Those for whom a place is made where there is none."""
    account = (submission.tenant_id, submission.account_id)
    return [(*account, m.chat_id, m.sender_id) for m in submission.messages if not m.only_if_known]


def people(submissions: Sequence[Submission]) -> dict[Sitter, Person]:
    """Everybody who writes, as the last of their messages shows them."""
    return {
        (each.tenant_id, each.account_id, message.chat_id, message.sender_id): Person(
            message.sender_name, message.sender_phone
        )
        for each in submissions
        for message in each.messages
    }
