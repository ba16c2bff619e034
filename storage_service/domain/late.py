"""Somebody is unknown: were they erased, and does a webhook come again that was theirs? It makes nobody anew.

Asked only where a place is to be made, so that what known people say costs no look.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission
from storage_service.domain.seats import Known, Seat, Sitter
from storage_service.domain.tombstones import Tombstones

External = tuple[str, str, str, str]  # tenant_id, account_id, chat_id, provider_message_id
Digest = tuple[str, bytes]  # tenant_id, what is left of an erased message
Accepted = Mapping[External, Known]


class LateRows(Protocol):
    """What this needs of a transaction."""

    async def seen(self, external: Sequence[External], digests: Sequence[Digest]) -> tuple[Accepted, set[Digest]]: ...


async def without_erased(
    rows: LateRows, submissions: Sequence[Submission], *, seats: Mapping[Sitter, Seat], tombstones: Tombstones
) -> Sequence[Submission]:
    """The same ones when nothing was erased, else without those messages of people unknown by now that were."""
    stones: dict[Digest, External] = {}
    for each in submissions:
        for message in each.messages:
            if _is_unknown(seats.get((each.tenant_id, each.account_id, message.chat_id, message.sender_id))):
                named = _named(each, message)
                stones.update(dict.fromkeys(digests_of(named, tombstones), named))
    if not stones:
        return submissions
    _, erased = await rows.seen([], list(stones))
    gone = {stones[digest] for digest in erased}
    return [_without(each, gone) for each in submissions] if gone else submissions


def digests_of(named: External, tombstones: Tombstones) -> list[Digest]:
    """What would be left of it if it was erased."""
    tenant_id, account_id, chat_id, provider_message_id = named
    found = tombstones.to_find(tenant_id, account_id, chat_id=chat_id, provider_message_id=provider_message_id)
    return [(tenant_id, digest) for digest in found]


def _is_unknown(seat: Seat | None) -> bool:
    return seat is not None and not (seat.conversation_id and seat.contact_id)


def _named(submission: Submission, message: ChannelMessage) -> External:
    number = message.takes_back or message.provider_message_id  # nobody takes back what is erased
    return (submission.tenant_id, submission.account_id, message.chat_id, number)


def _without(submission: Submission, gone: set[External]) -> Submission:
    """For the look who sits where; nothing but this is read of it."""
    messages = [message for message in submission.messages if _named(submission, message) not in gone]
    return Submission(tenant_id=submission.tenant_id, account_id=submission.account_id, messages=messages)
