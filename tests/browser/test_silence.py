"""Does the page notice that its connection is gone, though nobody closed it?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, expect

from parley.chat.v1 import message_pb2 as chat
from tests.browser.conftest import visiting, write
from tests.browser.forgetful import Forgetful, forgetful
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
STREAM, MESSAGE = b"GET /v1/chat/events", b"POST /v1/chat/messages"
WAIT = 20_000
COUNTED = """
  window.alive = 0;
  const read = ReadableStreamDefaultReader.prototype.read;
  ReadableStreamDefaultReader.prototype.read = async function () {
    const part = await read.call(this);
    window.alive += String(part.value).includes(": alive") ? 1 : 0;
    return part;
  };
"""


@asynccontextmanager
async def talking(browser: Browser, world: World) -> AsyncIterator[tuple[Page, Forgetful]]:
    """A page that was answered, through something that may forget its connections. Its clock can be put ahead."""
    async with forgetful(world.port) as between, visiting(browser, replace(world, port=between.port)) as page:
        await page.clock.install()
        await page.reload()
        await expect(page.get_by_text("Online")).to_be_visible()
        await write(page, "one")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        yield page, between


async def test_what_is_said_after_the_stream_fell_silent_is_shown(browser: Browser, world: World) -> None:
    async with talking(browser, world) as (page, between):
        assert between.forget(STREAM)
        await write(page, "two")
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        async with asyncio.timeout(30), world.peer.changed:
            await world.peer.changed.wait_for(lambda: len(world.peer.messages[conversation]) > 3)
        await page.clock.fast_forward(41_000)
        await expect(page.locator(".entry.agent .bubble")).to_have_text(
            ["You wrote: one", "You wrote: two"], timeout=WAIT
        )
        await expect(page.get_by_text("Online")).to_be_visible()


async def test_who_looks_again_after_a_while_need_not_wait_for_it(browser: Browser, world: World) -> None:
    async with talking(browser, world) as (page, between):
        assert between.forget(STREAM)
        [conversation] = world.peer.conversations.values()
        await world.peer.say(conversation, chat.ROLE_OPERATOR, "Are you there?")
        await page.clock.set_fixed_time(time.time() + 30)
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(page.locator(".entry.operator .bubble")).to_have_text("Are you there?", timeout=WAIT)


async def test_a_message_whose_connection_is_gone_is_said_on_another(browser: Browser, world: World) -> None:
    async with talking(browser, world) as (page, between):
        between.loses = MESSAGE
        await write(page, "two")
        async with asyncio.timeout(30):
            while between.loses:
                await asyncio.sleep(0.05)
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sending")
        await page.clock.fast_forward(21_000)
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sent", timeout=WAIT)
        assert world.peer.texts() == ["one", "two"]


async def test_a_model_that_thinks_for_long_is_seen_to_think_as_long_as_the_stream_lives(
    browser: Browser, world: World
) -> None:
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await page.clock.install()
        await page.add_init_script(COUNTED)
        await page.reload()
        await write(page, "Think it over")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        await world.peer.think(conversation, True)
        thinking = page.locator("#thinking")
        await expect(thinking).to_be_visible()
        for _ in range(8):
            heard = await page.evaluate("window.alive")
            await page.clock.fast_forward(30_000)
            await world.peer.live()
            async with asyncio.timeout(30):
                while await page.evaluate("window.alive") == heard:
                    await asyncio.sleep(0.02)
            await expect(thinking).to_be_visible()
        await world.peer.think(conversation, False)
        await expect(thinking).to_be_hidden()
