"""Does the sandbox keep updates as Telegram does? Asked by python-telegram-bot, as real bots do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import telegram
import telegram.error
from telegram.ext import ApplicationBuilder, MessageHandler, filters

from tests.simulated.telegram import Telegram
from tests.suites.sandbox.conftest import World
from tests.suites.sandbox.test_official_clients import bot


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
    assert provider.updates.confirmed == [41, 42]


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


async def test_what_is_typed_on_the_phone_is_heard_by_its_updater_and_answered(world: World) -> None:
    built = ApplicationBuilder().token(world.values["TELEGRAM_BOT_TOKEN"]).base_url(f"{world.url}/telegram/bot")
    application: Any = built.build()

    async def reply(update: telegram.Update, _context: Any) -> None:
        assert update.message
        await update.message.reply_text(f"re: {update.message.text}")

    application.add_handler(MessageHandler(filters.TEXT, reply))
    assert await world.way("telegram") == "by webhook"
    async with application:
        await application.updater.start_polling(timeout=30)  # takes the webhook away
        await application.start()
        assert await world.way("telegram") == "by getUpdates (long polling)"
        for text in ("hello", "and again"):
            assert await world.do("telegram", "say", text=text) == 200
        said = await world.bubbles("telegram", 4)
        await application.updater.stop()
        await application.stop()
    assert sorted((each["mine"], each["text"], each["state"]) for each in said) == [
        (False, "re: and again", "taken"),
        (False, "re: hello", "taken"),
        (True, "and again", "heard"),
        (True, "hello", "heard"),
    ]
    assert world.posted == []


async def test_of_two_who_wait_the_first_is_cut_off_and_a_webhook_cuts_off_both(world: World) -> None:
    async with bot(world) as first, bot(world) as second:
        await first.delete_webhook()
        waiting = asyncio.create_task(first.get_updates(timeout=30))
        while not waiting.done():
            await second.get_updates(timeout=0)
        with pytest.raises(telegram.error.Conflict, match="terminated by other getUpdates"):
            await waiting
        other = asyncio.create_task(second.get_updates(timeout=30))
        await asyncio.sleep(0)  # it comes before the webhook, or after it
        await first.set_webhook("https://chat.example.com/hook")
        with pytest.raises(telegram.error.Conflict, match=r"setWebhook|webhook is active"):
            await other
        with pytest.raises(telegram.error.Conflict, match="webhook is active"):
            await first.get_updates(timeout=0)


async def test_what_waits_comes_in_portions_of_the_kinds_that_are_wanted_and_can_be_forgotten(world: World) -> None:
    async with bot(world) as client:
        await client.delete_webhook()
        assert await client.get_updates(timeout=0, allowed_updates=["callback_query"]) == ()
        assert await world.do("telegram", "say", text="nobody wants to know") == 200
        assert await client.get_updates(timeout=0, allowed_updates=[]) == ()
        for text in ("one", "two", "three"):
            assert await world.do("telegram", "say", text=text) == 200
        assert (await client.get_webhook_info()).pending_update_count == 3
        assert _texts(await client.get_updates(timeout=0, limit=2)) == ["one", "two"]
        assert _texts(await client.get_updates(timeout=0, offset=-1)) == ["three"]
        await client.delete_webhook(drop_pending_updates=True)
        assert await client.get_updates(timeout=0) == ()


def _texts(found: tuple[telegram.Update, ...]) -> list[str | None]:
    return [each.message.text for each in found if each.message]
