"""Which deliveries go no further, and what follows when it is the provider who says that somebody wants no messages?"""

from collections.abc import Sequence
from datetime import datetime

from kit.errors import LeaseLost, OwnerChanged, ParleyError
from storage_service.domain import changing
from storage_service.domain.changes import Changes
from storage_service.domain.rows import Delivery, Lane

# Why a delivery that is being sent goes no further: the call that is under way ends, and no other begins.
CALLED_OFF = ("owner_changed", "erased", "opted_out")


def went_no_further(delivery: Delivery) -> bool:
    return delivery.state == "failed" and delivery.reason in CALLED_OFF


def lost(delivery: Delivery) -> ParleyError:
    """Why a worker may not go on with what it had leased."""
    return OwnerChanged() if went_no_further(delivery) else LeaseLost()


def opt_out(lane: Lane, delivery: Delivery, *, unsent: Sequence[Delivery], changes: Changes, now: datetime) -> None:
    """The provider refused it because the person opted out there: the same as if they had said so here.

    They are told nothing, since nothing reaches them; what else waits is called off.
    """
    others = [each for each in unsent if each.id != delivery.id]
    due_at = lane.delivery_due_at
    changing.call_off(lane, others, changes=changes, now=now)
    lane.delivery_due_at = due_at if not others else None
    changing.set_opting(lane, out=True, changes=changes, now=now)
    changes.touch(lane, now)
