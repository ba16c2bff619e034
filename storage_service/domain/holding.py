"""Who has a delivery?"""

from datetime import datetime, timedelta

from storage_service.domain.rows import Delivery, Lane


def hold(lane: Lane, delivery: Delivery, *, worker_id: str, now: datetime, lease: timedelta) -> None:
    """A sender has it from now on, and nothing else of its lane is leased meanwhile."""
    delivery.worker_id, delivery.expires_at = worker_id, now + lease
    delivery.lease_seconds = lease.total_seconds()
    delivery.epoch += 1
    lane.hold_delivery(delivery.id)
