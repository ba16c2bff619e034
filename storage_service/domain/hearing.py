"""What is a message to its conversation? Something to answer or not, and perhaps where a new context begins."""

from datetime import datetime

from parley.chat.v1.message_pb2 import ChannelMessage
from storage_service.domain import manners
from storage_service.domain.opting import opts_in
from storage_service.domain.rows import Lane, Seat


def is_answered(lane: Lane, message: ChannelMessage) -> bool:
    """Who opted out comes back with a word; what they write until that turn has ended belongs to it."""
    if message.from_bot:
        return False
    return lane.owner == "agent" or (lane.opted_out and (lane.has_open_turn or opts_in(message.text)))


def has_rested(lane: Lane, seat: Seat, *, now: datetime) -> bool:
    """So long that what was said before is no context any more."""
    if lane.has_open_turn or lane.next_seq == 1:
        return False
    moved_at = max(lane.updated_at, lane.last_inbound_at or lane.updated_at)
    return now - moved_at >= manners.session(seat.manners)
