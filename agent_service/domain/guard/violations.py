"""What is told of a violation? Its rule, never its text: a log line, a metric, and an alert when a tenant has many.

The count for the alert is this process's own and is lost with it; the metric adds up over all.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from agent_service.domain.guard.verdict import Hit, Side
from kit import logs, metrics

# More violations than this in an hour are an alert, once an hour for each tenant.
MOST_AN_HOUR = 10
HOUR = timedelta(hours=1)
MOST_TENANTS = 10_000


class Violations:
    """Counts and tells."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._recent: dict[str, deque[datetime]] = {}
        self._alerted_at: dict[str, datetime] = {}
        self._log = logs.get("agent.guard")

    def note(self, tenant_id: str, hits: Iterable[Hit], *, side: Side) -> None:
        """One text that met these rules: a line and a count for each rule, one towards the alert."""
        hits = tuple(hits)
        for hit in hits:
            labels = {"rule": hit.rule, "action": hit.action.label, "side": side.value}
            metrics.guard_violations.labels(**labels).inc()
            self._log.warning("guard.violation", category=hit.category, tenant=tenant_id, **labels)
        if hits:
            self._count(tenant_id)

    def _count(self, tenant_id: str) -> None:
        now = self._now()
        if len(self._recent) >= MOST_TENANTS and tenant_id not in self._recent:
            self._recent.clear()
            self._alerted_at.clear()
        recent = self._recent.setdefault(tenant_id, deque(maxlen=MOST_AN_HOUR + 1))
        recent.append(now)
        many = len(recent) > MOST_AN_HOUR and now - recent[0] < HOUR
        alerted_at = self._alerted_at.get(tenant_id)
        if many and (alerted_at is None or now - alerted_at >= HOUR):
            self._alerted_at[tenant_id] = now
            metrics.guard_alerts.inc()
            self._log.error(
                "guard.alert", tenant=tenant_id, more_than=MOST_AN_HOUR, within_seconds=HOUR.total_seconds()
            )
