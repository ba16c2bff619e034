"""Does the page of the sandbox show what a customer would see, on a desktop and on a phone?"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, FileChooser, FilePayload, Locator, Page, expect

from tests.browser.conftest import shoot
from tests.mesh.world import World
from tests.sandboxed import Sandbox, sandboxed
from tests.stalls import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT = 1000 * PATIENCE_SECONDS
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SIZES = [("desktop", 1280, False), ("dark", 1280, True), ("phone", 390, False), ("phone-dark", 390, True)]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@asynccontextmanager
async def visiting(browser: Browser, sandbox: Sandbox, *, width: int = 1280, dark: bool = False) -> AsyncIterator[Page]:
    """The page with a new person on each phone. Whatever breaks in it, or asks another host, fails the test."""
    for channel in ("whatsapp", "sms", "telegram"):
        await asyncio.to_thread(sandbox.do, channel, "person")
        await asyncio.to_thread(sandbox.do, channel, "fault", fault="none")
    context = await browser.new_context(
        viewport={"width": width, "height": 1080 if width > 640 else 844},
        color_scheme="dark" if dark else "light",
        has_touch=width <= 640,
        locale="en-GB",
        device_scale_factor=2 if width <= 640 else 1,
    )
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda asked: None if asked.url.startswith(sandbox.url) else wrong.append(asked.url))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    await page.goto(sandbox.url)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    yield page
    await context.close()
    assert not wrong


def phone(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


async def write(page: Page, title: str, text: str) -> None:
    await page.get_by_label(f"Message on {title}", exact=True).fill(text)
    await page.get_by_role("button", name=f"Send on {title}", exact=True).click()


async def answered(page: Page, title: str, text: str) -> None:
    await expect(phone(page, title).locator(".bubble:not(.mine) .words").last).to_have_text(text, timeout=WAIT)


@pytest.mark.parametrize(("name", "width", "dark"), SIZES)
async def test_a_customer_types_on_two_phones_and_sees_the_answers(
    browser: Browser, sandbox: Sandbox, name: str, width: int, dark: bool
) -> None:
    async with visiting(browser, sandbox, width=width, dark=dark) as page:
        await shoot(page, f"sandbox-{name}-empty")
        await write(page, "WhatsApp", "When do you open tomorrow? I would come by after work.")
        if width <= 640:
            await page.get_by_role("button", name="Telegram", exact=True).click()
        await write(page, "Telegram", "Hello!")
        await answered(page, "Telegram", 'echo: you said "Hello!"')
        if width > 640:
            await write(page, "SMS", "Thank you 👋 " * 6)
            await expect(phone(page, "SMS").get_by_text("2 segments, UCS-2")).to_be_visible(timeout=WAIT)
        await answered(page, "WhatsApp", 'echo: you said "When do you open tomorrow? I would come by after work."')
        last = phone(page, "WhatsApp").locator(".bubble").last
        await expect(last).to_have_attribute("data-state", "read")
        await expect(phone(page, "WhatsApp").get_by_text("receipt read").first).to_be_visible()
        await shoot(page, f"sandbox-{name}-answered")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


async def test_a_fault_is_chosen_seen_and_switched_back(browser: Browser, sandbox: Sandbox) -> None:
    async with visiting(browser, sandbox) as page:
        wish = page.get_by_label("What goes wrong on SMS")
        await wish.select_option(label="Answer is lost")
        await expect(phone(page, "SMS").get_by_text("unknown until a receipt tells")).to_be_visible()
        await write(page, "SMS", "Is it ready?")
        receipt = phone(page, "SMS").get_by_role("button", name="Send receipt: sent")
        await expect(receipt).to_be_visible(timeout=WAIT)
        await shoot(page, "sandbox-desktop-lost")
        await receipt.click()
        await expect(phone(page, "SMS").locator(".bubble").last).to_have_attribute("data-state", "sent")
        await wish.select_option(label="Nothing goes wrong")
        await expect(phone(page, "SMS").get_by_text("As on a good day.")).to_be_visible()
        await write(page, "SMS", "Thank you")
        await answered(page, "SMS", 'echo: you said "Thank you"')


async def test_seconds_can_be_said_where_something_waits(browser: Browser, sandbox: Sandbox) -> None:
    async with visiting(browser, sandbox) as page:
        seconds = page.get_by_label("Seconds, on Telegram")
        await expect(seconds).to_be_hidden()
        await page.get_by_label("What goes wrong on Telegram").select_option(label="429 with Retry-After")
        await seconds.fill("2")
        await seconds.press("Enter")
        await write(page, "Telegram", "patience")
        await expect(phone(page, "Telegram").get_by_text("429", exact=True).first).to_be_visible(timeout=WAIT)
        await answered(page, "Telegram", 'echo: you said "patience"')
        assert sandbox.phone("telegram")["seconds"] == 2


async def test_what_is_formatted_looks_so_on_each_phone(browser: Browser, sandbox: Sandbox) -> None:
    async with visiting(browser, sandbox) as page:
        for title in ("WhatsApp", "Telegram", "Slack", "Discord"):
            await write(page, title, "**Open** today, `9 < 18`\n\n> see _you_\n> there\n\n```\nring twice\n```\nplease")
            answer = phone(page, title).locator(".bubble:not(.mine)").last
            await expect(answer.locator(".bold")).to_have_text("Open", timeout=WAIT)
            await expect(answer.locator(".code").first).to_have_text("9 < 18")
            await expect(answer.locator(".pre")).to_have_text("ring twice")
            await expect(answer.locator(".quote")).to_have_text("see you\nthere")
        await page.evaluate("scrollTo(0, 0)")
        await shoot(page, "sandbox-desktop-formatted")


async def test_that_somebody_reads_and_writes_is_seen_until_the_answer(browser: Browser, tmp_path: Path) -> None:
    with World() as world:
        world.run(world.ollama.switch("held"))
        with sandboxed(tmp_path, OLLAMA_BASE_URL=world.ollama.base_url, DEFAULT_MODEL="") as sandbox:
            async with visiting(browser, sandbox) as page:
                for title in ("Telegram", "WhatsApp Cloud"):
                    await write(page, title, "Do you have a table for four?")
                    await expect(phone(page, title).locator(".writes")).to_be_visible(timeout=WAIT)
                mine = phone(page, "WhatsApp Cloud").locator(".bubble.mine")
                await expect(mine).to_have_attribute("data-state", "read")
                await shoot(page, "sandbox-desktop-writes")
                world.run(world.ollama.switch("ok"))
                for title in ("Telegram", "WhatsApp Cloud"):
                    await expect(phone(page, title).locator(".bubble:not(.mine)")).to_have_count(1, timeout=WAIT)
                    await expect(phone(page, title).locator(".writes")).to_be_hidden()


async def test_a_reply_is_seen_while_it_is_written(browser: Browser, tmp_path: Path) -> None:
    text = "We have one by the window. It is **yours** at eight. Shall I book it?"
    with World() as world:
        world.run(world.ollama.switch("paused"))
        with sandboxed(tmp_path, OLLAMA_BASE_URL=world.ollama.base_url, DEFAULT_MODEL="") as sandbox:
            for channel, more in (("telegram", ["--no-listen"]), ("slack", [])):
                words = ("--address", channel, "--option", "progressive=on", "--no-probe", *more)
                assert "is active" in sandbox.mesh.run("channels", "add", channel, *words).stdout
            async with visiting(browser, sandbox) as page:
                for title in ("Telegram", "Slack"):
                    await write(page, title, f"say {text}")
                seen = "We have one by the window."
                await expect(phone(page, "Telegram").locator(".drafted")).to_have_text(seen, timeout=WAIT)
                await expect(phone(page, "Slack").locator(".bubble:not(.mine) .words")).to_have_text(seen, timeout=WAIT)
                await phone(page, "Slack").scroll_into_view_if_needed()
                await shoot(page, "sandbox-desktop-draft-slack")
                await phone(page, "Telegram").scroll_into_view_if_needed()
                await shoot(page, "sandbox-desktop-draft-telegram")
                world.run(world.ollama.switch("ok"))
                for title in ("Telegram", "Slack"):
                    answer = phone(page, title).locator(".bubble:not(.mine) .words")
                    await expect(answer).to_have_text(text.replace("**", ""), timeout=WAIT)
                await expect(phone(page, "Telegram").locator(".drafted")).to_be_hidden()


async def test_a_picture_goes_out_on_one_phone_and_comes_back(
    browser: Browser, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with visiting(browser, sandbox) as page:
        picture = tmp_path / "chair.png"
        picture.write_bytes(PNG)
        await page.get_by_label("File on WhatsApp", exact=True).set_input_files(picture)
        await expect(phone(page, "WhatsApp").get_by_text("chair.png")).to_be_visible()
        await write(page, "WhatsApp", "Is it this one?")
        await seen(phone(page, "WhatsApp").locator(".bubble.mine img"))
        await answered(page, "WhatsApp", f'echo: you said "Is it this one?\n[image, image/png, {len(PNG)} bytes]"')
        person = await asyncio.to_thread(sandbox.phone, "whatsapp")
        await sandbox.send_back(person["person"], caption="This one, yes")
        await answered(page, "WhatsApp", "This one, yes")
        await seen(phone(page, "WhatsApp").locator(".bubble:not(.mine) img"))
        await shoot(page, "sandbox-desktop-files")


async def seen(picture: Locator) -> None:
    """Drawn, and not only there."""
    await expect(picture).to_be_visible(timeout=WAIT)
    await expect(picture).to_have_js_property("naturalWidth", 1, timeout=WAIT)


async def test_a_file_is_dropped_taken_away_and_chosen_by_keyboard_alone(browser: Browser, sandbox: Sandbox) -> None:
    async with visiting(browser, sandbox) as page:
        choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
        page.on("filechooser", choosers.put_nowait)  # long before the key is pressed: Chromium confirms in its own time
        given = await page.evaluate_handle(
            "() => { const t = new DataTransfer(); t.items.add(new File(['the bill'], 'bill.txt')); return t; }"
        )
        column = phone(page, "Telegram")
        await column.locator(".phone").dispatch_event("drop", {"dataTransfer": given})
        remove = column.get_by_role("button", name="Do not send bill.txt")
        await expect(remove).to_be_visible()
        await remove.focus()
        await page.keyboard.press("Enter")
        await expect(remove).to_be_hidden()
        attach = column.get_by_role("button", name="Attach a file on Telegram")
        await expect(attach).to_be_focused()
        await page.keyboard.press("Enter")
        bill = FilePayload(name="bill.txt", mimeType="text/plain", buffer=b"the bill")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await (await choosers.get()).set_files(bill)
        await page.get_by_label("Message on Telegram", exact=True).press("Enter")
        chip = column.locator(".bubble.mine .file")
        await expect(chip).to_contain_text("bill.txt8 B")
        await expect(column.locator(".bubble:not(.mine) .words").last).to_contain_text("the bill", timeout=WAIT)


async def test_what_is_written_is_shown_and_never_run(browser: Browser, sandbox: Sandbox) -> None:
    nasty = "<img src=x onerror=alert(1)><b>bold</b>"
    async with visiting(browser, sandbox) as page:
        await write(page, "WhatsApp", nasty)
        await answered(page, "WhatsApp", f'echo: you said "{nasty}"')
        assert await page.locator(".bubble img, .bubble b").count() == 0


async def test_a_phone_can_be_used_by_keyboard_alone(browser: Browser, sandbox: Sandbox) -> None:
    async with visiting(browser, sandbox) as page:
        await page.get_by_label("Message on Telegram", exact=True).focus()
        await page.keyboard.type("line one")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("line two")
        await page.keyboard.press("Enter")
        await expect(phone(page, "Telegram").locator(".bubble.mine .words")).to_have_text("line one\nline two")
        log = page.get_by_role("log", name="Messages on Telegram")
        await expect(log).to_be_visible()
