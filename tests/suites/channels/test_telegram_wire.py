"""Does the simulated Telegram keep updates as Telegram does? Asked by python-telegram-bot, as real bots do."""

from collections.abc import AsyncIterator

import pytest
import telegram
import telegram.error

from tests.simulated.telegram import Telegram


@pytest.fixture
async def provider() -> AsyncIterator[Telegram]:
    made = Telegram()
    await made.start()
    yield made
    await made.stop()


async def test_updates_come_again_until_a_number_after_them_is_asked_for(provider: Telegram) -> None:
    for number in (41, 42):
        provider.write(f"hello {number}", chat_id=7, number=number)
    async with telegram.Bot(provider.bot_token, base_url=f"{provider.server.base_url}/bot") as bot:
        for _ in range(2):
            found = await bot.get_updates(timeout=0)
            assert [(each.update_id, each.message and each.message.text) for each in found] == [
                (41, "hello 41"),
                (42, "hello 42"),
            ]
        assert [each.update_id for each in await bot.get_updates(offset=42, timeout=0)] == [42]
        assert await bot.get_updates(offset=43, timeout=0) == ()
    assert provider.confirmed == [41, 42]


async def test_a_webhook_or_another_who_asks_is_a_conflict(provider: Telegram) -> None:
    async with telegram.Bot(provider.bot_token, base_url=f"{provider.server.base_url}/bot") as bot:
        await bot.set_webhook("https://chat.example.com/hook", secret_token="s")
        with pytest.raises(telegram.error.Conflict, match="webhook is active"):
            await bot.get_updates(timeout=0)
        await bot.delete_webhook()
        assert await bot.get_updates(timeout=0) == ()
        provider.mode = "conflict"
        with pytest.raises(telegram.error.Conflict, match="terminated by other getUpdates"):
            await bot.get_updates(timeout=0)
