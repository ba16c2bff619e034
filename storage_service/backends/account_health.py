"""What was noted of channel accounts, and what follows from it? Written by the gateway's reports, judged when read."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from sqlmodel import col, select

from kit import logs, metrics
from kit.errors import ParleyError
from kit.moments import moment, stamp
from parley.storage.v1 import account_health_pb2 as pb
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import AccountSigns, ChannelAccount, Listener
from storage_service.domain import health
from storage_service.domain.health import Health, Signs, Standing

Opens = Callable[[ChannelAccount], bool]

COUNTED_EVERY_SECONDS = 60.0
_LEVELS: Mapping[str, pb.AccountHealthState] = {
    "ok": pb.ACCOUNT_HEALTH_STATE_OK,
    "look": pb.ACCOUNT_HEALTH_STATE_LOOK,
    "broken": pb.ACCOUNT_HEALTH_STATE_BROKEN,
}


@dataclass(frozen=True, slots=True)
class Noted:
    """The rows beside an account."""

    signs: AccountSigns | None = None
    listener: Listener | None = None


NOTHING = Noted()


class AccountHealth:
    """Of all accounts."""

    def __init__(self, sessions: Sessions, *, opens: Opens) -> None:
        self._sessions = sessions
        self._opens = opens
        self._shown: set[tuple[str, str]] = set()
        self._log = logs.get("accounts")

    async def report(self, request: pb.ReportAccountsRequest, actor: str) -> pb.ReportAccountsResponse:
        """One transaction per tenant. An account that does not exist, or is another tenant's, is passed over."""
        by_tenant: dict[str, list[pb.AccountReport]] = {}
        for each in request.reports:
            by_tenant.setdefault(each.tenant_id, []).append(each)
        noted = 0
        for tenant_id, reports in sorted(by_tenant.items()):
            noted += await self._sessions.write(Who(tenant_id, actor), _Noting(reports))
        return pb.ReportAccountsResponse(noted=noted)

    async def count(self) -> None:
        """Shows how many accounts stand how. Of a reason that nobody has any more it shows 0."""
        async with self._sessions.across_tenants() as session:
            accounts = (await session.exec(select(ChannelAccount))).all()
            noted = _by_account(
                (await session.exec(select(AccountSigns))).all(), (await session.exec(select(Listener))).all()
            )
        found: dict[tuple[str, str], int] = dict.fromkeys(self._shown, 0)
        for account in accounts:
            now, opens = self._sessions.now(), self._opens(account)
            standing = _judged(account, noted.get(account.id, NOTHING), now=now, opens=opens)
            key = account.channel, standing.reason or standing.level
            found[key] = found.get(key, 0) + 1
        for (channel, reason), count in found.items():
            metrics.accounts.labels(channel=channel, health=reason).set(count)
        self._shown = set(found)

    async def keep_counting(self, stopping: asyncio.Event) -> None:
        """Beside the service's work: a database that is away is counted a minute later."""
        while not stopping.is_set():
            try:
                await self.count()
            except ParleyError as error:
                self._log.warning("accounts.not_counted", reason=error.name)
            try:
                async with asyncio.timeout(COUNTED_EVERY_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                continue


class _Noting:
    """The reports of one tenant, as one transaction's work."""

    def __init__(self, reports: Sequence[pb.AccountReport]) -> None:
        self._reports = {each.account_id: each for each in reports}

    async def __call__(self, rows: Rows) -> int:
        there = await rows.all(rows.select(ChannelAccount).where(col(ChannelAccount.id).in_(list(self._reports))))
        noted = await read(rows, [each.id for each in there])
        for account in there:
            row = noted.get(account.id, NOTHING).signs
            if row is None:
                row = AccountSigns(tenant_id=rows.tenant_id, account_id=account.id, updated_at=rows.now)
                await rows.add(row)
            _note(row, self._reports[account.id], now=rows.now)
        await rows.flush()
        return len(there)


async def read(rows: Rows, account_ids: Iterable[str]) -> dict[str, Noted]:
    """What is known, by account."""
    wanted = list(account_ids)
    signs = await rows.all(rows.select(AccountSigns).where(col(AccountSigns.account_id).in_(wanted)))
    listeners = await rows.all(rows.select(Listener).where(col(Listener.account_id).in_(wanted)))
    return _by_account(signs, listeners)


def shown(account: ChannelAccount, noted: Noted, *, now: datetime, opens: bool) -> pb.AccountHealth:
    """In the contract's words. `opens`: its credentials can be read."""
    found = _judged(account, noted, now=now, opens=opens)
    said = pb.AccountHealth(state=_LEVELS[found.level], reason=found.reason)
    times, signs = {"since": found.since}, noted.signs
    if signs is not None:
        said.refused_in_row, said.refused_reason = signs.refused_in_row, signs.refused_reason
        times |= {"believed_at": signs.believed_at, "heard_at": signs.heard_at}
        times |= {"credentials_expire_at": signs.credentials_expire_at}
    for name, value in times.items():
        if value is not None:
            getattr(said, name).CopyFrom(stamp(value))
    return said


def _note(row: AccountSigns, report: pb.AccountReport, *, now: datetime) -> None:
    if report.HasField("believed_at"):
        row.refused_in_row, row.refused_reason, row.refused_since = 0, "", None
        row.believed_at = _later(row.believed_at, report.believed_at)
    if report.refused:
        row.refused_in_row += report.refused
        row.refused_reason = report.refused_reason
        row.refused_since = row.refused_since or now
    if report.HasField("heard_at"):
        row.heard_at = _later(row.heard_at, report.heard_at)
    if report.HasField("credentials_expire_at"):
        ends = report.credentials_expire_at
        row.credentials_expire_at = moment(ends) if ends.seconds else None
    row.updated_at = now


def _later(known: datetime | None, told: Timestamp) -> datetime:
    return max(known, moment(told)) if known else moment(told)


def _by_account(signs: Sequence[AccountSigns], listeners: Sequence[Listener]) -> dict[str, Noted]:
    noted = {each.account_id: Noted(signs=each) for each in signs}
    for each in listeners:
        noted[each.account_id] = replace(noted.get(each.account_id, NOTHING), listener=each)
    return noted


def _judged(account: ChannelAccount, noted: Noted, *, now: datetime, opens: bool) -> Health:
    signs = noted.signs
    known = (
        Signs(
            signs.refused_in_row,
            signs.refused_reason,
            refused_since=signs.refused_since,
            believed_at=signs.believed_at,
            heard_at=signs.heard_at,
            credentials_expire_at=signs.credentials_expire_at,
        )
        if signs is not None
        else Signs()
    )
    standing = Standing(
        account.state,
        account.state_reason,
        created_at=account.created_at,
        signs=known,
        unheard_since=_unheard_since(account, noted.listener, now=now),
        options=json.loads(account.options),
        opens=opens,
    )
    return health.judge(standing, now)


def _unheard_since(account: ChannelAccount, listener: Listener | None, *, now: datetime) -> datetime | None:
    """None of one that is heard, or that nobody is to listen for."""
    if listener is None:
        return None
    held = bool(listener.owner) and listener.expires_at is not None and listener.expires_at > now
    if held and listener.state == "listening":
        return None
    return (listener.since if held else listener.expires_at) or listener.since or account.updated_at
