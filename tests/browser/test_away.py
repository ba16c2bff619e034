"""Is what a visitor writes while nobody can be reached said afterwards, once, in its order and without a click?"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import visiting, write
from tests.stalls import PATIENCE_SECONDS
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGES, SESSIONS = "**/v1/chat/messages", "**/v1/chat/sessions"
WHILE_AWAY = ["please cancel my order", "no wait, keep it"]


@asynccontextmanager
async def talking(browser: Browser, world: World) -> AsyncIterator[Page]:
    """A page that was answered, and whose clock can be put ahead."""
    async with visiting(browser, world) as page:
        await page.clock.install()
        await page.reload()
        await expect(page.get_by_text("Online")).to_be_visible()
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        yield page


async def passes(page: Page, until: Callable[[], Awaitable[bool]]) -> None:
    """The page's time, in steps between which what was begun comes to its end."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await until():
            await page.clock.run_for(10_000)
            await asyncio.sleep(0.1)


def answered(page: Page, times: int) -> Callable[[], Awaitable[bool]]:
    async def are_there() -> bool:
        return await page.locator(".entry.agent .bubble").count() >= times

    return are_there


@pytest.mark.parametrize("status", [0, 503])
async def test_what_is_written_while_the_gateway_restarts_is_said_when_it_is_back(
    browser: Browser, world: World, status: int
) -> None:
    tried: list[str] = []

    async def away(route: Route) -> None:
        tried.append(route.request.method)
        if status:
            await route.fulfill(status=status, json={"error": {"message": "Storage cannot be reached"}})
        else:
            await route.abort()

    async with talking(browser, world) as page:
        await page.route(MESSAGES, away)
        for text in WHILE_AWAY:
            await write(page, text)

        async def many_tries() -> bool:
            return len(tried) > 6

        await passes(page, many_tries)
        await expect(page.locator(".entry.contact").nth(1)).to_have_attribute("data-state", "sending")
        await page.unroute(MESSAGES)
        await passes(page, answered(page, 3))
        assert world.peer.texts() == ["hello", *WHILE_AWAY]


async def test_after_a_long_time_it_is_left_to_the_visitor(browser: Browser, world: World) -> None:
    async with talking(browser, world) as page:
        await page.route(MESSAGES, lambda route: route.abort())
        await write(page, "are you there?")
        await passes(page, page.get_by_text("Not sent: no connection").is_visible)
        await page.unroute(MESSAGES)
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator(".entry.agent .bubble")).to_have_count(2)


async def test_who_is_offline_is_told_so_and_waits_however_long_it_takes(browser: Browser, world: World) -> None:
    async with talking(browser, world) as page:
        await page.context.set_offline(True)
        for text in WHILE_AWAY:
            await write(page, text)
        await passes(page, page.get_by_text("You are offline").is_visible)
        await page.clock.fast_forward(3_600_000)
        for _ in range(8):
            await page.clock.run_for(10_000)
            await asyncio.sleep(0.1)
        await expect(page.locator(".entry.contact").nth(1)).to_have_attribute("data-state", "sending")
        await page.context.set_offline(False)
        await passes(page, answered(page, 3))
        await expect(page.get_by_text("Online")).to_be_visible()
        assert world.peer.texts() == ["hello", *WHILE_AWAY]


async def test_a_tab_hears_of_the_first_word_that_another_said(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(other.get_by_text("Online")).to_be_visible()
        await write(page, "hello")
        await expect(other.locator(".bubble")).to_have_text(["hello", "You wrote: hello"])


async def test_a_clock_that_is_days_ahead_costs_no_session_for_each_request(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        begun: list[str] = []
        page.on("request", lambda asked: begun.append(asked.url) if asked.url.endswith("/sessions") else None)
        await page.clock.set_fixed_time(time.time() + 2 * 86_400)
        await page.reload()
        for number in range(3):
            await write(page, f"number {number}")
            await expect(page.locator(".entry.agent .bubble")).to_have_count(number + 1)
        assert len(begun) == 1
