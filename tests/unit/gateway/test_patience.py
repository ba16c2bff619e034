"""How long does a webhook wait for storage, and what is asked again meanwhile?"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from channels.channel import Channel
from channels.registry import CHANNELS
from gateway.domain.patience import MOST_HELD, Patience, persistent
from kit import errors

ONCE, AGAIN = CHANNELS["sms"], CHANNELS["telegram"]
USUAL = timedelta(milliseconds=50)


async def _outlasts(patience: Patience, channel: Channel) -> bool:
    """Whether what takes three times as long as usual may end."""
    try:
        async with patience.of(channel):
            await asyncio.sleep(3 * USUAL.total_seconds())
    except errors.StorageUnavailable:
        return False
    return True


async def test_only_who_never_comes_again_is_held() -> None:
    patience = Patience(USUAL)
    assert [await _outlasts(patience, each) for each in (ONCE, AGAIN)] == [True, False]


async def test_so_many_are_held_at_once_and_whoever_comes_then_waits_as_all_others_do() -> None:
    patience = Patience(USUAL)
    async with AsyncExitStack() as held:
        for _ in range(MOST_HELD):
            await held.enter_async_context(patience.of(ONCE))
        assert not await _outlasts(patience, ONCE)
    assert await _outlasts(patience, ONCE)


async def test_an_operator_who_waits_for_longer_than_the_provider_is_obeyed() -> None:
    assert await _outlasts(Patience(timedelta(seconds=14)), AGAIN)


async def test_storage_is_asked_until_it_can_say() -> None:
    failures = [errors.StorageUnavailable(), errors.StorageUnavailable(), errors.StorageUnavailable()]

    async def ask(what: str, *, how: str) -> str:
        if failures:
            raise failures.pop()
        return what + how

    assert await persistent(ask)("on", how="ce") == "once"
    assert failures == []


@pytest.mark.parametrize("failure", [errors.QueueFull(), errors.NotFound(), errors.SecretUnreadable()])
async def test_what_is_no_better_a_moment_later_is_said_at_once(failure: errors.ParleyError) -> None:
    asked: list[str] = []

    async def ask() -> None:
        asked.append("")
        raise failure

    with pytest.raises(type(failure)):
        await persistent(ask)()
    assert len(asked) == 1


async def test_who_gives_up_asks_no_more() -> None:
    asked: list[str] = []

    async def ask() -> None:
        asked.append("")
        raise errors.StorageUnavailable

    with pytest.raises(errors.StorageUnavailable):
        async with Patience(USUAL).of(AGAIN):
            await persistent(ask)()
    before = len(asked)
    await asyncio.sleep(0.6)
    assert len(asked) == before
