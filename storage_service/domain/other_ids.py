"""A provider knows somebody by two ids, and says one, the other or both: who are they, and where is their chat?

Whoever brings both makes one of what there is: one contact, and for what they say from then on one chat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from parley.storage.v1.inbox_service_pb2 import Submission
from storage_service.domain.seats import Seat, Sitter, other_id


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """The two ids of one person, as one message states them; the phone number is the first one's."""

    tenant_id: str
    account_id: str
    first: str
    second: str
    channel: str
    phone: str


@dataclass(frozen=True, slots=True)
class KnownId:
    """An id that the account knows: whose it is, and the chat of what they say one to one, if it bears another id."""

    sender_id: str
    contact_id: str
    chat_id: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A chat that bears one of the two ids, and exists."""

    chat_id: str
    owner: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Union:
    """What both ids are from now on, and the contact, if there were two, that is nobody any more."""

    contact_id: str
    left_contact_id: str
    chat_id: str
    new: Sequence[str]  # the ids that are not known yet


class IdRows(Protocol):
    """What this reads and writes, in a transaction of its own, before any lane is locked."""

    async def hold(self, pair: Pair) -> tuple[Sequence[KnownId], Sequence[Begun]]:
        """What is known of both, locked."""

    async def unite(self, pair: Pair, union: Union) -> None: ...
    async def let_go(self) -> None: ...


def apart(submissions: Sequence[Submission], seats: Mapping[Sitter, Seat]) -> list[Pair]:
    """The pairs of which one id is unknown, or another contact's, or has another chat. Of whom both are unknown, they
    are made together."""
    found: set[Pair] = set()
    for each in submissions:
        account = (each.tenant_id, each.account_id)
        for message in each.messages:
            if not (other := other_id(message)):
                continue
            one, two = seats.get((*account, message.chat_id, message.sender_id)), seats.get((*account, "", other))
            if one is None or two is None or one.account_state == "disabled":
                continue
            if (message.only_if_known or message.takes_back) and not one.conversation_id:
                continue
            if _whose(one, message.sender_id) != _whose(two, other) and (one.contact_id or two.contact_id):
                found.add(Pair(*account, message.sender_id, other, one.channel, message.sender_phone))
    return sorted(found)


async def acquaint(rows: IdRows, pair: Pair) -> None:
    """Makes one of two. Who was erased meanwhile is new."""
    known, chats = await rows.hold(pair)
    if known:
        await rows.unite(pair, united(pair, known, chats=chats))
    else:
        await rows.let_go()


def united(pair: Pair, known: Sequence[KnownId], *, chats: Sequence[Begun]) -> Union:
    """The older contact stays, and of two chats the one that is not the agent's alone: a human beats the bot. A chat
    that bears neither id is not theirs any more: so it is when the number is another, and what is said now must not go
    to the old one."""
    both = (pair.first, pair.second)
    lead = {chat_id for each in known if (chat_id := each.chat_id or each.sender_id) in both}
    chat_id = lead.pop() if len(lead) == 1 else _better([each for each in chats if each.chat_id in lead], pair)
    contacts = sorted({each.contact_id for each in known})
    there = {each.sender_id for each in known}
    return Union(
        contact_id=contacts[0],
        left_contact_id=contacts[1] if len(contacts) > 1 else "",
        chat_id=chat_id,
        new=[each for each in both if each not in there],
    )


def _better(chats: Sequence[Begun], pair: Pair) -> str:
    return max(chats, key=_weight).chat_id if chats else pair.first


def _weight(chat: Begun) -> tuple[bool, datetime]:
    return chat.owner != "agent", chat.updated_at


def _whose(seat: Seat, sender_id: str) -> tuple[str | None, str]:
    return seat.contact_id, seat.chat_id or sender_id
