"""Who has a delivery? A sender, or nobody: then it waits in its lane."""

from datetime import datetime, timedelta

from storage_service.domain.rows import Delivery, Lane


def hold(lane: Lane, delivery: Delivery, *, worker_id: str, now: datetime, lease: timedelta) -> None:
    """A sender has it from now on, and nothing else of its lane is leased meanwhile."""
    delivery.worker_id, delivery.expires_at = worker_id, now + lease
    delivery.lease_seconds = lease.total_seconds()
    delivery.epoch += 1
    lane.hold_delivery(delivery.id)


def let_go(delivery: Delivery, due_at: datetime) -> None:
    """It waits in its lane until then. Nothing of it is under way."""
    delivery.state, delivery.due_at = "queued", due_at
    delivery.expires_at, delivery.begun = None, False
    delivery.reason = ""


def end_waiting(lane: Lane, delivery: Delivery, *, now: datetime) -> None:
    """What waited, or was leased and not begun, is sent no more. Another one of its lane may be on its way."""
    delivery.expires_at = None
    if lane.sending_delivery_id in {None, delivery.id}:
        lane.end_delivery(now)
    else:
        lane.open_deliveries = max(0, lane.open_deliveries - 1)
