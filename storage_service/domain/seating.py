"""How does everybody get a place? Those who are known have one; chats and people that are new are made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from parley.storage.v1.inbox_service_pb2 import Submission
from storage_service.domain import late, moved_chats, other_ids
from storage_service.domain.late import LateRows
from storage_service.domain.other_ids import IdRows
from storage_service.domain.seats import Chat, Person, Seat, Sitter, insisting, people, place, sitters
from storage_service.domain.tombstones import Tombstones

# So often is it looked whether two ids are one person's by now; what is apart still, the next message brings together.
MOST_MEETINGS = 3


class SeatRows(LateRows, Protocol):
    """What this needs of a transaction, before it locks anything."""

    @property
    def ids(self) -> IdRows: ...
    async def seats(self, sitters: Sequence[Sitter]) -> Mapping[Sitter, Seat]: ...
    async def seat(
        self, missing: Mapping[Sitter, Seat], people: Mapping[Sitter, Person], *, new_id: Callable[[], str]
    ) -> Mapping[Chat, str]: ...


async def seated(
    rows: SeatRows, submissions: Sequence[Submission], *, new_id: Callable[[], str], tombstones: Tombstones | None
) -> Mapping[Sitter, Seat]:
    """Everybody's place; none for whoever was erased and says nothing new. What others made at the same moment, the
    next look finds."""
    seats = await rows.seats(_asked(submissions))
    if tombstones:
        submissions = await late.without_erased(rows, submissions, seats=seats, tombstones=tombstones)
        seats = {sitter: seats[sitter] for sitter in _asked(submissions) if sitter in seats}
    seats = await _acquainted(rows, submissions, seats=seats)
    seats = await moved_chats.followed(rows, seats)
    missing = {s: seat for s, seat in seats.items() if s[2] and not (seat.conversation_id and seat.contact_id)}
    opened = {sitter[:3] for each in submissions for sitter in insisting(each)}
    missing = {s: seat for s, seat in missing.items() if seat.conversation_id or s[:3] in opened}
    missing = {s: seat for s, seat in missing.items() if seat.account_state != "disabled"}
    if not missing:
        return seats
    places = {s: place(s, seat) for s, seat in missing.items()}
    made = await rows.seat({places[s]: seat for s, seat in missing.items()}, people(submissions), new_id=new_id)
    chats = {s: made[where[:3]] for s, where in places.items() if where[:3] in made}
    return {**seats, **{s: replace(missing[s], conversation_id=made_id) for s, made_id in chats.items()}}


def _asked(submissions: Sequence[Submission]) -> list[Sitter]:
    return sorted({sitter for each in submissions for sitter in sitters(each)})


async def _acquainted(
    rows: SeatRows, submissions: Sequence[Submission], *, seats: Mapping[Sitter, Seat]
) -> Mapping[Sitter, Seat]:
    for _ in range(MOST_MEETINGS):
        pairs = other_ids.apart(submissions, seats)
        if not pairs:
            break
        for pair in pairs:
            await other_ids.acquaint(rows.ids, pair)
        seats = await rows.seats(_asked(submissions))
    return seats
