"""How much may one answer carry? Little beside the largest gRPC message: one that is larger is lost as a whole.

Whatever comes first always fits: a single message is far below it.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile

from parley.chat.v1.message_pb2 import TURN_KIND_SUMMARY
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

# Below the 4 MiB that gRPC clients of other languages take off the shelf. Also of a list that has no pages.
MOST_LEASED_BYTES = 4_000_000
# A page is read by people, and by who pages on.
MOST_LISTED_BYTES = 1024 * 1024
# What the row of a message weighs beside what was said: ids, times.
ROW_BYTES = 512


def fitting(weights: Iterable[int], most: int) -> int:
    """How many of the first fit together; the very first does."""
    return max(1, sum(1 for _ in takewhile(lambda total: total <= most, accumulate(weights))))


def said(text: str, attachments: str | None) -> int:
    """What a message weighs, by what stands in its row."""
    return ROW_BYTES + len(text.encode()) + len((attachments or "").encode())


def lightened(turn: LeasedTurn) -> int:
    """What a turn weighs once the oldest of its history is left out, as far as it is too much to carry: the model's
    window has no room for it either. All that is to be answered stays, and all that is to be summarised."""
    weight = turn.ByteSize()
    if weight <= MOST_LEASED_BYTES or turn.kind == TURN_KIND_SUMMARY:
        return weight
    weight -= _leave_out(turn, [each.ByteSize() for each in turn.history], excess=weight - MOST_LEASED_BYTES)
    return weight


def _leave_out(turn: LeasedTurn, weights: Sequence[int], *, excess: int) -> int:
    """What it came to."""
    count, total = 0, 0
    while count < len(weights) and total < excess:
        total += weights[count]
        count += 1
    del turn.history[:count]
    return total
