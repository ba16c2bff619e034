"""Can somebody of a support team see which account is paused and why, and resume it?"""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import shoot
from tests.browser.console.conftest import WAIT, watching
from tests.mesh.desk import SCOPES, a_key
from tests.mesh.rig import SMS, Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.test_desk_accounts import WRONG_TOKEN
from tests.mesh.world import World
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
ALL = (*SCOPES, "directory.read", "directory.write")


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
async def test_an_account_whose_token_was_refused_is_seen_to_be_and_is_resumed(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, *, name: str, width: int, dark: bool
) -> None:
    who = person()
    async with watching(browser, mesh, await a_key(storage, *ALL), width=width, dark=dark) as page:
        world.twilio.mode = WRONG_TOKEN
        async with Talk(mesh) as talk:
            await talk.say("sms", "hello", who)
        await page.get_by_role("link", name="Accounts").click()
        card = page.get_by_role("main", name="Accounts").locator(".card", has_text="sms")
        await expect(card).to_contain_text("The provider refused its credentials", timeout=WAIT)
        await expect(card).to_contain_text("what it has to send waits")
        await expect(card.locator("time")).to_contain_text("changed")
        await expect(page.get_by_role("link", name="Accounts 1 needs a look")).to_be_visible()
        await expect(page.locator(".card").first).to_contain_text(SMS)
        await shoot(page, f"console-{name}-accounts")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0
        world.twilio.mode = "ok"
        assert world.twilio.sends.texts(who) == []
        await card.get_by_role("button", name="Resume").click()
        asked = page.get_by_role("dialog")
        await expect(asked).to_contain_text("What waited is sent now")
        await asked.get_by_role("button", name="Resume").click()
        await expect(page.get_by_role("status").filter(has_text="is active")).to_be_visible(timeout=WAIT)
        await expect(page.get_by_role("link", name="Accounts", exact=True)).to_be_visible(timeout=WAIT)
        await expect(card.get_by_role("button", name="Pause")).to_be_visible()
    await until(lambda: world.twilio.sends.texts(who))
    assert world.twilio.sends.texts(who) == ["re: hello"]


async def test_one_is_paused_by_keyboard_alone_and_says_who_did_it(
    browser: Browser, mesh: Mesh, storage: Storage
) -> None:
    async with watching(browser, mesh, await a_key(storage, *ALL), at="#accounts") as page:
        card = page.locator(".card", has_text="whatsapp ·").first
        await card.get_by_role("button", name="Pause").focus(timeout=WAIT)
        for key in ("Enter", "Tab", "Enter"):
            await page.keyboard.press(key)
        await expect(card).to_contain_text("Somebody paused it.", timeout=WAIT)
        await card.get_by_role("button", name="Resume").click()
        await page.get_by_role("dialog").get_by_role("button", name="Resume").click()
        await expect(card.get_by_role("button", name="Pause")).to_be_visible(timeout=WAIT)


async def test_a_key_that_lacks_a_scope_is_told_which_and_the_other_rooms_work(
    browser: Browser, mesh: Mesh, storage: Storage
) -> None:
    async with watching(browser, mesh, await a_key(storage), at="#accounts") as page:
        await expect(page.locator("#account-trouble")).to_contain_text("directory.read", timeout=WAIT)
        await expect(page.locator("#accounts .card")).to_have_count(0)
        await page.get_by_role("link", name="Deliveries").click()
        await expect(page.get_by_role("heading", name="Unknown")).to_be_visible(timeout=WAIT)
        await expect(page.get_by_role("alert")).to_have_count(0)
    async with watching(browser, mesh, await a_key(storage, "directory.read"), at="#accounts") as page:
        await page.locator(".card", has_text="telegram").get_by_role("button", name="Pause").click(timeout=WAIT)
        await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("alert").filter(has_text="directory.write")).to_be_visible(timeout=WAIT)
        await page.get_by_role("link", name="Conversations").click()
        await expect(page.get_by_role("alert").filter(has_text="conversations.read")).to_be_visible(timeout=WAIT)
