"""Which of the deliveries that are due may somebody take now? Those whose account sends."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage_service.domain.changes import Changes
from storage_service.domain.holding import hold, let_go
from storage_service.domain.leased import Head
from storage_service.domain.pacing import PACED, Paces
from storage_service.domain.rows import Delivery, Lane


@dataclass(frozen=True, slots=True)
class Leasing:
    """The leases of one transaction. Lanes are locked."""

    now: datetime
    changes: Changes
    paces: Paces

    def lease(self, lane: Lane, delivery: Delivery, *, worker_id: str, lease: timedelta) -> None:
        hold(lane, delivery, worker_id=worker_id, now=self.now, lease=lease)
        self._touch(lane, delivery)

    def must_wait(self, lane: Lane, delivery: Delivery) -> bool:
        """True when its account sends nothing now: then nobody leases it, and it keeps its place in the line."""
        due_at = self.paces.place(delivery, at=self.now)
        if due_at is None:
            return False
        let_go(delivery, due_at)
        delivery.reason = PACED
        lane.return_delivery(due_at)
        self._touch(lane, delivery)
        return True

    def is_settled(self, lane: Lane, head: Head | None) -> bool:
        """True when there is nothing to lease now: no delivery, one that waits for its retry, or a paused account."""
        if head is None:
            lane.open_deliveries, lane.delivery_due_at = 0, None
        elif head.account_state != "active":
            lane.park()
        elif head.delivery.due_at > self.now:
            lane.delivery_due_at = head.delivery.due_at
        else:
            return False
        self.changes.sending_lanes[lane.id] = lane
        return True

    def _touch(self, lane: Lane, delivery: Delivery) -> None:
        delivery.updated_at = self.now
        self.changes.deliveries[delivery.id] = delivery
        self.changes.sending_lanes[lane.id] = lane
