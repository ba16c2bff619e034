"""Does the page do what a visitor expects?"""

import asyncio

import pytest
from playwright.async_api import Browser, Route, expect

from parley.chat.v1 import message_pb2 as chat
from tests.browser.conftest import shoot, visiting, write
from tests.suites.gateway.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWER = (
    "Of course. Orders placed before 14:00 leave our warehouse the same day, and you get a tracking link by e-mail.\n\n"
    "If something is missing, tell me the order number and I will look it up."
)


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("phone", 390, False), ("dark", 390, True)]
)
async def test_a_visitor_writes_and_is_answered(
    browser: Browser, world: World, name: str, width: int, dark: bool
) -> None:
    world.peer.answer = None  # not before it was seen that somebody thinks
    async with visiting(browser, world, width=width, dark=dark) as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        await shoot(page, f"{name}-welcome")
        await write(page, "Hello! When will my order arrive?")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        await world.peer.think(conversation, True)
        await expect(page.locator("#thinking")).to_be_visible()
        await shoot(page, f"{name}-thinking")
        await world.peer.say(conversation, chat.ROLE_AGENT, ANSWER)
        await world.peer.think(conversation, False)
        await expect(page.locator(".entry.agent .bubble")).to_have_text(ANSWER)
        await expect(page.locator("#thinking")).to_be_hidden()
        world.peer.answer = lambda _: ANSWER
        await write(page, "Thank you 🙏")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(2)
        await shoot(page, f"{name}-answered")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


async def test_the_page_works_at_whichever_path_a_proxy_puts_it(browser: Browser, world: World) -> None:
    world.peer.answer = lambda _: ANSWER
    async with visiting(browser, world, under="help/chat/") as page:
        await expect(page.get_by_text("Online")).to_be_visible()
        await write(page, "Hello!")
        await expect(page.locator(".entry.agent .bubble")).to_have_text(ANSWER)


RICH = """# Your order

It left our warehouse **today**; you can [follow it](https://example.com/track?a=1&b=2) or write to
[us](mailto:help@example.com). ~~Monday~~ *Tuesday* is when it comes.

- a kettle
- two cups
  - one of them blue

3. Unpack
4. Check

> The parcel is *fragile*.

| part | price | when it comes |
|---|---|---|
| kettle | 24.90 | Tuesday |
| cup | 4.50 | Wednesday, by another courier from another house |

```python
for part in order:
    print(part)  # a line of code that is wider than any bubble of a chat on a phone will ever be
```

---
See https://example.org/help."""


@pytest.mark.parametrize(("name", "width", "dark"), [("rich", 1280, False), ("rich-phone", 390, True)])
async def test_an_answer_in_markdown_is_shown_as_what_it_means(
    browser: Browser, world: World, name: str, width: int, dark: bool
) -> None:
    world.peer.answer = lambda _: RICH
    async with visiting(browser, world, width=width, dark=dark) as page:
        await write(page, "Where is my order? **now**")
        bubble = page.locator(".entry.agent .bubble")
        await expect(bubble.locator("h3")).to_have_text("Your order")
        await expect(bubble.locator("strong")).to_have_text("today")
        await expect(bubble.locator("s")).to_have_text("Monday")
        await expect(bubble.locator("ul > li").first).to_have_text("a kettle")
        await expect(bubble.locator("ul ul > li")).to_have_text("one of them blue")
        assert await bubble.locator("ol").get_attribute("start") == "3"
        await expect(bubble.locator("blockquote em")).to_have_text("fragile")
        await expect(bubble.locator("th")).to_have_text(["part", "price", "when it comes"])
        await expect(bubble.locator("tbody tr").first).to_have_text("kettle24.90Tuesday")
        await expect(bubble.locator("pre code")).to_contain_text("for part in order:\n    print(part)")
        assert await bubble.locator("hr").count() == 1
        links = [
            (await each.get_attribute("href"), await each.get_attribute("rel"), await each.get_attribute("target"))
            for each in await bubble.locator("a").all()
        ]
        assert [href for href, _, _ in links] == [
            "https://example.com/track?a=1&b=2",
            "mailto:help@example.com",
            "https://example.org/help",
        ]
        assert {(rel, target) for _, rel, target in links} == {("noopener noreferrer nofollow", "_blank")}
        await expect(page.locator(".entry.contact .bubble")).to_have_text("Where is my order? **now**")
        await shoot(page, name)
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


HOSTILE = """<img src=x onerror=alert(1)><script>document.title='taken'</script> **bold** <b>&amp;</b>

[a](javascript:alert(1)) [b](JAVASCRIPT&colon;alert(1)) [c](data:text/html,x) [d](//evil.example) <javascript:alert(1)>
![e](x" onerror="alert(1)) [f](https://x.example/"onmouseover="alert(1)) [g](mailto:a@example.com?body=x)

```html"><img src=x onerror=alert(1)>
</code></pre><script>document.title='taken'</script>
```

| <script>document.title='taken'</script> | `<img src=x onerror=alert(1)>` |
|---|---|
| <style>*{display:none}</style> | [https://bank.example](https://evil.example) |

> <iframe src=x></iframe>"""


async def test_what_a_model_writes_is_shown_and_never_run(browser: Browser, world: World) -> None:
    world.peer.answer = lambda _: HOSTILE
    async with visiting(browser, world) as page:
        await write(page, "<i>me too</i> [x](https://evil.example)")
        bubble = page.locator(".entry.agent .bubble")
        await expect(bubble).to_contain_text("<img src=x onerror=alert(1)><script>document.title='taken'</script> bold")
        await expect(bubble.locator("pre code")).to_have_text("</code></pre><script>document.title='taken'</script>")
        await expect(bubble.locator("td").last).to_have_text("https://bank.example (https://evil.example)")
        await expect(page.locator(".entry.contact .bubble")).to_have_text("<i>me too</i> [x](https://evil.example)")
        made = await page.locator(".log *").evaluate_all("all => [...new Set(all.map(each => each.localName))].sort()")
        assert not {"img", "script", "style", "iframe", "i", "b"} & set(made)
        followed = await page.locator(".log a").evaluate_all("all => all.map(each => each.href)")
        assert followed == ["https://x.example/%22onmouseover=%22alert(1)", "https://evil.example/"]
        handlers = await page.locator(".log *").evaluate_all(
            "all => all.flatMap(each => each.getAttributeNames()).filter(name => name.startsWith('on'))"
        )
        assert handlers == []
        assert "taken" not in await page.title()
        await shoot(page, "hostile")


async def test_an_answer_is_seen_while_it_is_written_and_its_message_takes_the_place(
    browser: Browser, world: World
) -> None:
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await write(page, "Where is my order?")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        await world.peer.think(conversation, True)
        await expect(page.locator("#thinking")).to_be_visible()
        drafted = page.locator(".draft .bubble")
        await world.peer.draft(conversation, "It left **today**. <img src=x onerror=alert(1)>\n\n- a kettle\n")
        await expect(drafted.locator("strong")).to_have_text("today")
        await expect(drafted.locator("li")).to_have_text("a kettle")
        await expect(page.locator("#thinking")).to_be_hidden()
        assert await page.locator(".draft img").count() == 0
        await shoot(page, "draft")
        await world.peer.draft(conversation, "It left **today**.\n\n- a kettle\n- two cups\n")
        await expect(drafted.locator("li")).to_have_text(["a kettle", "two cups"])
        await world.peer.draft(conversation, "")
        await expect(drafted).to_have_count(0)
        await expect(page.locator("#thinking")).to_be_visible()
        await world.peer.draft(conversation, "It left.")
        await expect(drafted).to_have_text("It left.")
        await world.peer.say(conversation, chat.ROLE_OPERATOR, "I have taken over.")
        await world.peer.think(conversation, False)
        await expect(drafted).to_have_count(0)
        await expect(page.locator(".entry.operator .bubble")).to_have_text("I have taken over.")
        await expect(page.locator("#thinking")).to_be_hidden()


async def test_who_writes_on_after_a_humans_word_is_seen_writing(browser: Browser, world: World) -> None:
    """Said without a take-over, beside the agent; or the reply to one message, while the next is being answered."""
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await write(page, "Where is my order?")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        await world.peer.think(conversation, True)
        await expect(page.locator("#thinking")).to_be_visible()
        await world.peer.say(conversation, chat.ROLE_OPERATOR, "A moment, please.")
        await expect(page.locator(".entry.operator .bubble")).to_have_text("A moment, please.")
        await expect(page.locator("#thinking")).to_be_visible()
        await world.peer.think(conversation, False)
        await expect(page.locator("#thinking")).to_be_hidden()


async def test_a_page_that_connects_amid_an_answer_shows_what_is_written_and_no_dots(
    browser: Browser, world: World
) -> None:
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await write(page, "Where is my order?")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        await world.peer.think(conversation, True)
        await world.peer.draft(conversation, "It left **today**.")
        for _ in range(2):
            await expect(page.locator(".draft .bubble strong")).to_have_text("today")
            await expect(page.locator("#thinking")).to_be_hidden()
            await page.reload()
        await expect(page.locator(".draft .bubble strong")).to_have_text("today")
        await world.peer.draft(conversation, "")
        await expect(page.locator(".draft")).to_have_count(0)
        await expect(page.locator("#thinking")).to_be_visible()


async def test_a_file_that_support_sends_is_shown_as_a_link(browser: Browser, world: World) -> None:
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await write(page, "Send me the form")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        [conversation] = world.peer.conversations.values()
        kind, url = chat.ATTACHMENT_KIND_FILE, "https://example.com/form.pdf"
        form = chat.Attachment(kind=kind, url=url, file_name="<b>form</b>.pdf", caption="Sign it, please")
        await world.peer.say(conversation, chat.ROLE_OPERATOR, "", "", form)
        bubble = page.locator(".entry.operator .bubble")
        await expect(bubble).to_have_text("<b>form</b>.pdf (example.com)\nSign it, please", timeout=15_000)
        await expect(bubble.locator("a")).to_have_attribute("href", url)
        await expect(bubble.locator("a")).to_have_attribute("rel", "noopener noreferrer nofollow")
        await shoot(page, "file")


async def test_who_writes_to_a_human_is_not_told_for_long_that_the_assistant_writes(
    browser: Browser, world: World
) -> None:
    world.peer.answer = None
    async with visiting(browser, world) as page:
        await page.clock.install()
        await page.reload()
        await write(page, "Are you there?")
        await expect(page.locator(".entry.contact")).to_have_attribute("data-state", "sent")
        await page.clock.fast_forward(5_500)
        await expect(page.locator("#thinking")).to_be_hidden()
        [conversation] = world.peer.conversations.values()
        await world.peer.think(conversation, True)
        await expect(page.locator("#thinking")).to_be_visible()
        await write(page, "Hello?")
        await expect(page.locator(".entry.contact").last).to_have_attribute("data-state", "sent")
        await page.clock.fast_forward(10_000)
        await expect(page.locator("#thinking")).to_be_visible()


async def test_a_gateway_that_sends_no_blocks_is_shown_as_text(browser: Browser, world: World) -> None:
    """As one of an older release, while both run."""
    async with visiting(browser, world) as page:
        await write(page, "hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_count(1)

        async def older(route: Route) -> None:
            answer = await route.fetch()
            body = await answer.json()
            for message in body["messages"]:
                message.pop("blocks")
                message["text"] += " <b>**x**</b>"
            await route.fulfill(json=body)

        await page.route("**/v1/chat/messages?*", older)
        await page.reload()
        await expect(page.locator(".bubble")).to_have_text(["hello <b>**x**</b>", "You wrote: hello <b>**x**</b>"])


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
        await page.get_by_role("button", name="New conversation").click()
        await page.get_by_role("button", name="Begin", exact=True).click()
        await expect(page.get_by_text("How can we help?")).to_be_visible()
        await expect(page.locator(".bubble")).to_have_count(0)


async def test_the_page_of_the_api_shows_every_route(browser: Browser, world: World) -> None:
    async with visiting(browser, world) as page:
        await page.goto(f"http://127.0.0.1:{world.port}/docs")
        await expect(page.locator("summary code").first).to_be_visible()
        shown = await page.locator("summary code").all_inner_texts()
        described = (await world.client.get("/openapi.json")).json()["paths"]
        assert set(shown) == set(described)
        assert {"200", "401", "404", "410"} <= set(described["/v1/media/{media_id}"]["get"]["responses"])
        assert {"200", "404", "410"} <= set(described["/media/{token}"]["get"]["responses"])
        await page.locator("summary").first.click()
        await shoot(page, "docs")
