"""What is a message to its conversation? Something to answer or not, and perhaps where a new context begins."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from kit.errors import ParleyError
from kit.moments import moment
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission, SubmissionResult
from storage_service.domain import manners
from storage_service.domain.opting import opts_in, opts_out
from storage_service.domain.rows import Key, Lane
from storage_service.domain.seats import Seat

# No gateway holds a webhook for longer (ACCEPT_PATIENCE_SECONDS).
LATE = timedelta(seconds=15)


def spoken_at(message: ChannelMessage, received_at: datetime, *, now: datetime) -> datetime:
    """As the provider says. Else as it came in at its gateway, unless that cannot be, since its clock is wrong: in this
    order a burst is answered, whichever gateways heard it."""
    if message.HasField("provider_at"):
        return moment(message.provider_at)
    return received_at if now - LATE <= received_at <= now else now


def is_answered(lane: Lane, message: ChannelMessage) -> bool:
    """Who opted out comes back with a word; what they write until that turn has ended belongs to it."""
    if message.from_bot or message.from_team or message.no_turn or is_obeyed(lane, message):
        return False
    return is_the_agents(lane, (message.text,)) or (lane.opted_out and lane.has_open_turn)


def is_obeyed(lane: Lane, message: ChannelMessage) -> bool:
    """Whether the provider has done, and said, what the agent would: they left, or are back."""
    return message.HasField("opted_out") and (message.opted_out or lane.opted_out)


def is_the_agents(lane: Lane, texts: Iterable[str]) -> bool:
    """Whether the agent must see it: all that is said to it, and for others the words that only it understands."""
    return (lane.owner == "agent" and not lane.opted_out) or holds_a_word(lane, texts)


def holds_a_word(lane: Lane, texts: Iterable[str]) -> bool:
    """Whether the contact says that they want no more messages; of who said so, that they want them again. That is
    heard whoever owns the conversation."""
    return any(map(opts_in if lane.opted_out else opts_out, texts))


def has_rested(lane: Lane, seat: Seat, *, now: datetime) -> bool:
    """So long that what was said before is no context any more."""
    if lane.has_open_turn or lane.next_seq == 1:
        return False
    moved_at = max(lane.updated_at, lane.last_inbound_at or lane.updated_at)
    return now - moved_at >= manners.session(seat.manners)


def take_overs(
    submissions: Sequence[Submission], results: Sequence[SubmissionResult | ParleyError]
) -> Iterator[tuple[Key, str]]:
    """What humans of the team wrote in a provider's own app: the conversations, and our ids of the messages."""
    for submission, result in zip(submissions, results, strict=True):
        if isinstance(result, ParleyError):
            continue
        for message, stored in zip(submission.messages, result.messages, strict=True):
            if message.from_team and stored.message_id:
                yield (submission.tenant_id, stored.conversation_id), stored.message_id
