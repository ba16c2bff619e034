"""Does an answer in a script that runs from right to left stand as its readers expect?"""

import pytest
from playwright.async_api import Browser, Locator, expect

from parley.chat.v1 import message_pb2 as chat
from tests.browser.conftest import shoot, visiting, write
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ARABIC = """## كيف يمكنني المساعدة؟

- الخيار الأول: Parley!
- الخيار الثاني؟

> نعم، بالتأكيد!

| الاسم | القيمة |
|---|---|
| أ | 12 |

```
total = 12;
```

- in English!"""
# Where a text begins and ends on the screen, as its reader sees it: its first and its last letter.
ENDS = """(element) => {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  texts.nextNode();
  const side = (from) => {
    const range = document.createRange();
    range.setStart(texts.currentNode, from);
    range.setEnd(texts.currentNode, from + 1);
    return range.getBoundingClientRect().x;
  };
  return [side(0), side(texts.currentNode.data.trimEnd().length - 1)];
}"""
FRAME = """(element, edge) => parseFloat(getComputedStyle(element)[edge])"""


@pytest.mark.parametrize("width", [1280, 320])
async def test_an_arabic_answer_has_its_bullets_bars_columns_and_full_stops_where_they_belong(
    browser: Browser, world: World, width: int
) -> None:
    world.peer.answer = lambda _: ARABIC
    async with visiting(browser, world, width=width) as page:
        await write(page, "مرحبا!")
        bubble = page.locator(".entry.agent .bubble")
        await expect(bubble.locator("ul")).to_have_count(2)
        for each in (bubble.locator("h3"), *await bubble.locator("ul").first.locator("li").all(), bubble.locator("p")):
            assert await _runs(each) == "left", await each.inner_text()
        arabic, english, quote = bubble.locator("ul").first, bubble.locator("ul").last, bubble.locator("blockquote")
        assert await arabic.evaluate(FRAME, "paddingRight") > 0 == await arabic.evaluate(FRAME, "paddingLeft")
        assert await english.evaluate(FRAME, "paddingLeft") > 0 == await english.evaluate(FRAME, "paddingRight")
        assert await quote.evaluate(FRAME, "borderRightWidth") > 0 == await quote.evaluate(FRAME, "borderLeftWidth")
        for cells in (bubble.locator("th"), bubble.locator("td")):
            first, second = cells.first, cells.last
            assert await _x(first) > await _x(second)
        assert await _runs(bubble.locator("pre code")) == await _runs(english.locator("li")) == "right"
        await shoot(page, f"arabic-{width}")
        assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


async def test_no_mark_that_turns_words_turns_the_address_behind_them(browser: Browser, world: World) -> None:
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        kind = chat.ATTACHMENT_KIND_FILE
        form = chat.Attachment(kind=kind, url="https://evil.example/a", file_name="form\u202e.pdf")
        turned = "[https://bank.example\u202e](https://evil.example)"
        await world.peer.say(conversation, chat.ROLE_AGENT, turned, "", form)
        bubble = page.locator(".entry.agent .bubble")
        await expect(bubble.locator("a")).to_have_count(2)
        address, file = bubble.locator("a").first, bubble.locator("a").last
        assert await _runs(address) == "right"
        name, host = await file.evaluate(
            "link => [...link.childNodes].map(each => { const range = document.createRange();"
            " range.selectNodeContents(each); return range.getBoundingClientRect().x; })"
        )
        assert name < host
        assert await file.inner_text() == "form\u202e.pdf (evil.example)"
        link = "[\u0623\u0647\u0644\u0627](https://example.com)"
        await world.peer.say(conversation, chat.ROLE_AGENT, link)
        await expect(bubble.last.locator("a")).to_have_count(1)
        assert await _runs(bubble.last.locator("a")) == "left"
        paragraph = bubble.last.locator("p")
        assert await paragraph.evaluate("each => getComputedStyle(each).direction") == "rtl"


async def _runs(element: Locator) -> str:
    first, last = await element.evaluate(ENDS)
    return "right" if last > first else "left"


async def _x(element: Locator) -> float:
    box = await element.bounding_box()
    assert box is not None
    return box["x"]
