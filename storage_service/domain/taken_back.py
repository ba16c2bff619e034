"""What takes a message back, and who may? It is no message itself: the one that it names is emptied, in its place."""

from collections.abc import Iterator, Sequence

from kit.errors import ParleyError
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission, SubmissionResult
from storage_service.domain.rows import Key
from storage_service.domain.seats import Seat, other_id

# Why a turn ends that has nothing left to answer.
REASON = "taken_back"


def senders(message: ChannelMessage) -> set[str]:
    """The ids by which the provider knows who wrote it."""
    return {message.sender_id, other_id(message)} - {""}


def where(seat: Seat | None) -> str:
    """The conversation in which something is taken back; "" when there is none."""
    return (seat.conversation_id if seat else None) or ""


def withdrawals(
    submissions: Sequence[Submission], results: Sequence[SubmissionResult | ParleyError]
) -> Iterator[tuple[Key, ChannelMessage]]:
    """The conversations in which something is taken back, and what says so."""
    for submission, result in zip(submissions, results, strict=True):
        if isinstance(result, ParleyError):
            continue
        for message, stored in zip(submission.messages, result.messages, strict=True):
            if message.takes_back and stored.conversation_id:
                yield (submission.tenant_id, stored.conversation_id), message
