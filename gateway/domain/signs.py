"""Which accounts are refused, believed or heard? Gathered between two reports, so that no webhook costs a write.

Who forges webhooks can cause one row to be written every few seconds, and none that says more than that it was forged.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from channels.host import Verdict
from gateway.domain.reception import Outcome
from kit.moments import stamp
from parley.storage.v1.account_health_pb2 import AccountReport

MOST_ACCOUNTS = 10_000
MOST_AT_ONCE = 500
# What is good is told seldom: only "when last" is worth knowing.
GOOD_EVERY = timedelta(minutes=1)
COUNTED = {"signature", "stale", "secret_missing", "account"}

Key = tuple[str, str]  # tenant_id, account_id


@dataclass(slots=True)
class _Noted:
    """Since the last report."""

    refused: int = 0
    reason: str = ""
    believed_at: datetime | None = None
    heard_at: datetime | None = None
    told_at: datetime | None = None  # when it was told last that all is well
    told_refused: bool = False  # whether the last report was of refusals

    def is_due(self, now: datetime) -> bool:
        if self.refused:
            return True
        if self.believed_at is None:
            return False
        return self.told_refused or self.told_at is None or now - self.told_at >= GOOD_EVERY


@dataclass(slots=True)
class Signs:
    """What was noted of each account."""

    now: Callable[[], datetime]
    _noted: dict[Key, _Noted] = field(default_factory=dict)

    def note(self, outcome: Outcome) -> None:
        """A webhook was refused or believed. One that proves nothing at all is a stranger's, and counts for nothing."""
        received = outcome.received
        if received.verdict is Verdict.REFUSED:
            if received.reason in COUNTED and not received.lacks:
                noted = self._of(outcome)
                noted.refused, noted.reason = noted.refused + 1, received.reason
            return
        noted = self._of(outcome)
        noted.refused, noted.reason, noted.believed_at = 0, "", self.now()
        if received.messages:
            noted.heard_at = noted.believed_at

    def due(self) -> list[AccountReport]:
        """What is to be reported now; it counts as reported unless it is taken back."""
        now = self.now()
        reports: list[AccountReport] = []
        for (tenant_id, account_id), noted in self._noted.items():
            if not noted.is_due(now) or len(reports) == MOST_AT_ONCE:
                continue
            report = AccountReport(tenant_id=tenant_id, account_id=account_id)
            report.refused, report.refused_reason = noted.refused, noted.reason
            if noted.believed_at is not None:
                report.believed_at.CopyFrom(stamp(noted.believed_at))
                noted.told_at = now
            if noted.heard_at is not None:
                report.heard_at.CopyFrom(stamp(noted.heard_at))
            noted.told_refused = bool(noted.refused)
            noted.refused, noted.reason, noted.believed_at, noted.heard_at = 0, "", None, None
            reports.append(report)
        return reports

    def take_back(self, reports: list[AccountReport]) -> None:
        """They could not be told. Refusals are kept; that all is well will be seen again."""
        for each in reports:
            noted = self._noted.get((each.tenant_id, each.account_id))
            if noted is None:
                continue
            noted.told_at = None
            if each.refused and noted.believed_at is None:
                noted.refused, noted.reason = noted.refused + each.refused, noted.reason or each.refused_reason

    def _of(self, outcome: Outcome) -> _Noted:
        key = outcome.account.tenant_id, outcome.account.known.id
        if key not in self._noted and len(self._noted) >= MOST_ACCOUNTS:
            self._noted.pop(next(iter(self._noted)))
        return self._noted.setdefault(key, _Noted())
