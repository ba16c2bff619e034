"""Can somebody of a support team see who waits, take over from the agent, answer, and give back, in a browser?"""

import pytest
from playwright.async_api import Browser, expect

from kit.ids import new_id
from parley.chat.v1.message_pb2 import OWNER_HUMAN, OWNER_QUEUE
from parley.storage.v1.conversation_service_pb2 import GetConversationRequest
from parley.storage.v1.outbox_service_pb2 import QueueMessageRequest
from parley.storage.v1.privacy_service_pb2 import EraseContactRequest
from tests.browser.conftest import shoot
from tests.browser.console.conftest import WAIT, watching
from tests.mesh.desk import a_key
from tests.mesh.rig import TENANT, Mesh, Storage
from tests.mesh.standing import conversation_of, give_to, settled
from tests.mesh.talk import Talk, person
from tests.mesh.test_desk import asked
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKUP = "<img src=x onerror=\"document.title='broken'\"><b>bold</b> https://evil.example"


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("desktop", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
async def test_who_waits_is_taken_over_answered_and_given_back(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk, *, name: str, width: int, dark: bool
) -> None:
    who = person()
    conversation_id = await asked(storage, talk, who, "Where is my parcel?")
    await give_to(storage, conversation_id, OWNER_QUEUE)
    async with watching(browser, mesh, await a_key(storage), width=width, dark=dark) as page:
        row = page.locator(".row", has_text=who)
        await expect(row).to_contain_text("operator asked", timeout=WAIT)
        await expect(page).to_have_title("(1) Console · Parley")
        await shoot(page, f"console-{name}-waiting")
        await row.click()
        talking = page.get_by_role("region", name="Conversation", exact=True)
        await expect(talking.locator(".entry .words")).to_have_text(["Where is my parcel?", "re: Where is my parcel?"])
        await expect(talking.get_by_text("Waits for a human")).to_be_visible()
        await expect(talking.get_by_label("Your answer")).to_be_disabled()
        await talking.get_by_role("button", name="Take over").click()
        await expect(talking.get_by_text("A human answers")).to_be_visible(timeout=WAIT)
        await talking.get_by_label("Your answer").fill("It comes **tomorrow**.")
        await talking.get_by_role("button", name="Send").click()
        await expect(talking.locator(".entry.operator .words")).to_have_text("It comes **tomorrow**.", timeout=WAIT)
        await expect(talking.locator(".entry.operator .meta")).to_contain_text("delivered", timeout=WAIT)
        await expect(talking.get_by_label("Your answer")).to_have_value("")
        await talk.say("whatsapp", "Thank you!", who)
        await expect(talking.locator(".entry").last).to_contain_text("Thank you!", timeout=WAIT)
        await shoot(page, f"console-{name}-talk")
        await talking.get_by_role("button", name="Give back to the agent").click()
        await expect(talking.get_by_text("The agent answers")).to_be_visible(timeout=WAIT)
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0
        if width <= 640:
            await talking.get_by_role("button", name="Back").click()
        await expect(page.get_by_text("Nobody waits for a human.")).to_be_visible(timeout=WAIT)
        await expect(page).to_have_title("Console · Parley")
    assert world.twilio.sends.texts(f"whatsapp:{who}") == ["re: Where is my parcel?", "It comes *tomorrow*."]


async def test_whoever_has_no_key_that_is_good_for_it_sees_nothing(
    browser: Browser, mesh: Mesh, storage: Storage
) -> None:
    async with watching(browser, mesh, "parley_nobodys") as page:
        await expect(page.get_by_text("Nobody issued this key, or it has ended.")).to_be_visible(timeout=WAIT)
        await page.get_by_label("API key").fill(await a_key(storage, "agent.use"))
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator("#list-trouble")).to_contain_text("conversations.read", timeout=WAIT)
        assert await page.locator(".row").count() == 0
        await expect(page.get_by_text("Nobody waits for a human.")).to_be_hidden()  # which nobody knows
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#list-trouble")).to_be_hidden()
        await shoot(page, "console-desktop-door")
        await page.get_by_label("API key").fill(await a_key(storage))
        await page.get_by_role("button", name="Open").click()
        await expect(page.get_by_text("Nobody waits for a human.")).to_be_visible(timeout=WAIT)
        await page.reload()  # the tab keeps it
        await expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=WAIT)
        await page.get_by_role("button", name="Sign out").click()
        await page.reload()
        await expect(page.get_by_label("API key")).to_be_visible()


async def test_what_people_write_is_text(browser: Browser, mesh: Mesh, storage: Storage, talk: Talk) -> None:
    conversation_id = await asked(storage, talk, person(), MARKUP)
    async with watching(browser, mesh, await a_key(storage), at=f"#{conversation_id}") as page:
        await expect(page.locator(".entry.contact .words")).to_have_text(MARKUP, timeout=WAIT)
        await expect(page.locator(".entry.agent .words")).to_contain_text(MARKUP)
        assert await page.locator(".log img, .log b, .log a").count() == 0
        assert await page.title() != "broken"


async def test_who_wants_no_messages_and_who_was_erased_cannot_be_written_to(
    browser: Browser, mesh: Mesh, storage: Storage, talk: Talk
) -> None:
    left, gone = person(), person()
    conversation_id, erased = await asked(storage, talk, left, "STOP"), await asked(storage, talk, gone)
    async with watching(browser, mesh, await a_key(storage), at=f"#{conversation_id}") as page:
        await expect(page.get_by_text("They want no messages")).to_be_visible(timeout=WAIT)
        await expect(page.get_by_label("Your answer")).to_be_disabled()
        await expect(page.get_by_role("button", name="Take over")).to_be_hidden()
        await _erase(storage, erased)
        await page.get_by_role("button", name="All").click()
        await page.locator(".row", has_text="Erased contact").first.click()
        await expect(page.get_by_text("This contact was erased")).to_be_visible(timeout=WAIT)
        await expect(page.get_by_role("button", name="Take over")).to_be_hidden()
        await expect(page.locator("#place")).to_have_text("whatsapp")
        await expect(page.locator(".entry.contact .words").first).to_have_text("Without words")


async def _erase(storage: Storage, conversation_id: str) -> None:
    one = GetConversationRequest(tenant_id=TENANT, conversation_id=conversation_id)
    found = await storage.conversations.GetConversation(one, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    asks = EraseContactRequest(tenant_id=TENANT, request_id=new_id(), contact_id=found.conversation.contact_id)
    await storage.privacy.EraseContact(asks, metadata=storage.metadata, timeout=PATIENCE_SECONDS)


async def test_of_two_who_take_the_same_one_the_second_is_told(
    browser: Browser, mesh: Mesh, storage: Storage, talk: Talk
) -> None:
    conversation_id = await asked(storage, talk, person())
    async with watching(browser, mesh, await a_key(storage), at=f"#{conversation_id}") as page:
        await expect(page.get_by_role("button", name="Take over")).to_be_visible(timeout=WAIT)
        await page.route("**/v1/conversations/*", lambda route: route.abort())  # it has not seen what comes
        await give_to(storage, conversation_id, OWNER_HUMAN)
        await page.get_by_role("button", name="Take over").click()
        await page.unroute("**/v1/conversations/*")
        await expect(page.get_by_role("alert").filter(has_text="faster")).to_be_visible(timeout=WAIT)
        await expect(page.get_by_text("A human answers")).to_be_visible(timeout=WAIT)


async def test_what_cannot_be_sent_stands_in_the_field_again_and_what_is_sent_twice_is_said_once(
    browser: Browser, mesh: Mesh, world: World, storage: Storage, talk: Talk
) -> None:
    who = person()
    conversation_id = await asked(storage, talk, who)
    await give_to(storage, conversation_id, OWNER_HUMAN)
    lost = 0

    async def lose(route: object) -> None:
        """Whoever asks does not hear that it was done."""
        nonlocal lost
        lost += 1
        await route.fetch()  # type: ignore[attr-defined]  # of playwright, which names no type for it here
        await route.abort()  # type: ignore[attr-defined]

    async with watching(browser, mesh, await a_key(storage), at=f"#{conversation_id}") as page:
        field = page.get_by_label("Your answer")
        await expect(field).to_be_enabled(timeout=WAIT)
        await page.route("**/messages", lose, times=2)
        await field.fill("Only once.")
        await field.press("Enter")
        await expect(page.locator(".entry.operator .words")).to_have_text("Only once.", timeout=WAIT)
        await expect(field).to_be_enabled(timeout=WAIT)  # it has heard that it was said
        assert lost == 2
        await page.route(
            "**/messages",
            lambda route: route.fulfill(status=409, json={"error": {"code": "STATE_CONFLICT", "message": "No."}}),
            times=1,
        )
        await field.fill("Not this.")
        await field.press("Enter")
        await expect(page.get_by_role("alert").filter(has_text="Not sent: No.")).to_be_visible(timeout=WAIT)
        await expect(field).to_have_value("Not this.")
    await settled(storage, conversation_id)
    assert world.twilio.sends.texts(f"whatsapp:{who}") == ["re: hello", "Only once."]


async def test_a_long_conversation_opens_at_its_end_and_is_read_back(
    browser: Browser, mesh: Mesh, storage: Storage, talk: Talk
) -> None:
    who = person()
    conversation_id = await asked(storage, talk, who)
    for number in range(60):
        asks = QueueMessageRequest(
            tenant_id=TENANT, request_id=new_id(), conversation_id=conversation_id, text=f"number {number}"
        )
        await storage.outbox.QueueMessage(asks, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    assert await conversation_of(storage, who) == conversation_id
    async with watching(browser, mesh, await a_key(storage), at=f"#{conversation_id}") as page:
        await expect(page.locator(".entry")).to_have_count(50, timeout=WAIT)
        await expect(page.locator(".entry").last).to_be_in_viewport()
        first = page.locator(".entry").first
        await expect(first).to_contain_text("number 10")
        await page.get_by_role("button", name="Show older messages").click()
        await expect(page.locator(".entry")).to_have_count(62, timeout=WAIT)
        await expect(page.locator(".entry").first).to_contain_text("hello")
        await expect(page.get_by_role("button", name="Show older messages")).to_be_hidden()
