"""Can somebody of a support team see what did not arrive, and send it again once they know what that means?"""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import shoot
from tests.browser.console.conftest import WAIT, watching
from tests.mesh.desk import a_key
from tests.mesh.rig import Mesh, Storage
from tests.mesh.standing import settled
from tests.mesh.talk import Talk, person
from tests.mesh.test_dead_letters import lost, refused
from tests.mesh.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
async def test_what_did_not_arrive_is_seen_with_its_reason_and_opens_its_conversation(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk, *, name: str, width: int, dark: bool
) -> None:
    number, chat = person(), person().lstrip("+")
    await refused(world, storage, talk, number)
    await lost(world, storage, talk, chat)
    async with watching(browser, mesh, await a_key(storage), width=width, dark=dark) as page:
        await expect(page.get_by_role("link", name="Deliveries")).to_contain_text("did not arrive", timeout=WAIT)
        await page.get_by_role("link", name="Deliveries").click()
        room = page.get_by_role("main", name="Deliveries")
        unknown = room.locator(".group", has_text="Nobody knows").locator(".card").first
        await expect(unknown).to_contain_text(chat, timeout=WAIT)
        await expect(unknown).to_contain_text("1 call")
        failed = room.locator(".group", has_text="did not arrive").locator(".card").first
        await expect(failed).to_contain_text(number, timeout=WAIT)
        await expect(failed).to_contain_text("code 21211")
        await shoot(page, f"console-{name}-deliveries")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0
        await room.get_by_label("Show").select_option(label="Delivered")
        await expect(room.get_by_role("heading", name="Delivered")).to_be_visible(timeout=WAIT)
        await expect(room.get_by_role("button", name="Send again")).to_have_count(0)
        await room.get_by_label("Show").select_option(label="Failed")
        await room.get_by_role("link", name=number).click()
        await expect(page.locator(".entry.agent .meta")).to_contain_text("failed", timeout=WAIT)
        if width <= 640:
            await page.get_by_role("button", name="Back", exact=True).click()
            await expect(room.get_by_role("link", name=number)).to_be_focused()
        else:
            await page.go_back()
        await expect(room.get_by_role("link", name=number)).to_be_visible(timeout=WAIT)
        await page.get_by_role("link", name="Conversations").click()
        if width > 640:  # what was open there still is
            await expect(page.locator(".entry.agent .meta")).to_be_visible()
        else:
            await expect(page.get_by_role("button", name="With a human")).to_be_visible()


async def test_who_sends_it_again_is_told_what_that_means_and_asked_once(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk
) -> None:
    chat = person().lstrip("+")
    conversation_id = await lost(world, storage, talk, chat)
    async with watching(browser, mesh, await a_key(storage), at="#deliveries") as page:
        card = page.locator(".card", has_text=chat)
        await card.get_by_role("button", name="Send again").focus(timeout=WAIT)
        await page.keyboard.press("Enter")
        asked = page.get_by_role("dialog", name="Send again to Ann?")
        await expect(asked).to_contain_text("It may have arrived. If it did, the contact has it twice.")
        await shoot(page, "console-desktop-sure")
        await page.keyboard.press("Escape")
        await expect(asked).to_be_hidden()
        await expect(card.get_by_role("button", name="Send again")).to_be_focused()
        assert world.telegram.sends.texts(chat) == ["re: hello"]
        await page.keyboard.press("Enter")
        await asked.get_by_role("button", name="Send again").click()
        await expect(page.get_by_role("status").filter(has_text="Sent again to Ann, once.")).to_be_visible(timeout=WAIT)
        await expect(card).to_have_count(0)
        assert await page.evaluate("document.getElementById('deliveries').contains(document.activeElement)")
    await settled(storage, conversation_id)
    assert world.telegram.sends.texts(chat) == ["re: hello", "re: hello"]


async def test_of_two_who_send_it_again_it_goes_out_once_though_it_is_unknown_again(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk
) -> None:
    chat = person().lstrip("+")
    conversation_id = await lost(world, storage, talk, chat)
    key = await a_key(storage)
    async with (
        watching(browser, mesh, key, at="#deliveries") as one,
        watching(browser, mesh, key, at="#deliveries") as other,
    ):
        for page in (one, other):
            await page.locator(".card", has_text=chat).get_by_role("button", name="Send again").click(timeout=WAIT)
        world.telegram.mode = "lost"
        await one.get_by_role("dialog").get_by_role("button", name="Send again").click()
        await expect(one.get_by_role("status").filter(has_text="Sent again")).to_be_visible(timeout=WAIT)
        await settled(storage, conversation_id)
        await other.get_by_role("dialog").get_by_role("button", name="Send again").click()
        told = other.get_by_role("alert").filter(has_text="Not sent again: the delivery has 2 attempts by now, not 1")
        await expect(told).to_be_visible(timeout=WAIT)
        await expect(other.locator(".card", has_text=chat)).to_contain_text("2 calls", timeout=WAIT)
        await settled(storage, conversation_id)
        world.telegram.mode = "ok"
    assert len(world.telegram.sends.texts(chat)) == 2


async def test_what_somebody_has_dealt_with_is_put_aside_and_counts_no_more_and_can_be_put_back(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk
) -> None:
    number = person()
    await refused(world, storage, talk, number)
    async with watching(browser, mesh, await a_key(storage), at="#deliveries") as page:
        count, card = page.locator("#undelivered"), page.locator("#deliveries .card", has_text=number)
        show = page.get_by_role("main", name="Deliveries").get_by_label("Show")
        await expect(card).to_be_visible(timeout=WAIT)
        before = int(await count.inner_text())
        await card.get_by_role("button", name="Put aside").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").filter(has_text=f"Put aside: to {number}.")).to_be_visible(timeout=WAIT)
        await expect(card).to_have_count(0)
        await expect(count).to_have_text(str(before - 1), timeout=WAIT)
        assert await page.evaluate("document.getElementById('deliveries').contains(document.activeElement)")
        await show.select_option(label="Failed")
        await expect(card).to_contain_text("Put aside by desk", timeout=WAIT)
        await shoot(page, "console-desktop-aside")
        await card.get_by_role("button", name="Put back").click()
        await expect(page.get_by_role("status").filter(has_text=f"Put back: to {number}.")).to_be_visible(timeout=WAIT)
        await expect(card.get_by_role("button", name="Put aside")).to_be_visible(timeout=WAIT)
        await show.select_option(label="Unknown and failed")
        await expect(card).to_be_visible(timeout=WAIT)
        await expect(count).to_have_text(str(before), timeout=WAIT)


async def test_a_key_that_lacks_a_scope_is_told_which_and_the_other_rooms_work(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk
) -> None:
    chat = person().lstrip("+")
    await lost(world, storage, talk, chat)
    async with watching(browser, mesh, await a_key(storage, "conversations.read"), at="#deliveries") as page:
        card = page.locator(".card", has_text=chat)
        await card.get_by_role("button", name="Send again").click(timeout=WAIT)
        await page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        await expect(page.get_by_role("alert").filter(has_text="outbox.write")).to_be_visible(timeout=WAIT)
        await expect(card.get_by_role("button", name="Send again")).to_be_enabled()
        await page.get_by_role("link", name="Conversations").click()
        await expect(page.get_by_text("Nobody waits for a human.")).to_be_visible(timeout=WAIT)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    async with watching(browser, mesh, await a_key(storage, "directory.read"), at="#deliveries") as page:
        await expect(page.locator("#delivery-trouble")).to_contain_text("conversations.read", timeout=WAIT)
        await expect(page.locator("#deliveries .card")).to_have_count(0)
