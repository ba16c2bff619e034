"""When does a reply go on that broke off, since nobody knew what became of one of its parts? When a receipt says that
this part was taken, and nothing that was said later has gone out: else it would be read in the wrong order."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from storage_service.domain import reply_windows
from storage_service.domain.called_off import CALLED_OFF
from storage_service.domain.changes import Changes
from storage_service.domain.holding import let_go
from storage_service.domain.rows import Attempt, Delivery, Key, Lane
from storage_service.domain.standing import standing


class OvertakenRows(Protocol):
    """What is known of the lanes of deliveries."""

    async def overtaken(self, keys: Sequence[Key]) -> Set[Key]: ...


async def overtaken(rows: OvertakenRows, deliveries: Mapping[Key, Delivery]) -> Set[Key]:
    """Those that broke off and behind which something was called for."""
    broken = sorted(key for key, delivery in deliveries.items() if _is_broken_off(delivery))
    return await rows.overtaken(broken) if broken else frozenset()


def go_on(delivery: Delivery, attempts: Sequence[Attempt], *, lane: Lane, changes: Changes, now: datetime) -> bool:
    """Queues what is missing, as the next of its lane. False where it stays as it is."""
    is_in_doubt = not attempts or attempts[-1].part >= standing(attempts).next_part
    if is_in_doubt or lane.sending_delivery_id or not _is_broken_off(delivery):
        return False
    if not reply_windows.may_be_said(lane, delivery):
        return False
    delivery.part_attempts, delivery.updated_at = 0, now
    let_go(delivery, now)
    lane.queue_delivery(now)
    changes.sending_lanes[lane.id] = lane
    return True


def _is_broken_off(delivery: Delivery) -> bool:
    """Of one that was called off on purpose, or ended with its backup, nothing more is said."""
    is_unknown = delivery.state == "unknown" and delivery.reason not in CALLED_OFF
    return is_unknown and delivery.parts_sent < delivery.parts and delivery.parts > 1
