"""Does a long conversation open at its end, at once, and is what was said before reached by key, mouse and finger?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, Route, expect

from parley.chat.v1 import message_pb2 as chat
from tests.browser.conftest import shoot, visiting, write
from tests.stalls import PATIENCE_SECONDS
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ALL = ["hello", "You wrote: hello", *map(str, range(3, 131))]
PAGE = 50
BACK, EVENTS = "**/v1/chat/messages?before_seq=*", "**/v1/chat/events"
BUTTON, TRY_AGAIN = "Show earlier messages", "Earlier messages could not be loaded. Try again"
TOP = "(entry) => entry.getBoundingClientRect().top"
AT_THE_END = """() => {
  const pane = document.getElementById("scroll");
  return pane.scrollTop > 0 && pane.scrollHeight - pane.scrollTop - pane.clientHeight < 2;
}"""
# What stands under a heading, and close to the one before it: each entry of a day and a speaker that another began.
MARKED = """() => {
  const wrong = [];
  let before = null;
  for (const each of document.querySelectorAll(".day, .entry")) {
    if (each.className === "day") {
      if (before?.className === "day") wrong.push(before.textContent);
    } else {
      const last = before?.className === "day" ? null : before;
      const speaker = (entry) => ["contact", "agent", "operator"].find((role) => entry.classList.contains(role));
      const close = Boolean(last) && speaker(last) === speaker(each);
      if (each.classList.contains("follows") !== close) wrong.push(each.textContent);
      if (last && last.dataset.day !== each.dataset.day) wrong.push(each.dataset.day);
    }
    before = each;
  }
  return before?.className === "day" ? [...wrong, before.textContent] : wrong;
}"""
COUNTED = """() => {
  const toggle = DOMTokenList.prototype.toggle;
  window.toggled = 0;
  DOMTokenList.prototype.toggle = function (...given) { window.toggled += 1; return toggle.apply(this, given); };
}"""
LAID_OUT = "(entry) => entry.checkVisibility({ contentVisibilityAuto: true })"
OUTBOX = """(text) => {
  const entry = { key: "said-long-ago", text, created_at: new Date().toISOString(), tries: 1 };
  localStorage.setItem("parley.outbox", JSON.stringify([entry]));
}"""


async def go_on(world: World, last: int) -> None:
    """Somebody of the business writes a lot."""
    [conversation] = world.peer.conversations.values()
    for seq in range(len(world.peer.messages[conversation]) + 1, last + 1):
        await world.peer.say(conversation, chat.ROLE_OPERATOR, str(seq))


@asynccontextmanager
async def returning(browser: Browser, world: World, *, last: int = 130, width: int = 1280) -> AsyncIterator[Page]:
    """A visitor who comes back to a conversation of so many messages."""
    async with visiting(browser, world, width=width) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)
        await page.goto("about:blank")
        await go_on(world, last)
        await page.go_back()
        await expect(page.get_by_text("Online")).to_be_visible()
        yield page


async def shows(page: Page, texts: list[str]) -> None:
    await expect(page.locator(".bubble")).to_have_count(len(texts))
    assert await page.locator(".bubble").all_text_contents() == texts


async def press(page: Page, name: str = BUTTON) -> None:
    """Where it is: a mouse that is led there scrolls, which asks for more by itself."""
    await page.get_by_role("button", name=name).dispatch_event("click")


async def until(page: Page, condition: str) -> None:
    """Playwright's own way of waiting is one that the page's policy forbids."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.05)


async def test_a_long_conversation_opens_with_one_page_its_newest_which_is_laid_out_once(
    browser: Browser, world: World
) -> None:
    async with returning(browser, world) as page:
        asked: list[str] = []
        page.on("request", lambda each: asked.append(each.url) if "/messages?" in each.url else None)
        measured = await page.context.new_cdp_session(page)
        await measured.send("Performance.enable")
        await page.reload()
        await shows(page, ALL[-PAGE:])
        await expect(page.locator(".bubble").last).to_be_in_viewport()
        await until(page, AT_THE_END)
        await expect(page.get_by_role("button", name=BUTTON)).to_be_attached()
        assert len(asked) == 1
        metrics = await measured.send("Performance.getMetrics")
        [layouts] = [each["value"] for each in metrics["metrics"] if each["name"] == "LayoutCount"]
        assert layouts < PAGE / 2


async def test_what_was_said_before_is_shown_by_a_key_a_page_at_a_time_up_to_the_first_word(
    browser: Browser, world: World
) -> None:
    async with returning(browser, world) as page:
        button = page.get_by_role("button", name=BUTTON)
        entry = page.locator("#log .entry").first
        await until(page, AT_THE_END)
        await page.keyboard.press("Shift+Tab")
        await expect(button).to_be_in_viewport()
        for shown in (2 * PAGE, len(ALL)):
            await expect(button).to_be_focused()
            before = await entry.evaluate(TOP)
            await page.keyboard.press("Enter")
            await shows(page, ALL[-shown:])
            assert abs(await entry.evaluate(TOP) - before) <= 1
            await expect(page.locator("#told")).to_have_text("Earlier messages are shown")
        await expect(button).to_be_hidden()
        await expect(page.locator("#scroll")).to_be_focused()
        await expect(page.locator(".day")).to_have_text(["Today"])
        log = page.get_by_role("log", name="Messages").locator(".entry")
        await expect(log).to_have_count(PAGE)  # what is added to it is read out, and this was not


@pytest.mark.parametrize("width", [1280, 390])
async def test_who_scrolls_up_reads_on_and_what_is_read_stays_where_it_is(
    browser: Browser, world: World, width: int
) -> None:
    async with returning(browser, world, width=width) as page:
        await until(page, AT_THE_END)
        await page.locator("#scroll").hover()
        first = page.locator("#log .entry").first
        for shown in (2 * PAGE, len(ALL)):
            async with page.expect_response(BACK):
                await page.evaluate("document.getElementById('scroll').scrollTop = 250")
                top = await first.evaluate(TOP)
            await shows(page, ALL[-shown:])
            assert abs(await first.evaluate(TOP) - top) <= 1
        await page.mouse.wheel(0, -100_000)
        await expect(page.locator(".bubble").first).to_be_in_viewport()
        await shoot(page, f"older-{width}")


async def test_each_day_has_its_heading_and_who_goes_on_speaking_is_shown_so_however_it_came(
    browser: Browser, world: World
) -> None:
    async with returning(browser, world) as page:
        [conversation] = world.peer.conversations.values()
        said = world.peer.messages[conversation]
        for number, message in enumerate(reversed(said)):
            message.created_at.seconds -= 86_400 * (number // 7)
            message.role = chat.ROLE_AGENT if number % 3 else chat.ROLE_OPERATOR
        await page.reload()
        for shown in (PAGE, 2 * PAGE, len(ALL)):
            await shows(page, ALL[-shown:])
            assert await page.evaluate(MARKED) == []
            await expect(page.locator(".day")).to_have_count(-(-shown // 7))
            if shown < len(ALL):
                await press(page)
        await go_on(world, 131)
        await write(page, "and I")
        await expect(page.locator(".bubble").last).to_have_text("You wrote: and I")
        assert await page.evaluate(MARKED) == []
        await expect(page.locator(".day").last).to_have_text("Today")


async def test_a_page_costs_the_same_however_much_is_shown_already(browser: Browser, world: World) -> None:
    async with returning(browser, world, last=430) as page:
        await page.evaluate(COUNTED)
        for shown in range(2 * PAGE, 9 * PAGE + 1, PAGE):
            await press(page)
            await expect(page.locator(".bubble")).to_have_count(min(shown, 430))
        assert await page.evaluate("window.toggled") < 3 * 430
        seen = [await page.locator(".entry").nth(place).evaluate(LAID_OUT) for place in (0, 429)]
        assert seen == [False, True]


async def test_a_page_that_could_not_be_loaded_is_asked_for_again_by_the_same_button(
    browser: Browser, world: World
) -> None:
    async with returning(browser, world) as page:
        await page.route(BACK, lambda route: route.abort())
        await press(page)
        again = page.get_by_role("button", name=TRY_AGAIN)
        await expect(again).to_be_visible()
        await shows(page, ALL[-PAGE:])
        await page.unroute(BACK)
        await press(page, TRY_AGAIN)
        await shows(page, ALL[-2 * PAGE :])


async def test_what_is_said_while_it_is_read_back_comes_as_ever_and_without_a_gap(
    browser: Browser, world: World
) -> None:
    async with returning(browser, world) as page:
        await press(page)
        await shows(page, ALL[-2 * PAGE :])
        await go_on(world, 131)
        await expect(page.get_by_text("131", exact=True)).to_be_attached()
        await page.context.set_offline(True)
        await go_on(world, 400)
        await page.context.set_offline(False)
        await expect(page.get_by_text("400", exact=True)).to_be_attached()
        await shows(page, [*ALL[-2 * PAGE :], *map(str, range(131, 401))])
        await write(page, "I am back")
        await expect(page.locator(".bubble").last).to_have_text("You wrote: I am back")


async def test_who_writes_while_the_page_opens_is_not_told_all_of_it(browser: Browser, world: World) -> None:
    async with returning(browser, world) as page:
        may_go_on = asyncio.Event()

        async def held(route: Route) -> None:
            await may_go_on.wait()
            await route.continue_()

        await page.route(BACK, held)
        await page.reload()
        await write(page, "early")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        may_go_on.set()
        await expect(page.get_by_text("You wrote: early")).to_be_attached()
        await expect(page.get_by_text("Online")).to_be_visible()
        await expect(page.get_by_role("button", name=BUTTON)).to_be_attached()
        said = [*ALL, "early", "You wrote: early"]
        shown = await page.locator(".bubble").all_text_contents()
        assert shown == said[-len(shown) :]
        assert len(shown) <= PAGE + 1  # the answer may have come by the stream


async def test_a_message_that_was_said_long_ago_and_still_waits_is_said_and_shown_once(
    browser: Browser, world: World
) -> None:
    async with returning(browser, world) as page:
        [conversation] = world.peer.conversations.values()
        world.peer.messages[conversation][0].provider_message_id = "said-long-ago"
        await page.evaluate(OUTBOX, "hello")
        async with page.expect_response("**/v1/chat/messages"):
            await page.reload()
        await until(page, "!localStorage.getItem('parley.outbox')")
        await shows(page, ALL[-PAGE:])
        for shown in (2 * PAGE, len(ALL)):
            await press(page)
            await shows(page, ALL[-shown:])
        assert world.peer.texts() == ["hello"]


async def test_a_gateway_that_knows_no_way_back_gives_all_of_it_once(browser: Browser, world: World) -> None:
    """As one of an older release, while both run."""

    async def older(route: Route) -> None:
        await route.continue_(url=route.request.url.replace("before_seq", "was_not_there_yet"))

    async with returning(browser, world, last=230) as page:
        await page.route(BACK, older)
        await page.reload()
        shown = [*ALL, *map(str, range(131, 231))]
        await shows(page, shown)
        await press(page)
        await expect(page.locator("#told")).to_have_text("Earlier messages are shown")
        await expect(page.get_by_role("button", name=BUTTON)).to_be_hidden()
        await shows(page, shown)
