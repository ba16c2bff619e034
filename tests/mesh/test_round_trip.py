"""Is a message answered where it came from, on every channel, topology and database?"""

import asyncio

from tests.mesh.rig import SMS, WHATSAPP, Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until


async def test_whatsapp_sms_and_telegram_messages_are_answered_by_one_call_to_their_provider(
    mesh: Mesh, world: World
) -> None:
    whatsapp, sms, telegram = person(), person(), person().lstrip("+")
    async with Talk(mesh) as talk:
        await talk.say("whatsapp", "hello from whatsapp", whatsapp)
        await talk.say("sms", "hello from sms", sms)
        await talk.say("telegram", "hello from telegram", telegram)
        addresses = (f"whatsapp:{whatsapp}", sms)
        await until(
            lambda: all(world.twilio.sends.to(each) for each in addresses) and world.telegram.sends.to(telegram)
        )
        await asyncio.sleep(0.3)  # for a second answer, that must not come
    assert world.twilio.sends.texts(f"whatsapp:{whatsapp}") == ["re: hello from whatsapp"]
    assert world.twilio.sends.texts(sms) == ["re: hello from sms"]
    assert world.telegram.sends.texts(telegram) == ["re: hello from telegram"]
    senders = [world.twilio.sends.to(address)[0].sender for address in addresses]
    assert senders == [WHATSAPP, SMS]


async def test_a_message_in_the_web_chat_is_answered_there(mesh: Mesh) -> None:
    async with Talk(mesh) as talk:
        chat = await talk.chat("hello from the page")
        async with asyncio.timeout(60):
            while len(await chat.texts()) < 2:
                await asyncio.sleep(0.05)
        assert await chat.texts() == ["hello from the page", "re: hello from the page"]
