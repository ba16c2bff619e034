"""Did a human of the team write this in the provider's app, or does the provider show us what we sent ourselves?

Some providers tell the two apart by nothing. Ours has the id of a send, or, while nobody knows what became of a send,
what it shows: then it says that the send was taken, too. https://developers.facebook.com/docs/messenger-platform/instagram
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.echoes import shown
from kit.moments import moment
from parley.chat.v1.message_pb2 import ATTACHMENT_KIND_UNSUPPORTED, ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission
from storage_service.domain.receipts import ReceiptRows
from storage_service.domain.rows import Receipt
from storage_service.domain.seats import Chat

External = tuple[str, str, str, str]  # tenant_id, account_id, chat_id, provider_message_id


@dataclass(frozen=True, slots=True)
class InFlight:
    """A call of which nobody knows yet whether it was taken."""

    delivery_id: str
    part: int
    shown: str  # as its sender said it


class EchoRows(ReceiptRows, Protocol):
    """What this needs of a transaction."""

    async def in_flight(self, chat: Chat) -> Sequence[InFlight]: ...


async def ours(
    rows: EchoRows, submissions: Sequence[Submission], *, new_id: Callable[[], str]
) -> dict[External, Receipt]:
    """Those that we sent ourselves, each as the receipt that it is."""
    found: dict[External, Receipt] = {}
    for submission in submissions:
        for message in submission.messages:
            if message.from_team:
                chat = (submission.tenant_id, submission.account_id, message.chat_id)
                # Before the look by id: a send that is recorded in between is found by that one.
                flying = _same(message, await rows.in_flight(chat))
                receipt = _receipt(chat, message, flying=flying, id_=new_id(), rows=rows)
                if flying or await rows.targets([receipt]):
                    found[(*chat, message.provider_message_id)] = receipt
    return found


def _same(message: ChannelMessage, in_flight: Sequence[InFlight]) -> InFlight | None:
    """The call that shows what this shows: its words, or where there are none, that it is a file."""
    is_file = any(each.kind != ATTACHMENT_KIND_UNSUPPORTED for each in message.attachments)
    seen = shown(message.text, file=is_file)
    return next((each for each in in_flight if seen and each.shown == seen), None)


def _receipt(chat: Chat, message: ChannelMessage, *, flying: InFlight | None, id_: str, rows: EchoRows) -> Receipt:
    return Receipt(
        tenant_id=chat[0],
        id=id_,
        account_id=chat[1],
        provider_message_id=message.provider_message_id,
        delivery_id=flying.delivery_id if flying else "",
        part=flying.part if flying else 0,
        state="sent",
        provider_code="",
        window_closed=False,
        opted_out=False,
        provider_at=moment(message.provider_at) if message.HasField("provider_at") else None,
        matched=False,
        created_at=rows.now,
    )
