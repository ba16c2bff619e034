"""Is a very long answer readable on the page, on a phone too: from its beginning, and no wider than the window?"""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import shoot, visiting, write
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWER = (Path(__file__).parents[1] / "suites" / "channels" / "long_answer.md").read_text()
WIDE = """| day | from | to | what is brought, and by whom | what it costs without tips |
|---|---|---|---|---|
| Monday | Bahnhofstraße | Donaudampfschifffahrtsgesellschaft | everything | 1,000,000.00 |

```
a_line_of_code_that_is_wider_than_any_bubble_of_a_chat_on_a_phone_or_on_a_desk_will_ever_be_because_nobody_broke_it()
```

"""
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
SCROLLED = """(share) => {
  const pane = document.querySelector("#scroll");
  pane.scrollTop = pane.scrollHeight * share;
}"""
# What sticks out of the bubble, but for what scrolls within itself; and how wide the page and its pane are beyond that.
STICKS_OUT = """(bubble) => {
  const right = bubble.getBoundingClientRect().right;
  const inside = [...bubble.querySelectorAll("*")].filter((each) => !each.closest("pre code, .wide > *"));
  const out = inside.filter((each) => each.getBoundingClientRect().right > right + 0.5).map((each) => each.outerHTML);
  const wide = [document.documentElement, document.querySelector("#scroll"), bubble];
  return [out, wide.map((each) => each.scrollWidth - each.clientWidth)];
}"""


async def shoot_all(page: Page, name: str) -> None:
    """As it arrives, and each fifth of it."""
    await shoot(page, f"{name}-arrived")
    for fifth in range(6):
        await page.evaluate(SCROLLED, fifth / 5)
        await shoot(page, f"{name}-{fifth}")


@pytest.mark.parametrize(("name", "width", "dark"), [("long", 1280, False), ("long-phone", 360, True)])
async def test_a_very_long_answer_begins_in_view_and_is_no_wider_than_the_window(
    browser: Browser, world: World, name: str, width: int, dark: bool
) -> None:
    world.peer.answer = lambda _: WIDE + ANSWER
    async with visiting(browser, world, width=width, dark=dark) as page:
        await write(page, "Tell me everything.")
        bubble = page.locator(".entry.agent .bubble")
        await expect(bubble.locator("table").first).to_be_in_viewport(timeout=30_000)
        await expect(page.locator(".entry.agent .meta")).not_to_be_in_viewport()
        assert await bubble.evaluate(STICKS_OUT) == [[], [0, 0, 0]]
        for scrolling in (bubble.locator("pre").first, bubble.locator(".wide").first):
            assert await scrolling.evaluate("(each) => each.scrollWidth > each.clientWidth") or width > 640
            await scrolling.evaluate("(each) => { each.scrollLeft = 10_000; }")
            assert await scrolling.evaluate("(each) => each.scrollLeft + each.clientWidth >= each.scrollWidth - 1")
        assert (await bubble.inner_text()).count(FAMILY) == ANSWER.count(FAMILY)
        await shoot_all(page, name)
        await page.evaluate(SCROLLED, 1)
        await write(page, "Thank you.")
        await expect(page.locator(".entry.contact .bubble").last).to_be_in_viewport()


@pytest.mark.parametrize(("width", "height"), [(320, 256), (320, 280), (667, 200)])
async def test_where_the_window_is_low_the_answer_and_the_field_are_seen_together(
    browser: Browser, world: World, width: int, height: int
) -> None:
    """A desktop at 400 %, and a phone with its keyboard, upright and on its side."""
    async with visiting(browser, world, width=width, height=height) as page:
        for text in ("One", "Two", "Three"):
            await write(page, text)
            await expect(page.locator(".entry.agent .bubble").last).to_have_text(f"You wrote: {text}")
        field, answer = page.locator("#text"), page.locator(".entry.agent .bubble").last
        await field.focus()
        await expect(field).to_be_in_viewport(ratio=1)
        await expect(answer).to_be_in_viewport(ratio=1)
        for around in ("#hint", "#status"):
            await page.locator(around).scroll_into_view_if_needed()
            await expect(page.locator(around)).to_be_in_viewport(ratio=0.99)
        assert await page.evaluate("document.documentElement.scrollWidth") == width
