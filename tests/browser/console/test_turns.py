"""Can somebody of a support team see what waits to be answered, and what was not answered and why?"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.conftest import shoot
from tests.browser.console.conftest import WAIT, watching
from tests.mesh.desk import a_key
from tests.mesh.rig import Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.test_desk_turns import thinking, unanswered
from tests.mesh.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def storage(mesh: Mesh) -> AsyncIterator[Storage]:
    async with mesh.storage() as caller, caller.quiet_window(0):
        yield caller


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
async def test_what_waits_and_what_failed_is_seen_and_opens_its_conversation(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk, *, name: str, width: int, dark: bool
) -> None:
    waits, failed = person(), person()
    await unanswered(world, storage, talk, failed)
    await thinking(world, storage, talk, waits)
    async with watching(browser, mesh, await a_key(storage), width=width, dark=dark) as page:
        await page.get_by_role("link", name="Turns").click()
        room = page.get_by_role("main", name="Turns")
        opened = room.locator(".group", has_text="longest waiting first")
        await expect(opened.locator(".card", has_text=waits)).to_contain_text("running · 1 message", timeout=WAIT)
        ended = room.locator(".group", has_text="the person was told").locator(".card")
        await expect(ended.first).to_contain_text(failed, timeout=WAIT)
        await expect(ended.first).to_contain_text("failed · ")
        await expect(room.get_by_role("heading", name="Suppressed")).to_be_visible()
        await shoot(page, f"console-{name}-turns")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0
        world.run(world.ollama.switch("ok"))
        await expect(opened.get_by_text("None.")).to_be_visible(timeout=WAIT)
        await room.get_by_label("Show").select_option(label="Replied")
        await room.get_by_role("link", name=waits).click(timeout=WAIT)
        await expect(page.locator(".entry.agent .words")).to_contain_text(waits, timeout=WAIT)
        await page.go_back()
        await expect(room.get_by_role("link", name=waits)).to_be_visible(timeout=WAIT)


async def test_a_key_that_lacks_the_scope_is_told_which(browser: Browser, mesh: Mesh, storage: Storage) -> None:
    async with watching(browser, mesh, await a_key(storage, "directory.read"), at="#turns") as page:
        await expect(page.locator("#turn-trouble")).to_contain_text("conversations.read", timeout=WAIT)
        await page.get_by_role("link", name="Accounts").click()
        await expect(page.locator(".card", has_text="telegram")).to_be_visible(timeout=WAIT)
