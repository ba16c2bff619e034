"""No answer could be made. Is the same asked once more, later? Where the agent's manners say so, and at most once."""

from datetime import timedelta

from agent_service.domain.draft import FAILED, SUPPRESSED, Ending
from parley.chat.v1.message_pb2 import Message, Role
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage

AGENT = Role.ROLE_AGENT


def failed(turn: LeasedTurn, reason: str, *, text: str, usage: Usage, kept: str) -> Ending:
    """The person is told, unless they were when the first try failed."""
    if turn.second_try and all(was_told(turn, message) for message in turn.messages):
        return Ending(SUPPRESSED, reason, (), usage, kept)
    seconds = 0 if turn.second_try else turn.setting.manners.try_again_seconds
    again = timedelta(seconds=seconds) if seconds else None
    return Ending(FAILED, reason, (text,), usage, kept, try_again=again)


def was_told(turn: LeasedTurn, message: Message) -> bool:
    """Whether the agent has spoken since: what was to be said at once is said, and what was commanded is done."""
    if not turn.second_try:
        return False
    return message.seq < max((said.seq for said in turn.history if said.role == AGENT), default=0)
