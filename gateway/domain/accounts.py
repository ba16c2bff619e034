"""Whose webhook is it? Accounts by channel and key, asked of storage once for all who wait, remembered for seconds.

A change of secrets counts everywhere in `FRESH`; while storage is away the last answer still tells a forged
webhook from a real one, which is then refused by the accept instead.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from channels import host
from channels.channel import Credentials
from kit import errors
from parley.storage.v1 import directory_pb2

FRESH = timedelta(seconds=3)
MISSING = timedelta(seconds=1)
AWAY = timedelta(seconds=1)
MOST_REMEMBERED = 10_000

Key = tuple[str, str]
Resolve = Callable[[str, str], Awaitable[directory_pb2.AccountSecrets]]


@dataclass(frozen=True, slots=True)
class Account:
    """A channel account as the gateway needs it."""

    tenant_id: str
    channel: str
    account_key: str
    known: host.Account


@dataclass(frozen=True, slots=True)
class _Known:
    """The last answer for a key: an account, or why there is none."""

    account: Account | None
    error: errors.ParleyError | None
    until: float


class Accounts:
    """Answers from memory while the answer is fresh; one question per key is under way at any time."""

    def __init__(self, resolve: Resolve, *, clock: Callable[[], float]) -> None:
        self._resolve = resolve
        self._clock = clock
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[_Known]] = {}

    async def find(self, channel: str, account_key: str) -> Account:
        """Gives the account; NotFound when there is none, StorageUnavailable when nobody can say."""
        key = (channel, account_key)
        known = self._known.get(key)
        if known is None or known.until <= self._clock():
            known = await self._ask(key)
        if known.account is not None:
            return known.account
        raise (known.error or errors.NotFound()).with_traceback(None)

    def forget(self, channel: str, account_key: str) -> None:
        """Drops what is remembered, after a change of our own."""
        self._known.pop((channel, account_key), None)

    async def _ask(self, key: Key) -> _Known:
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._learn(key))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        # Shielded: a client that leaves must not take the answer away from the others who wait for it.
        return await asyncio.shield(asking)

    async def _learn(self, key: Key) -> _Known:
        try:
            account = account_of(await self._resolve(*key))
            known = _Known(account, None, self._clock() + FRESH.total_seconds())
        except errors.NotFound as error:
            known = _Known(None, error, self._clock() + MISSING.total_seconds())
        except errors.ParleyError as error:
            before = self._known.get(key)
            known = _Known(before.account if before else None, error, self._clock() + AWAY.total_seconds())
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return known


def account_of(secrets: directory_pb2.AccountSecrets) -> Account:
    """As storage gives it."""
    found = secrets.account
    known = host.Account(
        id=found.id,
        address=found.address,
        credentials=Credentials(secrets.credentials),
        options=dict(found.options),
    )
    return Account(found.tenant_id, found.channel, found.account_key, known)
