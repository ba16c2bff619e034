"""Who listens for which account? Leases by the database's clock: no two processes hold one account at once.

Accounts are locked before their listeners, here as where an account is changed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.moments import stamp
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import listener_service_pb2 as pb
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ChannelAccount, Listener
from storage_service.backends.vault import Vault
from storage_service.domain.words import UNAUTHORIZED

LEASE = timedelta(seconds=15)
MOST_LISTED = 500
STATES: Mapping[str, pb.ListenerState] = {
    "waiting": pb.LISTENER_STATE_WAITING,
    "connecting": pb.LISTENER_STATE_CONNECTING,
    "listening": pb.LISTENER_STATE_LISTENING,
    "troubled": pb.LISTENER_STATE_TROUBLED,
    "refused": pb.LISTENER_STATE_REFUSED,
}
_WORDS = {state: word for word, state in STATES.items()}


class Listeners:
    """The leases of accounts that are listened for."""

    def __init__(self, sessions: Sessions, *, vault: Vault, clock: Callable[[], datetime] | None = None) -> None:
        """`clock` stands in for the database's own."""
        self._sessions = sessions
        self._vault = vault
        self._clock = clock

    async def lease(self, request: pb.LeaseListenersRequest) -> pb.LeaseListenersResponse:
        """What the worker holds from now on: what it held, and what is free. Its reports are written first."""
        if not request.held and not await self._any():
            return pb.LeaseListenersResponse()  # most meshes listen for nothing: their clock is never written down
        for held in request.held:
            if held.state == pb.LISTENER_STATE_REFUSED:
                await self._refuse(request.worker_id, held)
        rows = await self._sessions.write_across_tenants(lambda session: self._leased(session, request))
        secrets = {each.account.id: each for each in await self._vault.secrets([row.account_id for row in rows])}
        return pb.LeaseListenersResponse(
            listeners=[_leased(row, secrets[row.account_id]) for row in rows if row.account_id in secrets]
        )

    async def listed(self, request: pb.ListListenersRequest) -> pb.ListListenersResponse:
        """Of one tenant."""
        async with self._sessions.read(request.tenant_id) as rows:
            found = await rows.all(rows.select(Listener).order_by(col(Listener.account_id)).limit(MOST_LISTED))
            now = self._clock() if self._clock else self._sessions.now()
        return pb.ListListenersResponse(listeners=[_listener(row, now) for row in found])

    async def _any(self) -> bool:
        async with self._sessions.across_tenants() as session:
            return (await session.exec(select(Listener.account_id).limit(1))).first() is not None

    async def _refuse(self, worker_id: str, held: pb.HeldListener) -> None:
        """The account pauses, and nobody listens for it before somebody has changed it."""

        async def work(rows: Rows) -> bool:
            account = await rows.first(
                rows.select(ChannelAccount).where(col(ChannelAccount.id) == held.account_id), lock=True
            )
            listener = await rows.first(_of(rows, held.account_id), lock=True)
            if account is None or listener is None or listener.owner != worker_id:
                return False
            if account.state == "active":
                account.state, account.state_reason = "paused", UNAUTHORIZED
                account.version += 1
                account.updated_at = rows.now
                await rows.note("account.change", "channel_account", row_id=account.id, changed=["state"])
            _report(listener, held, now=rows.now)
            listener.owner, listener.expires_at, listener.refused_version = "", None, account.version
            await rows.flush()
            return True

        await self._sessions.write(Who(held.tenant_id, "listener"), work)
        self._vault.forget(held.account_id)

    async def _leased(self, session: AsyncSession, request: pb.LeaseListenersRequest) -> Sequence[Listener]:
        own = select(Listener).where(col(Listener.owner) == request.worker_id).order_by(col(Listener.account_id))
        found = (await session.exec(own.with_for_update())).all()
        now = await self._now(session)
        rows = self._kept(found, request, now=now)
        disabled = await _disabled(session, rows)
        for row in rows:
            if row.account_id in disabled:
                row.owner, row.expires_at = "", None
        rows = [row for row in rows if row.owner][: request.max_accounts]
        if len(rows) < request.max_accounts:
            rows = [*rows, *await _free(session, request, now=now, most=request.max_accounts - len(rows))]
        lease = request.lease.ToTimedelta() if request.HasField("lease") else LEASE
        for row in rows:
            if row.owner != request.worker_id:
                row.owner, row.state, row.reason, row.since = request.worker_id, "connecting", "", now
            row.expires_at = now + lease
        await session.flush()
        return sorted(rows, key=lambda row: row.account_id)

    @staticmethod
    def _kept(rows: Sequence[Listener], request: pb.LeaseListenersRequest, *, now: datetime) -> Sequence[Listener]:
        """What the worker says of what it holds; what it gives back is nobody's."""
        said = {(each.tenant_id, each.account_id): each for each in request.held}
        for row in rows:
            held = said.get((row.tenant_id, row.account_id))
            if held is None:
                continue
            _report(row, held, now=now)
            if held.release:
                row.owner, row.expires_at = "", None
        return rows

    async def _now(self, session: AsyncSession) -> datetime:
        """After every lock that was waited for."""
        if self._clock:
            return self._clock()
        if session.get_bind().dialect.name == "sqlite":  # one process has the file: its clock is the database's
            return self._sessions.now()
        told: datetime = (await session.exec(select(func.clock_timestamp()))).one()
        return told


async def want(rows: Rows, account: ChannelAccount) -> None:
    """Whether an account is to be listened for follows its option, in the transaction that changes it."""
    wanted = json.loads(account.options).get("listen") == "true"
    listener = await rows.first(_of(rows, account.id), lock=True)
    if wanted and listener is None:
        await rows.add(Listener(tenant_id=rows.tenant_id, account_id=account.id, channel=account.channel))
    elif listener is not None and not wanted:
        await rows.change(rows.delete(Listener).where(col(Listener.account_id) == account.id))


def _of(rows: Rows, account_id: str) -> Any:
    return rows.select(Listener).where(col(Listener.account_id) == account_id)


async def _free(
    session: AsyncSession, request: pb.LeaseListenersRequest, *, now: datetime, most: int
) -> Sequence[Listener]:
    """Locked; what another worker is about to take is passed over."""
    statement = (
        select(Listener)
        .join(ChannelAccount, _same_account())
        .where(
            col(Listener.channel).in_(request.channels),
            or_(col(Listener.owner) == "", col(Listener.expires_at) <= now),
            col(ChannelAccount.state) != "disabled",
            col(ChannelAccount.version) > col(Listener.refused_version),
        )
        .order_by(col(Listener.account_id))
        .limit(most)
        .with_for_update(skip_locked=True, of=Listener)
    )
    return (await session.exec(statement)).all()


async def _disabled(session: AsyncSession, rows: Sequence[Listener]) -> set[str]:
    if not rows:
        return set()
    wanted = [row.account_id for row in rows]
    statement = select(ChannelAccount.id).where(
        col(ChannelAccount.id).in_(wanted), col(ChannelAccount.state) == "disabled"
    )
    return set((await session.exec(statement)).all())


def _same_account() -> ColumnElement[bool]:
    return and_(
        col(ChannelAccount.tenant_id) == col(Listener.tenant_id), col(ChannelAccount.id) == col(Listener.account_id)
    )


def _report(row: Listener, held: pb.HeldListener, *, now: datetime) -> None:
    word = _WORDS.get(held.state, row.state)
    if word != row.state:
        row.state, row.since = word, now
    row.reason, row.cursor = held.reason, held.cursor


def _leased(row: Listener, account: directory.AccountSecrets) -> pb.LeasedListener:
    return pb.LeasedListener(account=account, cursor=row.cursor, expires_at=row.expires_at and stamp(row.expires_at))


def _listener(row: Listener, now: datetime) -> pb.Listener:
    """What its holder said last counts while it holds it."""
    held = bool(row.owner) and row.expires_at is not None and row.expires_at > now
    return pb.Listener(
        account_id=row.account_id,
        channel=row.channel,
        state=STATES[row.state if held or row.state == "refused" else "waiting"],
        reason=row.reason,
        worker_id=row.owner if held else "",
        expires_at=stamp(row.expires_at) if held and row.expires_at else None,
        since=stamp(row.since) if row.since else None,
    )
