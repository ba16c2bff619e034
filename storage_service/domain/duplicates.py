"""Was a message accepted before? It is known by its chat and the provider's id, and acknowledged as it was recorded."""

from collections.abc import Mapping, Sequence

from kit.moments import stamp
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage, Submission
from storage_service.domain import late, moved_chats
from storage_service.domain.late import External
from storage_service.domain.seats import Known, Seat, Sitter, place
from storage_service.domain.tombstones import Tombstones


async def find(
    rows: late.LateRows,
    submissions: Sequence[Submission],
    *,
    seats: Mapping[Sitter, Seat],
    tombstones: Tombstones | None,
) -> dict[External, Known | None]:
    """Those that were; None for one that is erased. Without tombstones none is looked for."""
    named = [
        key for each in submissions for message in each.messages for key in external_ids(each, message, seats=seats)
    ]
    if not named or tombstones is None:
        return {}
    digests = {digest: key for key in named for digest in late.digests_of(key, tombstones)}
    before, erased = await rows.seen(named, list(digests))
    return {**dict.fromkeys((digests[each] for each in erased), None), **before}


def external_ids(
    submission: Submission, message: ChannelMessage, *, seats: Mapping[Sitter, Seat]
) -> tuple[External, ...]:
    """What it is known by: in the chat that it names, and in the one that it goes to, where that bears another id."""
    if message.previous_chat_id:
        return (moved_chats.known_by((submission.tenant_id, submission.account_id, message.previous_chat_id)),)
    sitter = (submission.tenant_id, submission.account_id, message.chat_id, message.sender_id)
    named = (*sitter[:3], message.provider_message_id)
    seat = seats.get(sitter)
    if seat is None or not seat.chat_id or place(sitter, seat) == sitter:
        return (named,)
    return named, (*sitter[:2], seat.chat_id, message.provider_message_id)


def answer(known: Known) -> AcceptedMessage:
    """What is said of a message that has its place."""
    return AcceptedMessage(
        message_id=known.id,
        conversation_id=known.conversation_id,
        seq=known.seq,
        turn_id=known.turn_id or "",
        created_at=stamp(known.created_at),
    )


def answer_again(known: Known | None, message: ChannelMessage) -> AcceptedMessage:
    """What is said of its second copy."""
    if known is None:  # Erased, or our own: acknowledged, so that the provider stops, and nothing else.
        return AcceptedMessage(duplicate=True)
    again = answer(known)
    again.duplicate, again.differs = True, known.text != message.text
    return again
