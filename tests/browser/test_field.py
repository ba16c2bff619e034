"""Does the field say what it takes, by keyboard, by touch and by drag and drop?"""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import visiting, write
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEYS = "Enter sends, Shift + Enter starts a new line."
# Whether the page keeps the browser from doing what it would.
GIVE = """([name, type, content]) => {
  const given = new DataTransfer();
  if (content) given.items.add(content, "text/plain");
  if (type) given.items.add(new File(["x"], "x.png", { type }));
  const options = { bubbles: true, cancelable: true, dataTransfer: given, clipboardData: given };
  const event = name === "paste" ? new ClipboardEvent(name, options) : new DragEvent(name, options);
  return !document.getElementById("text").dispatchEvent(event);
}"""


async def give(page: Page, name: str, *, file: str = "image/png", text: str = "") -> bool:
    kept: bool = await page.evaluate(GIVE, [name, file, text])
    return kept


@pytest.mark.parametrize("name", ["drop", "paste"])
async def test_a_file_is_declined_in_words_and_does_not_take_the_place_of_the_chat(
    browser: Browser, world: World, name: str
) -> None:
    async with visiting(browser, world) as page:
        declined = page.get_by_text("Files cannot be sent here.")
        await page.get_by_label("Your message").fill("half a sentence")
        assert await give(page, "dragover")
        await expect(declined).to_be_hidden()
        assert await give(page, name)
        await expect(declined).to_be_visible()
        await page.get_by_label("Your message").press_sequentially("!")
        await expect(declined).to_be_hidden()
        assert not await give(page, name, text="a table, which an office gives as a picture too")
        assert not await give(page, name, file="", text="words")
        await expect(declined).to_be_hidden()
        await expect(page.get_by_label("Your message")).to_have_value("half a sentence!")


@pytest.mark.parametrize("touched", [True, False])
async def test_where_enter_is_a_new_line_nothing_says_that_it_sends(
    browser: Browser, world: World, touched: bool
) -> None:
    """A tablet, on which there is room for the words."""
    context = await browser.new_context(
        viewport={"width": 1024, "height": 768}, has_touch=touched, is_mobile=touched, locale="en-GB"
    )
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{world.port}/")
    text = page.get_by_label("Your message")
    await text.fill("one")
    await text.press("Enter")
    await (expect(page.get_by_text(KEYS)).to_be_hidden() if touched else expect(page.get_by_text(KEYS)).to_be_visible())
    await expect(text).to_have_value("one\n" if touched else "")
    assert await text.get_attribute("enterkeyhint") is None


async def test_the_dots_are_seen_where_the_browser_chooses_the_colours(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await page.emulate_media(forced_colors="active")
        world.peer.answer = None
        await write(page, "hello")
        dot = page.locator("#thinking i").first
        await expect(dot).to_be_visible()
        shown = await dot.evaluate("dot => getComputedStyle(dot).backgroundColor")
        assert shown == await page.evaluate("getComputedStyle(document.body).color")


async def test_no_list_item_stands_outside_a_list(browser: Browser, world: World) -> None:
    """What is a log for a screen reader is no list, whatever its element."""
    async with visiting(browser, world) as page:
        world.peer.answer = lambda _: "- one\n- two"
        await write(page, "hello")
        await expect(page.locator(".entry.agent li")).to_have_count(2)
        stray = "all => all.filter(each => !each.parentElement.matches('ul:not([role]), ol:not([role])')).length"
        assert await page.locator("li").evaluate_all(stray) == 0
