"""A provider gives a chat another id. What is said by which id goes on in the same conversation?

All that comes under the new one, and what still comes under the old one, such as a webhook that is repeated late.
Each chat numbers its messages by itself, so that what came under the old id stays known by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission
from storage_service.domain.late import External, LateRows
from storage_service.domain.seats import Chat, Seat, Sitter

# Stands for the provider's id of the message that says so: whichever of the two chats it stands in, it is one.
MOVED = "moved"


def known_by(old: Chat) -> External:
    """What the message that a chat has moved is known by."""
    return (*old, MOVED)


def moves(submissions: Sequence[Submission]) -> Iterator[tuple[Chat, ChannelMessage]]:
    """The chats that are said to have another id now, and what says so."""
    for each in submissions:
        for message in each.messages:
            if message.previous_chat_id and message.previous_chat_id != message.chat_id:
                yield (each.tenant_id, each.account_id, message.previous_chat_id), message


async def followed(rows: LateRows, seats: Mapping[Sitter, Seat]) -> Mapping[Sitter, Seat]:
    """Who says something in a chat that has moved gets a seat in its conversation. Only chats among several people
    move, and only those are looked for that have no conversation by their id."""
    new = [sitter for sitter, seat in seats.items() if sitter[2] not in ("", sitter[3]) and not seat.conversation_id]
    if not new:
        return seats
    moved, _ = await rows.seen(sorted({known_by(sitter[:3]) for sitter in new}), [])
    found = {sitter: moved[known_by(sitter[:3])] for sitter in new if known_by(sitter[:3]) in moved}
    there = {s: replace(seats[s], conversation_id=each.conversation_id, has_moved=True) for s, each in found.items()}
    return {**seats, **there}
