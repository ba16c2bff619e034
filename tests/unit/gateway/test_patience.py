"""How long does a webhook wait for storage, and what is asked again meanwhile?"""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from channels.registry import CHANNELS
from gateway.domain.patience import MOST_HELD, Patience
from kit import errors

ONCE, AGAIN = CHANNELS["sms"], CHANNELS["telegram"]
USUAL = timedelta(milliseconds=50)
LONGER = 5 * USUAL.total_seconds() + 0.5  # than usual, and than a pause


class Storage:
    """One that cannot say for so many questions."""

    def __init__(self, failures: int, error: errors.ParleyError | None = None) -> None:
        self.failures = failures
        self.asked = 0
        self._error = error or errors.StorageUnavailable(retry_after=timedelta(seconds=1))

    async def accept(self, what: str) -> str:
        self.asked += 1
        if self.asked <= self.failures:
            raise self._error
        return what


def test_who_never_comes_again_may_take_longer() -> None:
    usual = timedelta(seconds=2.5)
    assert [Patience(usual).seconds(each) for each in (ONCE, AGAIN)] == [12, 2.5]
    assert Patience(timedelta(seconds=14)).seconds(ONCE) == 14, "an operator who waits for longer is obeyed"


async def test_storage_is_asked_until_it_can_say() -> None:
    patience = Patience(timedelta(seconds=30))
    for ask in (patience.with_stranger, patience.with_provider):
        storage = Storage(failures=3)
        assert await ask(storage.accept, "hello") == "hello"
        assert storage.asked == 4


@pytest.mark.parametrize("error", [errors.QueueFull(), errors.NotFound(), errors.SecretUnreadable()])
async def test_what_is_no_better_a_moment_later_is_said_at_once(error: errors.ParleyError) -> None:
    patience = Patience(USUAL)
    for ask in (patience.with_stranger, patience.with_provider):
        storage = Storage(failures=1, error=error)
        with pytest.raises(type(error)):
            await ask(storage.accept, "hello")
        assert storage.asked == 1


async def test_a_stranger_is_held_no_longer_than_usual() -> None:
    storage = Storage(failures=10**6)
    with pytest.raises(errors.StorageUnavailable) as raised:
        async with asyncio.timeout(LONGER):
            await Patience(USUAL).with_stranger(storage.accept, "hello")
    assert raised.value.retry_after


async def test_so_many_are_held_at_once_and_whoever_comes_then_waits_as_all_others_do() -> None:
    patience, storage = Patience(USUAL), Storage(failures=10**6)
    held = [asyncio.create_task(patience.with_provider(storage.accept, "hello")) for _ in range(MOST_HELD)]
    await asyncio.sleep(0)
    with pytest.raises(errors.StorageUnavailable):
        async with asyncio.timeout(LONGER):
            await patience.with_provider(storage.accept, "one too many")
    assert not any(each.done() for each in held)
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    with pytest.raises(TimeoutError):  # there is room again
        async with asyncio.timeout(LONGER):
            await patience.with_provider(storage.accept, "hello")


async def test_who_gives_up_asks_no_more() -> None:
    storage = Storage(failures=10**6)
    with suppress(TimeoutError):
        async with asyncio.timeout(USUAL.total_seconds()):
            await Patience(USUAL).with_provider(storage.accept, "hello")
    before = storage.asked
    await asyncio.sleep(0.6)
    assert storage.asked == before
