"""A provider may post for several numbers of a tenant at one URL. Whose are the parts that are not this account's?

Meta calls one URL for all numbers of an app, and Slack for all workspaces of one. What another account of the tenant
can verify with its own secret is taken in for that account.
"""

from collections.abc import Awaitable, Callable, Sequence

from gateway.domain.accounts import Account, Accounts
from kit import errors
from parley.storage.v1.directory_pb2 import ACCOUNT_STATE_DISABLED, ChannelAccount

FRESH_SECONDS = 3.0
MOST_REMEMBERED = 1000

Listed = Callable[[str, str], Awaitable[Sequence[ChannelAccount]]]


class Siblings:
    """The accounts of a tenant on a channel by address; a list is asked for once in a while."""

    def __init__(self, accounts: Accounts, listed: Listed, *, clock: Callable[[], float]) -> None:
        """`listed` gives the accounts of a channel and a tenant."""
        self._accounts = accounts
        self._listed = listed
        self._clock = clock
        self._keys: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    async def at(self, channel: str, tenant_id: str, *, address: str) -> Account | None:
        """The tenant's account with that address. None when there is none; SecretUnreadable when it cannot verify."""
        keys = await self._known(channel, tenant_id)
        key = keys.get(_bare(channel, address))
        if key is None:
            return None
        try:
            return await self._accounts.find(channel, key)
        except errors.NotFound:
            return None

    async def addresses(self, channel: str, tenant_id: str) -> frozenset[str]:
        """Those of all of them that take anything."""
        return frozenset(await self._known(channel, tenant_id))

    async def _known(self, channel: str, tenant_id: str) -> dict[str, str]:
        where = (channel, tenant_id)
        until, keys = self._keys.get(where, (0.0, {}))
        if until <= self._clock():
            listed = await self._listed(*where)
            taking = [each for each in listed if each.state != ACCOUNT_STATE_DISABLED]
            keys = {_bare(channel, each.address): each.account_key for each in taking}
            if len(self._keys) >= MOST_REMEMBERED:
                self._keys.clear()
            self._keys[where] = (self._clock() + FRESH_SECONDS, keys)
        return keys


def _bare(channel: str, address: str) -> str:
    return address.removeprefix(f"{channel}:")
