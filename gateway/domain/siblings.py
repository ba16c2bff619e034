"""A provider may post for several numbers of a tenant at one URL. Whose are the parts that are not this account's?

Meta calls one URL for all numbers of an app, and Slack for all workspaces of one. What another account of the tenant
can verify with its own secret is taken in for that account.
"""

from collections.abc import Awaitable, Callable, Sequence

from gateway.domain.accounts import Account, Accounts
from kit import errors
from parley.storage.v1.directory_pb2 import ChannelAccount

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

    async def at(self, account: Account, address: str) -> Account | None:
        """The account of the same tenant and channel with that address. None when there is none."""
        keys = await self._known(account)
        key = keys.get(_bare(account.channel, address))
        if key is None or key == account.account_key:
            return None
        try:
            return await self._accounts.find(account.channel, key)
        except errors.NotFound:
            return None

    async def _known(self, account: Account) -> dict[str, str]:
        where = (account.channel, account.tenant_id)
        until, keys = self._keys.get(where, (0.0, {}))
        if until <= self._clock():
            listed = await self._listed(*where)
            keys = {_bare(account.channel, each.address): each.account_key for each in listed}
            if len(self._keys) >= MOST_REMEMBERED:
                self._keys.clear()
            self._keys[where] = (self._clock() + FRESH_SECONDS, keys)
        return keys


def _bare(channel: str, address: str) -> str:
    return address.removeprefix(f"{channel}:")
