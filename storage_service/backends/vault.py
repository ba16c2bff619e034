"""What are the credentials of a channel account? Sealed in its row; opened here, once per version.

What was opened is remembered for a second, so a revoked secret is refused everywhere soon after; what was not found is
not remembered at all.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from kit import logs
from kit.errors import NotFound, ParleyError, SecretUnreadable, StorageUnavailable
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends import mapping
from storage_service.backends.rows import Rows, Who, missing
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ChannelAccount, Replica
from storage_service.domain import defaults
from storage_service.domain.sealing import Keyring, Place, Sealed

FRESH_SECONDS = 1.0
ROTATED_AT_ONCE = 100
ROTATED_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, repr=False)
class _Opened:
    account: directory.AccountSecrets
    read_at: float


class Vault:
    """Seals and opens the credentials of accounts."""

    def __init__(self, sessions: Sessions, keyring: Keyring, *, monotonic: Callable[[], float]) -> None:
        self._sessions = sessions
        self._keyring = keyring
        self._monotonic = monotonic
        self._opened: dict[str, _Opened] = {}
        self._resolved: dict[tuple[str, str], tuple[str, float]] = {}
        self._lacking = 0
        self._log = logs.get("vault")

    async def secrets(self, account_ids: Collection[str]) -> list[directory.AccountSecrets]:
        """The accounts with their credentials, each once. One that cannot be opened is left out, and logged."""
        wanted = set(account_ids)
        found = {account_id: self._opened[account_id].account for account_id in wanted if self._fresh(account_id)}
        if stale := wanted - found.keys():
            found |= await self._read(stale)
        return [found[account_id] for account_id in sorted(found)]

    async def resolve(self, request: pb.ResolveChannelAccountRequest) -> pb.ResolveChannelAccountResponse:
        """The account that a webhook's URL names. NotFound when there is none, or it is disabled: then with its tenant,
        who may have others of the same app, and the app one URL."""
        url = (request.channel, request.account_key)
        account_id, found_at = self._resolved.get(url, ("", 0.0))
        if not account_id or self._monotonic() - found_at >= FRESH_SECONDS:
            self._resolved.pop(url, None)
            row = await self._find(*url)
            account_id = row.id
            self._opened[row.id] = _Opened(self._open(row, self._opened.get(row.id)), self._monotonic())
            self._resolved[url] = (row.id, self._monotonic())
        for account in await self.secrets([account_id]):
            if account.account.state != directory.ACCOUNT_STATE_DISABLED:
                return pb.ResolveChannelAccountResponse(account=account)
            raise _disabled(account.account.tenant_id)
        raise missing("channel_account")

    def forget(self, account_id: str) -> None:
        """The account changed in this process; others notice within a second."""
        self._opened.pop(account_id, None)
        for url in [url for url, (known, _) in self._resolved.items() if known == account_id]:
            del self._resolved[url]

    def keep(self, row: ChannelAccount, credentials: Mapping[str, str]) -> None:
        """Seals credentials into a row."""
        sealed = self._keyring.seal(json.dumps(dict(credentials), sort_keys=True).encode(), _place(row))
        row.credentials, row.credentials_key_id = sealed.ciphertext, sealed.key_id

    def opens(self, row: ChannelAccount) -> bool:
        """Whether a row's credentials can be read with the keys that there are."""
        try:
            self._credentials(row)
        except SecretUnreadable:
            return False
        return True

    def differs(self, row: ChannelAccount, credentials: Mapping[str, str]) -> bool:
        """Whether a row holds other credentials. One that cannot be read any more does."""
        try:
            return self._credentials(row) != dict(credentials)
        except SecretUnreadable:
            return True

    async def rotate_when_possible(self) -> None:
        """Rotates beside the service's work, once every living replica has the first key: one without it could open
        nothing any more. A database that is away is tried again, and nothing of it is fatal."""
        while True:
            if await self._rotated():
                return
            await asyncio.sleep(ROTATED_AGAIN_SECONDS)

    async def lacking(self) -> int:
        """How many replicas could not open what is sealed under the first key. One that ended is forgotten within a
        minute, and so is one that cannot reach the database."""
        async with self._sessions.across_tenants() as session:
            listed = (await session.exec(select(col(Replica.key_ids)))).all()
        return sum(self._keyring.current not in key_ids.split(",") for key_ids in listed)

    async def rotate(self) -> int:
        """Seals again, under the first key, whatever an older key sealed. Returns how many rows it changed."""
        changed, last = 0, ""
        while accounts := await self._sealed_by_others(last):
            for account in accounts:
                changed += await self._sessions.write(Who(account.tenant_id, "rotation"), _Rotation(self, account.id))
            last = accounts[-1].id
        return changed

    def rotate_row(self, row: ChannelAccount) -> bool:
        """Seals one row again; False when it need not, or cannot, be."""
        try:
            sealed = self._keyring.rotate(Sealed(row.credentials_key_id, row.credentials), _place(row))
        except SecretUnreadable:
            self._log.error("account.secret_unreadable", tenant=row.tenant_id, account=row.id)
            return False
        if sealed is None:
            return False
        row.credentials, row.credentials_key_id = sealed.ciphertext, sealed.key_id
        return True

    async def _rotated(self) -> bool:
        """False when it is to be tried again."""
        try:
            lacking = await self.lacking() if await self._sealed_by_others("") else 0
            if lacking and lacking != self._lacking:
                self._log.info("secrets.not_rotated", reason="replicas_without_the_key", count=lacking)
            self._lacking = lacking
            if lacking:
                return False
            changed = await self.rotate()
        except StorageUnavailable as error:
            self._log.warning("secrets.not_rotated", reason=error.name)
            return False
        except ParleyError as error:
            self._log.error("secrets.not_rotated", reason=error.name)
            return True
        if changed:
            self._log.info("secrets.rotated", count=changed)
        return True

    async def _sealed_by_others(self, after: str) -> Sequence[ChannelAccount]:
        key_id = col(ChannelAccount.credentials_key_id)
        statement = select(ChannelAccount).where(key_id != "", key_id != self._keyring.current)
        page = statement.where(col(ChannelAccount.id) > after).order_by(col(ChannelAccount.id)).limit(ROTATED_AT_ONCE)
        async with self._sessions.across_tenants() as session:
            return (await session.exec(page)).all()

    async def _find(self, channel: str, account_key: str) -> ChannelAccount:
        accounts = select(ChannelAccount).where(col(ChannelAccount.channel) == channel)
        if account_key:
            accounts = accounts.where(col(ChannelAccount.account_key) == account_key)
        else:
            taking = (col(ChannelAccount.tenant_id) == defaults.TENANT, col(ChannelAccount.state) != "disabled")
            accounts = accounts.where(*taking)
        # Without a key it is the first, which keeps its URL when an operator adds others beside it.
        ours_first = (col(ChannelAccount.address) == defaults.ACCOUNTS.get(channel, "")).desc()
        first = accounts.order_by(ours_first, col(ChannelAccount.created_at), col(ChannelAccount.id)).limit(1)
        async with self._sessions.across_tenants() as session:
            found = (await session.exec(first)).first()
        if not found:
            raise missing("channel_account")
        if found.state == "disabled":
            raise _disabled(found.tenant_id)
        return found

    async def _read(self, account_ids: Collection[str]) -> dict[str, directory.AccountSecrets]:
        now = self._monotonic()
        async with self._sessions.across_tenants() as session:
            rows = (await session.exec(select(ChannelAccount).where(col(ChannelAccount.id).in_(account_ids)))).all()
        known = {account_id: self._opened.pop(account_id, None) for account_id in account_ids}
        for row in rows:
            try:
                self._opened[row.id] = _Opened(self._open(row, known[row.id]), now)
            except SecretUnreadable:
                self._log.error("account.secret_unreadable", tenant=row.tenant_id, account=row.id)
        return {row.id: self._opened[row.id].account for row in rows if row.id in self._opened}

    def _fresh(self, account_id: str) -> bool:
        known = self._opened.get(account_id)
        return known is not None and self._monotonic() - known.read_at < FRESH_SECONDS

    def _open(self, row: ChannelAccount, before: _Opened | None) -> directory.AccountSecrets:
        """What was opened of this version is good still, under whichever key another replica sealed it meanwhile."""
        same = before is not None and before.account.account.version == row.version
        try:
            credentials = before.account.credentials if before and same else self._credentials(row)
        except SecretUnreadable as error:  # whoever asked by a URL knows no more of it than its key
            error.metadata |= {"tenant_id": row.tenant_id, "account_id": row.id, "address": row.address}
            raise
        return directory.AccountSecrets(account=mapping.account(row), credentials=credentials)

    def _credentials(self, row: ChannelAccount) -> dict[str, str]:
        if not row.credentials:
            return {}
        opened: dict[str, str] = json.loads(
            self._keyring.open(Sealed(row.credentials_key_id, row.credentials), _place(row))
        )
        return opened


@dataclass(frozen=True, slots=True)
class _Rotation:
    """One row's rotation, under its lock: a change that comes meanwhile is not undone."""

    vault: Vault
    account_id: str

    async def __call__(self, rows: Rows) -> bool:
        row = await rows.named(ChannelAccount, self.account_id, lock=True)
        rotated = self.vault.rotate_row(row)
        await rows.flush()
        return rotated


def _disabled(tenant_id: str) -> NotFound:
    return NotFound(metadata={"resource": "channel_account", "tenant_id": tenant_id})


def _place(row: ChannelAccount) -> Place:
    return Place(row.tenant_id, "channel_accounts", "credentials", row.id)
