"""How do senders take fetches and bring back what they got? And when is a turn due that waited for them?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from kit.errors import InvalidField, LeaseLost, ParleyError
from kit.moments import seconds
from parley.storage.v1 import media_service_pb2 as pb
from storage_service.domain.accepting import Lanes
from storage_service.domain.asks import Ask
from storage_service.domain.changes import Changes
from storage_service.domain.media import MOST_LEASES, Media, leased, told
from storage_service.domain.rows import Key, Lane
from storage_service.domain.turns import Done
from storage_service.domain.weights import fitting

Conversations = dict[Key, list[Media]]


class MediaRows(Protocol):
    """Reads and locks of media, and their bytes."""

    async def ready(self, most: int) -> Sequence[Media]: ...
    async def next_due(self) -> datetime | None: ...
    async def find(self, key: Key) -> Media | None: ...
    async def open_of(self, conversation: Key) -> Sequence[Media]: ...
    async def attachments(self, message: Key) -> str | None: ...
    async def append(self, request: pb.AppendMediaRequest) -> bool: ...
    async def pieces(self, key: Key, *, below: int) -> int: ...
    async def trim(self, key: Key, *, to: int) -> None: ...
    async def old(self, before: datetime, most: int) -> Sequence[Media]: ...


class FetchingRows(Protocol):
    """What fetching needs of a transaction."""

    now: datetime

    @property
    def media(self) -> MediaRows: ...
    async def lanes(self, keys: Sequence[Key]) -> Lanes: ...
    async def write(self, changes: Changes) -> None: ...


async def lease(rows: FetchingRows, asks: Sequence[Ask]) -> list[list[pb.LeasedFetch]]:
    """Work for each ask, longest due first. What was leased too often ends instead."""
    changes, waiting = Changes(), await rows.media.ready(sum(ask.most for ask in asks))
    spent = [each for each in waiting if each.attempts >= MOST_LEASES]
    fresh = [each for each in waiting if each.attempts < MOST_LEASES]
    lanes = await rows.lanes(sorted({_conversation(each) for each in spent})) if spent else {}
    for each in spent:
        each.give_up("gave_up", now=rows.now)
        await _tell(rows, each, lane=lanes.get(_conversation(each)), changes=changes)
    given: list[list[pb.LeasedFetch]] = []
    for ask in asks:
        taken, fresh = fresh[: ask.most], fresh[ask.most :]
        for each in taken:
            each.lease(ask.worker_id, now=rows.now, lease=ask.lease)
            changes.media[each.id] = each
        given.append([leased(each) for each in taken])
    await rows.write(changes)
    return given


async def append(rows: FetchingRows, request: pb.AppendMediaRequest) -> ParleyError | None:
    """One piece, while the lease is held; which it renews."""
    return None if await rows.media.append(request) else LeaseLost()


async def end(rows: FetchingRows, item: pb.EndFetchRequest) -> Done:
    """The conversation first: whoever accepts or erases its messages holds it, too."""
    conversation = (item.tenant_id, item.conversation_id)
    lane = (await rows.lanes([conversation])).get(conversation)
    media = await rows.media.find((item.tenant_id, item.media_id))
    if lane is None or media is None or media.conversation_id != lane.id:
        return Done(error=LeaseLost())
    if not media.is_held(item.worker_id, item.epoch):
        before = media.was_ended(item.worker_id, item.epoch)
        return Done(duplicate=True) if before else Done(error=LeaseLost())
    if item.outcome == pb.FETCH_OUTCOME_STORED:
        if await rows.media.pieces(media.key, below=item.pieces) != item.pieces:
            return Done(error=InvalidField([("pieces", "are not all stored")]))
        media.store(item, now=rows.now)
    elif item.outcome == pb.FETCH_OUTCOME_UNAVAILABLE:
        media.give_up(item.reason or "unavailable", now=rows.now)
    elif item.outcome == pb.FETCH_OUTCOME_RETRY:
        media.put_back(rows.now + timedelta(seconds=seconds(item.retry_after)), reason=item.reason)
    else:
        media.put_back(rows.now)
        media.attempts -= 1
    await rows.media.trim(media.key, to=media.pieces)
    changes = Changes()
    await _tell(rows, media, lane=lane, changes=changes, excerpt=item.excerpt)
    await rows.write(changes)
    return Done()


async def expire(rows: FetchingRows, before: datetime, *, most: int, most_pieces: int) -> tuple[int, bool]:
    """Bytes that were kept long enough go, of so many files and so many pieces at once; their message, and who asks for
    them, is told that they were here. How many files that were, and whether there may be more."""
    old = await rows.media.old(before, most)
    some = old[: fitting((each.pieces for each in old), most_pieces)]
    lanes = await rows.lanes(sorted({_conversation(each) for each in some})) if some else {}
    changes, count = Changes(), 0
    for each in some:
        media = await rows.media.find(each.key)
        if media is None or media.ended_at is None:  # erased, or expired, before the lock was ours
            continue
        if media.pieces > most_pieces and await _trimmed(rows, media, most_pieces=most_pieces):
            continue
        media.expire()
        await rows.media.trim(media.key, to=0)
        await _tell(rows, media, lane=lanes.get(_conversation(media)), changes=changes)
        count += 1
    await rows.write(changes)
    return count, len(some) < len(old) or len(old) == most or count < len(some)


async def _trimmed(rows: FetchingRows, media: Media, *, most_pieces: int) -> bool:
    """The last pieces of a large file go. False when so few are left that all may go, and its row with them."""
    left = await rows.media.pieces(media.key, below=media.pieces)
    if left > most_pieces:
        await rows.media.trim(media.key, to=left - most_pieces)
    return left > most_pieces


async def give_back(rows: FetchingRows, given: Sequence[pb.LeasedFetch], *, worker_id: str) -> None:
    """What never reached its worker. It was no attempt."""
    for each in given:
        item = pb.EndFetchRequest(
            worker_id=worker_id,
            tenant_id=each.tenant_id,
            media_id=each.media_id,
            conversation_id=each.conversation_id,
            epoch=each.epoch,
            outcome=pb.FETCH_OUTCOME_RELEASED,
        )
        await end(rows, item)


async def _tell(rows: FetchingRows, media: Media, *, lane: Lane | None, changes: Changes, excerpt: str = "") -> None:
    """Writes it, into the message too when it has ended, and lets the turn go that waited for it."""
    changes.media[media.id] = media
    if media.is_open:
        changes.fetches_wait = True
        return
    message = (media.tenant_id, media.message_id)
    known = changes.attached[message] if message in changes.attached else await rows.media.attachments(message)
    changes.attached[message] = told(known, media, excerpt=excerpt)
    if lane is None or lane.held_until is None:
        return
    waits = [each for each in await rows.media.open_of(lane.key) if _is_waited_for(each, lane, changes=changes)]
    if not waits:
        lane.let_go(rows.now)
        changes.leased_lanes[lane.id] = lane


def _is_waited_for(media: Media, lane: Lane, *, changes: Changes) -> bool:
    """Of the turn that waits. What an earlier one did not wait for is nobody's reason to wait."""
    ended = media.id in changes.media and not changes.media[media.id].is_open
    return not ended and (lane.waiting_since is None or media.created_at >= lane.waiting_since)


def _conversation(media: Media) -> Key:
    return media.tenant_id, media.conversation_id
