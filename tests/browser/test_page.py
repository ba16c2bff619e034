"""Does the page do what a visitor expects?"""

import asyncio
import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from parley.chat.v1 import message_pb2 as chat
from tests.browser.conftest import visiting
from tests.suites.gateway.conftest import World

ANSWER = (
    "Of course. Orders placed before 14:00 leave our warehouse the same day, and you get a tracking link by e-mail.\n\n"
    "If something is missing, tell me the order number and I will look it up."
)


async def write(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.get_by_role("button", name="Send").click()


async def shoot(page: Page, name: str) -> None:
    """Keeps a picture when PARLEY_SHOTS names a folder: somebody should look at it."""
    folder = os.environ.get("PARLEY_SHOTS")
    if folder:
        await asyncio.sleep(0.4)
        await page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("phone", 390, False), ("dark", 390, True)]
)
async def test_a_visitor_writes_and_is_answered(
    browser: Browser, world: World, name: str, width: int, dark: bool
) -> None:
    world.peer.answer = lambda _: ANSWER
    async with visiting(browser, world, width=width, dark=dark) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        await shoot(page, f"{name}-welcome")
        await write(page, "Hello! When will my order arrive?")
        await expect(page.locator("#thinking")).to_be_visible()
        await shoot(page, f"{name}-thinking")
        await expect(page.locator(".entry.agent .bubble")).to_have_text(ANSWER)
        await expect(page.locator("#thinking")).to_be_hidden()
        await write(page, "Thank you 🙏")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(2)
        await shoot(page, f"{name}-answered")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


async def test_what_a_model_writes_is_shown_and_never_run(browser: Browser, world: World) -> None:
    nasty = "<img src=x onerror=alert(1)><script>document.title='taken'</script> **bold** <b>&amp;</b>"
    world.peer.answer = lambda _: nasty
    async with visiting(browser, world) as page:
        await write(page, "<i>me too</i>")
        await expect(page.locator(".entry.agent .bubble")).to_have_text(nasty)
        await expect(page.locator(".entry.contact .bubble")).to_have_text("<i>me too</i>")
        assert await page.locator(".log img, .log script, .log i, .log b").count() == 0
        assert "taken" not in await page.title()


async def test_the_conversation_is_still_there_after_a_reload(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await write(page, "remember me")
        await expect(page.locator(".entry.agent .bubble")).to_have_text("You wrote: remember me")
        await page.reload()
        await expect(page.locator(".bubble")).to_have_text(["remember me", "You wrote: remember me"])


async def test_messages_that_came_while_the_connection_was_lost_are_shown_once_and_in_order(
    browser: Browser, world: World
) -> None:
    async with visiting(browser, world) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        await page.context.set_offline(True)
        [conversation] = world.peer.conversations.values()
        for number in range(3):
            await world.peer.say(conversation, chat.ROLE_OPERATOR, f"while away {number}")
        await page.context.set_offline(False)
        shown = ["hello", "You wrote: hello", "while away 0", "while away 1", "while away 2"]
        await expect(page.locator(".bubble")).to_have_text(shown, timeout=15_000)


async def test_a_message_that_could_not_be_sent_is_sent_once_when_it_can(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await write(page, "first")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        world.peer.hold.clear()  # it arrives, and its answer gets lost
        await write(page, "second")
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sending")
        await asyncio.sleep(3)
        world.peer.hold.set()
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sent", timeout=20_000)
        assert world.peer.texts() == ["first", "second"]
        await expect(page.locator(".entry.contact .bubble")).to_have_text(["first", "second"])


async def test_a_message_that_is_given_up_says_so_and_is_retried_by_hand(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await write(page, "first")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        world.peer.full = True

        async def refused(route: Route) -> None:
            if world.peer.full and route.request.method == "POST":
                await route.fulfill(status=413, json={"error": {"message": "The message is larger than the limit."}})
            else:
                await route.continue_()

        await page.route("**/v1/chat/messages", refused)
        await write(page, "second")
        await expect(page.get_by_role("button", name="Try again")).to_be_visible()
        await shoot(page, "desktop-failed")
        world.peer.full = False
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sent")
        assert world.peer.texts() == ["first", "second"]


async def test_it_can_be_used_by_keyboard_alone(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await page.get_by_label("Your message").focus()
        await page.keyboard.type("line one")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("line two")
        await page.keyboard.press("Enter")
        await expect(page.locator(".entry.contact .bubble")).to_have_text("line one\nline two")
        await expect(page.get_by_label("Your message")).to_be_focused()
        log = page.get_by_role("log", name="Messages")
        assert await log.get_attribute("aria-live") == "polite"


@pytest.mark.parametrize(("backend", "shown"), [("echo", True), ("ollama", False)])
async def test_the_page_says_plainly_when_no_model_answers(
    browser: Browser, world: World, backend: str, shown: bool
) -> None:
    about = {"backend": backend, "model": "m", "note": "n"}
    async with visiting(browser, world) as page:
        await page.route("**/v1/chat/about", lambda route: route.fulfill(json=about))
        await page.reload()
        await expect(page.get_by_text("Online")).to_be_visible()
        banner = page.get_by_text("No language model is connected")
        await (expect(banner).to_be_visible() if shown else expect(banner).to_be_hidden())
        await shoot(page, f"desktop-{backend}")


async def test_a_new_conversation_begins_empty(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.get_by_role("button", name="New conversation").click()
        await expect(page.get_by_text("How can we help?")).to_be_visible()
        await expect(page.locator(".bubble")).to_have_count(0)


async def test_the_page_of_the_api_shows_every_route(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await page.goto(f"http://127.0.0.1:{world.port}/docs")
        await expect(page.locator("summary code").first).to_be_visible()
        shown = await page.locator("summary code").all_inner_texts()
        described = (await world.client.get("/openapi.json")).json()["paths"]
        assert set(shown) == set(described)
        await page.locator("summary").first.click()
        await shoot(page, "docs")
