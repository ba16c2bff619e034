"""Does the page keep its word when something comes between: another tab or site, a lost place, an Enter not meant?"""

import asyncio
import time

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import visiting, write
from tests.simulated.wire import HttpServer, Reply
from tests.suites.gateway.conftest import ADDRESSES, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWERS, EVENTS = "**/v1/chat/messages", "**/v1/chat/events"


async def cut(page: Page) -> None:
    """What the page posts gets nowhere."""

    async def lost(route: Route) -> None:
        await (route.abort() if route.request.method == "POST" else route.continue_())

    await page.route(ANSWERS, lost)


async def test_what_was_written_while_away_is_said_in_the_order_in_which_it_was_written(
    browser: Browser, world: World
) -> None:
    async with visiting(browser, world) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        tried: list[str] = []

        async def lost(route: Route) -> None:
            tried.append(str(route.request.post_data))
            await (route.continue_() if len(tried) > 2 else route.abort())
            if len(tried) == 1:
                await write(page, "no wait, keep it")

        await page.route(ANSWERS, lost)
        await write(page, "please cancel my order")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(2, timeout=30_000)
        said = ["please cancel my order", "no wait, keep it"]
        assert world.peer.texts() == said
        await expect(page.locator(".entry.contact .bubble")).to_have_text(said)


async def test_what_was_meant_for_one_site_is_never_said_to_another(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        await cut(page)
        await write(page, "for you alone")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sending")
        await page.unroute(ANSWERS)
        await page.goto(f"{page.url}?site=webchat-key")
        await write(page, "hello")
        await expect(page.locator(".bubble")).to_have_text(["hello", "You wrote: hello"])
        assert world.peer.texts() == ["hello"]
        await page.goto(page.url.partition("?")[0])
        await expect(page.locator(".bubble")).to_have_text(["for you alone", "You wrote: for you alone"])


async def test_a_conversation_that_began_anew_is_shown_from_its_beginning(browser: Browser, world: World) -> None:
    """As after an erasure, a backup that came back, or another key: what is shown is no longer there."""
    async with visiting(browser, world) as page:
        for number in range(2):
            await write(page, f"before {number}")
            await expect(page.locator(".entry.agent .bubble")).to_have_count(number + 1)
        world.peer.conversations.clear()
        await write(page, "after")
        await expect(page.locator(".bubble")).to_have_text(["after", "You wrote: after"])
        await expect(page.get_by_text("Online")).to_be_visible()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tab_beside_shows_what_is_said_anew_after_an_erasure(
    browser: Browser, world: World, stream: bool
) -> None:
    async with visiting(browser, world) as page:
        for number in range(3):
            await write(page, f"before {number}")
            await expect(page.locator(".entry.agent .bubble")).to_have_count(number + 1)
        other = await page.context.new_page()
        if not stream:
            await other.route(EVENTS, lambda route: route.fulfill(status=429, json={"error": {"message": "Too many"}}))
        await other.goto(page.url)
        await expect(other.locator(".entry.agent .bubble")).to_have_count(3)
        await world.peer.erase()
        said = []
        for text in ("after", "and now"):
            await write(page, text)
            said += [text, f"You wrote: {text}"]
            await expect(page.locator(".bubble")).to_have_text(said)
            await expect(other.locator(".bubble")).to_have_text(said)
        await expect(other.get_by_text("Online")).to_be_visible()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tab_that_slept_shows_no_conversation_under_another(
    browser: Browser, world: World, stream: bool
) -> None:
    """More was said anew than it had seen, so that no number tells it."""
    async with visiting(browser, world) as page:
        await write(page, "before")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        await page.route("**/v1/chat/**", lambda route: route.abort())
        await world.peer.erase()
        session = await page.evaluate("JSON.parse(localStorage.getItem('parley.session')).token")
        world.peer.answer = None
        said = ["after", "and", "now"]
        for text in said:
            headers = {"Authorization": f"Bearer {session}", "Idempotency-Key": text}
            answer = await world.client.post("/v1/chat/messages", json={"text": text}, headers=headers)
            assert answer.status_code == 200
        if not stream:
            await page.route(EVENTS, lambda route: route.fulfill(status=429, json={"error": {"message": "Too many"}}))
        await page.unroute("**/v1/chat/**")
        await page.evaluate("window.dispatchEvent(new Event('online'))")
        await expect(page.locator(".bubble")).to_have_text(said)
        await expect(page.get_by_text("Online")).to_be_visible()


async def test_an_answer_is_shown_where_no_stream_is_to_be_had(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await page.route(EVENTS, lambda route: route.fulfill(status=429, json={"error": {"message": "Too many"}}))
        await write(page, "hello")
        await expect(page.locator(".bubble")).to_have_text(["hello", "You wrote: hello"], timeout=20_000)
        await expect(page.get_by_text("Online")).to_be_visible()


async def test_two_tabs_keep_each_others_unsent_words(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await write(page, "first")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(other.locator(".entry.agent .bubble")).to_have_count(1)

        async def refused(route: Route) -> None:
            answer = {"error": {"message": "The message is larger than the limit."}}
            await (route.fulfill(status=413, json=answer) if route.request.method == "POST" else route.continue_())

        await page.route(ANSWERS, refused)
        await write(page, "mine")
        await expect(page.get_by_role("button", name="Try again")).to_be_visible()
        await write(other, "the other's")
        await expect(other.locator(".entry.agent .bubble")).to_have_count(2)
        await page.unroute(ANSWERS)
        await page.reload()
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator(".entry.contact .bubble")).to_have_text(["first", "the other's", "mine"])
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sent")


async def test_a_new_conversation_is_not_undone_by_a_tab_that_still_shows_the_one_before(
    browser: Browser, world: World
) -> None:
    async with visiting(browser, world) as page:
        await write(page, "the old one")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(other.locator(".entry.agent .bubble")).to_have_count(1)
        await page.get_by_role("button", name="New conversation").click()
        await page.get_by_role("button", name="Begin", exact=True).click()
        await expect(page.locator(".bubble")).to_have_count(0)
        await write(page, "the new one")
        await expect(page.locator(".bubble")).to_have_text(["the new one", "You wrote: the new one"])
        await other.clock.set_fixed_time(time.time() + 23.5 * 3600)  # it renews its session an hour before the end
        async with other.expect_response("**/v1/chat/sessions"):
            await write(other, "from the other tab")
        await expect(other.locator(".entry.agent .bubble").last).to_have_text("You wrote: from the other tab")
        await page.reload()
        await expect(page.locator(".bubble")).to_have_text(["the new one", "You wrote: the new one"])


async def test_a_session_is_renewed_for_the_next_visit_too(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        kept = await page.evaluate("localStorage['parley.session']")
        await page.clock.set_fixed_time(time.time() + 23.5 * 3600)
        await write(page, "tomorrow")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(2)
        assert await page.evaluate("localStorage['parley.session']") != kept


async def test_the_enter_that_ends_a_composition_sends_nothing(browser: Browser, world: World) -> None:
    """Safari's order of events: the composition has ended, and only the key's code tells."""
    async with visiting(browser, world) as page:
        text = page.get_by_label("Your message")
        await text.fill("にほ")
        await text.evaluate(
            "box => box.dispatchEvent(new KeyboardEvent('keydown', "
            "{ key: 'Enter', keyCode: 229, isComposing: false, bubbles: true, cancelable: true }))"
        )
        await expect(text).to_have_value("にほ")
        await text.press("Enter")
        await expect(page.locator(".entry.contact .bubble")).to_have_text("にほ")


async def test_only_what_is_new_is_read_out(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:

        async def old(route: Route) -> None:
            answer = await route.fetch()
            body = await answer.json()
            for message in body["messages"]:
                message["created_at"] = f"2026-01-{message['seq']:02}T10:00:00Z"
            await route.fulfill(json=body)

        for number in range(2):
            await write(page, f"old {number}")
            await expect(page.locator(".entry.agent .bubble")).to_have_count(number + 1)
        await page.route("**/v1/chat/messages?*", old)
        await page.reload()
        await expect(page.locator(".day")).to_have_count(4)
        await page.evaluate(
            "window.added = []; new MutationObserver(all => all.forEach(each => each.addedNodes.forEach("
            "node => window.added.push(node.className)))).observe(document.getElementById('log'), { childList: true })"
        )
        await write(page, "new")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(3)
        assert await page.evaluate("window.added.filter(each => each === 'day').length") == 1
        await expect(page.locator(".day")).to_have_count(5)


async def test_a_text_that_is_too_long_is_kept_and_the_visitor_told(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        text = page.get_by_label("Your message")
        await text.fill("🙏" * 8001)
        await expect(page.get_by_text("Too long by 1 characters: 8000 can be sent at once.")).to_be_visible()
        await text.press("Enter")
        await expect(page.get_by_role("button", name="Send")).to_be_disabled()
        assert world.peer.texts() == []
        await text.fill("🙏" * 8000)
        await text.press("Enter")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")


async def test_a_page_in_which_nobody_wrote_yet_is_online_again_after_a_break(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        await page.context.set_offline(True)
        await expect(page.get_by_text("You are offline")).to_be_visible()
        await asyncio.sleep(0)
        await page.context.set_offline(False)
        await expect(page.get_by_text("Online")).to_be_visible()


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_chat_works_in_a_frame_of_a_site_that_may_show_it(
    browser: Browser, world: World, allowed: bool
) -> None:
    account = world.peer.accounts[f"webchat/{ADDRESSES['webchat']}"].account
    chat = f"http://127.0.0.1:{world.port}/?site={account.account_key}"
    shown = f"<iframe src='{chat}'></iframe>".encode()
    shop = HttpServer(lambda _: Reply(200, shown, {"content-type": "text/html"}))
    await shop.listen()
    account.options["allowed_origins"] = shop.base_url if allowed else "https://elsewhere.example"
    page = await browser.new_page()
    await page.goto(shop.base_url, wait_until="commit")
    frame = page.frame_locator("iframe")
    if allowed:
        await frame.get_by_label("Your message").fill("hello")
        await frame.get_by_label("Your message").press("Enter")
        await expect(frame.locator(".bubble")).to_have_text(["hello", "You wrote: hello"])
    else:
        async with asyncio.timeout(30):
            while not page.frames[-1].url.startswith("chrome-error:"):
                await asyncio.sleep(0.05)
    await shop.refuse()
