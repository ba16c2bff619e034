"""What takes a message back, and who may? It is no message itself: the one that it names is emptied, in its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.errors import ParleyError
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission, SubmissionResult
from storage_service.domain.seats import Seat, other_id

# Why a turn ends that has nothing left to answer.
REASON = "taken_back"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Something that is taken back. The conversation is "" where none is known."""

    tenant_id: str
    account_id: str
    conversation_id: str
    message: ChannelMessage


def senders(message: ChannelMessage) -> set[str]:
    """The ids by which the provider knows who wrote it."""
    return {message.sender_id, other_id(message)} - {""}


def where(seat: Seat | None) -> str:
    """The conversation in which something is taken back; "" when there is none."""
    return (seat.conversation_id if seat else None) or ""


def withdrawals(
    submissions: Sequence[Submission], results: Sequence[SubmissionResult | ParleyError]
) -> Iterator[Withdrawal]:
    """What is taken back. Where no conversation is known the message may still come, unless it is one that is passed
    over then."""
    for submission, result in zip(submissions, results, strict=True):
        if isinstance(result, ParleyError):
            continue
        for message, stored in zip(submission.messages, result.messages, strict=True):
            if message.takes_back and (stored.conversation_id or not message.only_if_known):
                yield Withdrawal(submission.tenant_id, submission.account_id, stored.conversation_id, message)
