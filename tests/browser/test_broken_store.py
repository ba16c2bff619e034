"""Does the page open whatever stands in the browser's store, as after a crash, an extension, or another release?"""

import json

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import visiting, write
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
GOOD = {"key": "good", "text": "kept", "created_at": "2026-11-30T08:00:00.000Z", "tries": 0}
NO_OUTBOXES: list[object] = [
    *("words", 7, True, {}, {"key": "x"}),
    *([None], ["words"], [[]], [{}], [{"key": "x"}]),
    *([{**GOOD, name: wrong}] for name, wrong in [("key", 7), ("key", ""), ("key", "ключ"), ("text", None)]),
    *([{**GOOD, name: wrong}] for name, wrong in [("text", " "), ("created_at", "noon"), ("tries", "many")]),
]
NO_SESSIONS: list[object] = [
    *("words", 7, True, [], {}, [None]),
    *({"token": token, "expires_at": "2999-01-01T00:00:00Z"} for token in (None, 7, "", "ключ", "a\nb", "a.b.c.d")),
    {"token": "a.b.c.d", "expires_at": "noon"},
]


async def opens(page: Page, slot: str, stored: str) -> None:
    await page.evaluate("([slot, stored]) => localStorage.setItem(slot, stored)", [slot, stored])
    await page.reload()
    await expect(page.get_by_text("Online")).to_be_visible()


async def test_an_outbox_that_is_none_is_taken_as_empty(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        for stored in ("{", "null", *map(json.dumps, NO_OUTBOXES)):
            await opens(page, "parley.outbox", stored)
            await expect(page.locator(".entry")).to_have_count(0)
        await write(page, "hello")
        await expect(page.locator(".bubble")).to_have_text(["hello", "You wrote: hello"])
        assert world.peer.texts() == ["hello"]


async def test_what_waits_beside_something_broken_is_said(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await opens(page, "parley.outbox", json.dumps([{"key": "x"}, GOOD, None]))
        await expect(page.locator(".bubble")).to_have_text(["kept", "You wrote: kept"])
        assert await page.evaluate("localStorage.getItem('parley.outbox')") is None


async def test_a_session_that_is_none_is_begun_anew(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        for number, stored in enumerate(("{", "null", *map(json.dumps, NO_SESSIONS))):
            await opens(page, "parley.session", stored)
            await write(page, f"hello {number}")
            await expect(page.locator(".bubble")).to_have_text([f"hello {number}", f"You wrote: hello {number}"])
