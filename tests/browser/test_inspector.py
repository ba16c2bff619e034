"""Does the inspector's page show a person what came in, and let them try again?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from channels.payload import parse_form
from channels.twilio_signature import sign
from kit.credentials import inspector_token, mesh_token
from tests.browser.conftest import shoot
from tests.suites.gateway.conftest import World, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT = 30_000


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway whose inspector is on, with something good and something bad in it."""
    async with running(tmp_path, webhook_inspector="on") as started:
        await started.post(started.webhook("telegram", "<b>hello</b> there"))
        bad = started.webhook("sms", "whoever reads this was asked to")
        url = bad.url.replace("http://", "https://")
        again = {"x-twilio-signature": _signature(started, url, body=bad.body)}
        await started.client.post(bad.url, content=bad.body, headers={**bad.headers, **again})
        yield started


def _signature(world: World, url: str, *, body: bytes) -> str:
    """What Twilio would send with it, had it posted to that URL."""
    token = world.peer.accounts["sms/+14155550100"].credentials["auth_token"]
    return sign(url, parse_form(body), token=token)


@asynccontextmanager
async def looking(
    browser: Browser, world: World, *, width: int = 1280, dark: bool = False, token: str = ""
) -> AsyncIterator[Page]:
    """The page, opened by the link of `parley listen --page` unless another token is given."""
    context = await browser.new_context(
        viewport={"width": width, "height": 860},
        color_scheme="dark" if dark else "light",
        permissions=["clipboard-read", "clipboard-write"],
        locale="en-GB",
    )
    page = await context.new_page()
    wrong: list[str] = []
    home = f"http://127.0.0.1:{world.port}/"
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda asked: None if asked.url.startswith(home) else wrong.append(asked.url))
    page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
    await page.goto(f"{home}inspector#token={token or inspector_token(mesh_token(world.settings))}")
    yield page
    await context.close()
    assert not wrong


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
async def test_a_person_sees_what_was_refused_and_what_mends_it(
    browser: Browser, world: World, name: str, width: int, dark: bool
) -> None:
    async with looking(browser, world, width=width, dark=dark) as page:
        await expect(page.locator(".arrival")).to_have_count(2, timeout=WAIT)
        await expect(page.locator(".arrival .fix")).to_contain_text(
            f"set PUBLIC_BASE_URL=https://127.0.0.1:{world.port}"
        )
        assert "token" not in page.url
        await shoot(page, f"inspector-{name}-list")
        await page.get_by_label("Only what went wrong").check()
        await expect(page.locator(".arrival:visible")).to_have_count(1)
        await page.locator(".arrival:visible").click()
        detail = page.get_by_role("article", name="Details")
        await expect(detail).to_contain_text("x-twilio-signature", timeout=WAIT)
        await expect(detail).not_to_contain_text("whoever reads this")
        await shoot(page, f"inspector-{name}-detail")
        await detail.get_by_role("button", name="Show body").click()
        await expect(detail.locator("pre")).to_contain_text("whoever reads this was asked to", timeout=WAIT)
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


async def test_a_replay_and_a_curl_are_a_press_away_and_new_ones_come_by_themselves(
    browser: Browser, world: World
) -> None:
    async with looking(browser, world) as page:
        await page.get_by_text("telegram", exact=True).click(timeout=WAIT)
        detail = page.get_by_role("article", name="Details")
        await detail.get_by_role("button", name="Replay").click(timeout=WAIT)
        await expect(detail.get_by_role("status")).to_contain_text("Replayed: duplicate, 200", timeout=WAIT)
        await expect(page.locator(".arrival")).to_have_count(3)
        await detail.get_by_role("button", name="Copy as curl").click()
        await expect(detail.get_by_role("status")).to_have_text("Copied", timeout=WAIT)
        copied: str = await page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("# left out") or copied.startswith("curl")
        assert "$TELEGRAM_WEBHOOK_SECRET" in copied
        await detail.get_by_role("button", name="Show body").click()
        await expect(detail.locator("pre")).to_contain_text("<b>hello</b> there", timeout=WAIT)
        assert await page.locator("pre b, .arrival b").count() == 0
        await world.post(world.webhook("slack", "one more"))
        await expect(page.locator(".arrival").first).to_contain_text("slack", timeout=WAIT)
        await shoot(page, "inspector-desktop-replayed")


async def test_who_has_not_the_token_is_asked_for_it_and_sees_nothing(browser: Browser, world: World) -> None:
    async with looking(browser, world, token="wrong") as page:
        await expect(page.get_by_text("That is not the token of this gateway.")).to_be_visible(timeout=WAIT)
        assert await page.locator(".arrival").count() == 0
        await shoot(page, "inspector-desktop-door")
        await page.get_by_label("Token of the inspector").fill(inspector_token(mesh_token(world.settings)))
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator(".arrival")).to_have_count(2, timeout=WAIT)
