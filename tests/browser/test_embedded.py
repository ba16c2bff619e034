"""Can the chat be begun anew where its page may not ask with a box of the browser's, as in a frame without modals?"""

import pytest
from playwright.async_api import Browser, FrameLocator, expect

from tests.browser.conftest import visiting, write
from tests.simulated.wire import HttpServer, Reply
from tests.suites.gateway.conftest import ADDRESSES, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_conversation_is_begun_anew_in_a_frame_that_lets_no_page_ask(browser: Browser, world: World) -> None:
    account = world.peer.accounts[f"webchat/{ADDRESSES['webchat']}"].account
    chat = f"http://127.0.0.1:{world.port}/?site={account.account_key}"
    shown = f"<iframe sandbox='allow-scripts allow-same-origin allow-forms' src='{chat}'></iframe>".encode()
    shop = HttpServer(lambda _: Reply(200, shown, {"content-type": "text/html"}))
    await shop.listen()
    account.options["allowed_origins"] = shop.base_url
    page = await browser.new_page()
    await page.goto(shop.base_url, wait_until="commit")
    frame = page.frame_locator("iframe")
    await frame.get_by_label("Your message").fill("hello")
    await frame.get_by_label("Your message").press("Enter")
    await expect(frame.locator(".bubble")).to_have_text(["hello", "You wrote: hello"])
    await _begin_anew(frame)
    await expect(frame.get_by_text("How can we help?")).to_be_visible()
    await expect(frame.locator(".bubble")).to_have_count(0)
    await shop.refuse()


async def _begin_anew(frame: FrameLocator) -> None:
    await frame.get_by_role("button", name="New conversation").click()
    asked = frame.get_by_role("dialog", name="Begin a new conversation?")
    await asked.get_by_role("button", name="Begin", exact=True).click()


async def test_who_is_asked_can_say_no_by_keyboard_and_goes_on_where_they_were(browser: Browser, world: World) -> None:
    async with visiting(browser, world, width=320) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        renew = page.get_by_role("button", name="New conversation")
        await renew.focus()
        for no in ("Escape", "Enter"):  # what has the focus is to stay
            await renew.press("Enter")
            asked = page.get_by_role("dialog", name="Begin a new conversation?")
            await expect(asked).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth") == 320
            await page.keyboard.press(no)
            await expect(asked).to_be_hidden()
            await expect(renew).to_be_focused()
        await expect(page.locator(".bubble")).to_have_text(["hello", "You wrote: hello"])
