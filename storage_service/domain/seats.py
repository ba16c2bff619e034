"""Where does a message of one sender in one chat belong? What is there already, and who is seen for the first time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission

Chat = tuple[str, str, str]  # tenant_id, account_id, chat_id
Sitter = tuple[str, str, str, str]  # the same, and sender_id


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was never seen before, as their first message shows them."""

    name: str
    phone: str
    other_id: str  # by which the account knows them as well; "" when by none


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one sender in one chat: account settings, and rows that exist already. chat_id is where the sender
    speaks one to one, when that chat bears another of their ids."""

    channel: str
    account_state: str
    agent_id: str
    quiet_ms: int
    deadline_seconds: int
    prompt_version_id: str | None
    conversation_id: str | None
    contact_id: str | None
    manners: str | None = None
    chat_id: str = ""
    has_moved: bool = False  # the chat has another id by now, under which its conversation goes on

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


def other_id(message: ChannelMessage) -> str:
    """The second id of who wrote; "" when there is none."""
    return message.sender_also_known_as if message.sender_also_known_as != message.sender_id else ""


def sitters(submission: Submission) -> list[Sitter]:
    """Who writes where; the account itself, in no chat; and those who have another id, by that one, in no chat too."""
    account = (submission.tenant_id, submission.account_id)
    others = [(*account, "", other) for message in submission.messages if (other := other_id(message))]
    return [(*account, "", ""), *((*account, m.chat_id, m.sender_id) for m in submission.messages), *others]


def insisting(submission: Submission) -> list[Sitter]:
    """Those for whom a place is made where there is none."""
    account = (submission.tenant_id, submission.account_id)
    messages = [each for each in submission.messages if not (each.only_if_known or each.takes_back)]
    return [(*account, each.chat_id, each.sender_id) for each in messages]


def place(sitter: Sitter, seat: Seat) -> Sitter:
    """Who sits where in truth: one to one, in the chat that bears another of their ids, under that id."""
    if seat.chat_id and sitter[2] == sitter[3]:
        return (*sitter[:2], seat.chat_id, seat.chat_id)
    return sitter


def people(submissions: Sequence[Submission]) -> dict[Sitter, Person]:
    """Everybody who writes, as the last of their messages shows them."""
    shown: dict[Sitter, Person] = {}
    for each in submissions:
        for message in each.messages:
            sitter = (each.tenant_id, each.account_id, message.chat_id, message.sender_id)
            other = other_id(message) or (shown[sitter].other_id if sitter in shown else "")
            shown[sitter] = Person(message.sender_name, message.sender_phone, other)
    return shown
