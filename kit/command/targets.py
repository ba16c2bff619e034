"""Which accounts does a person mean? One by its id, or a channel's by the channel's name."""

from collections.abc import Sequence

from kit.command import accounts
from kit.command.directory import Directory
from kit.command.screen import Mistake
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount


async def all_of(storage: Directory, target: str) -> Sequence[ChannelAccount]:
    """A channel's accounts without those that were removed; an account is named by its id."""
    if target not in accounts.channels():
        return [await storage.account(target)]
    taking_part = [each for each in await storage.accounts(target) if not _is_removed(each)]
    if not taking_part:
        raise Mistake(f"there is no account of {target}", fix=f"parley channels add {target}", code=1)
    return taking_part


async def one_of(storage: Directory, target: str) -> ChannelAccount:
    """The account, or a channel's only one; where there are more, which of them must be said."""
    found = await all_of(storage, target)
    if len(found) > 1:
        what = f"{target} has {len(found)} accounts, and nothing was changed"
        raise Mistake(what, fix="name one by its id: parley channels list", code=1)
    return found[0]


def _is_removed(account: ChannelAccount) -> bool:
    return account.state == AccountState.ACCOUNT_STATE_DISABLED
