"""Does a channel's name stand for its account, and for none where it has several?"""

from typing import Any

import pytest

from kit.command import targets
from kit.command.screen import Mistake
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount

ACTIVE, PAUSED, DISABLED = (
    AccountState.ACCOUNT_STATE_ACTIVE,
    AccountState.ACCOUNT_STATE_PAUSED,
    AccountState.ACCOUNT_STATE_DISABLED,
)


class Storage:
    """The directory, with some accounts."""

    def __init__(self, *states: AccountState) -> None:
        self._accounts = [ChannelAccount(id=f"a{n}", channel="telegram", state=each) for n, each in enumerate(states)]

    async def accounts(self, channel: str = "") -> list[ChannelAccount]:
        return [each for each in self._accounts if each.channel == channel]

    async def account(self, account_id: str) -> ChannelAccount:
        return next(each for each in self._accounts if each.id == account_id)


async def one_of(storage: Any, target: str) -> str:
    return (await targets.one_of(storage, target)).id


@pytest.mark.parametrize("states", [(ACTIVE,), (DISABLED, PAUSED), (DISABLED, ACTIVE, DISABLED)])
async def test_a_channel_names_the_only_account_that_takes_part(states: tuple[AccountState, ...]) -> None:
    storage = Storage(*states)
    assert await one_of(storage, "telegram") == next(f"a{n}" for n, state in enumerate(states) if state != DISABLED)


async def test_of_several_nobody_is_chosen_but_by_id() -> None:
    storage = Storage(ACTIVE, PAUSED)
    with pytest.raises(Mistake, match="telegram has 2 accounts, and nothing was changed") as said:
        await one_of(storage, "telegram")
    assert "parley channels list" in said.value.fix
    assert await one_of(storage, "a1") == "a1"


async def test_who_was_removed_is_named_by_id_alone() -> None:
    storage = Storage(DISABLED)
    with pytest.raises(Mistake, match="there is no account of telegram"):
        await one_of(storage, "telegram")
    assert await one_of(storage, "a0") == "a0"
