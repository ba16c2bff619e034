"""Is everything answered once and in order, whatever the providers repeat, shuffle and send at the same time?"""

import asyncio
import random

from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until

PEOPLE = 200
MESSAGES = 5
CONNECTIONS = 4


@BOTH
async def test_fifty_copies_of_a_webhook_through_two_gateways_are_one_turn_and_one_send(
    mesh: Mesh, world: World
) -> None:
    who = person()
    with mesh.second_gateway() as second:
        async with Talk(mesh) as talk:
            webhook = talk.webhook("whatsapp", f"only once for {who}", who)
            copies = [talk.post(webhook, via=second if number % 2 else mesh.base_url) for number in range(50)]
            heard = await asyncio.gather(*copies)
            await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
            again = await talk.post(webhook)
            await asyncio.sleep(2)  # longer than the quiet window: a second turn would have been answered by now
    assert {each.status for each in [*heard, again]} == {200}
    assert world.twilio.sends.texts(f"whatsapp:{who}") == [f"re: only once for {who}"]
    assert len([chat for chat in world.ollama.chats if f"only once for {who}" in str(chat.body)]) == 1


@BOTH
async def test_five_messages_within_300_ms_are_one_turn_that_answers_all_in_order(mesh: Mesh, world: World) -> None:
    who = person()
    async with Talk(mesh) as talk:
        for number in range(5):
            await talk.say("whatsapp", f"burst of {who}: {number}", who)
            await asyncio.sleep(0.05)
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
        await asyncio.sleep(2)
    chats = [chat for chat in world.ollama.chats if f"burst of {who}" in str(chat.body)]
    assert len(chats) == 1
    said = [each["content"] for each in chats[0].body["messages"] if each["role"] == "user"]
    assert "\n".join(said).splitlines() == [f"burst of {who}: {number}" for number in range(5)]
    assert len(world.twilio.sends.to(f"whatsapp:{who}")) == 1


@BOTH
async def test_two_hundred_conversations_over_four_connections_see_no_inversion(mesh: Mesh, world: World) -> None:
    people = [person() for _ in range(PEOPLE)]
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh, connections=CONNECTIONS) as talk:
        await asyncio.gather(*(_speak(talk, who) for who in people))
        await until(lambda: all(_last(world, who) == MESSAGES for who in people), 100)
    heard = {who: [_number(text) for text in world.twilio.sends.texts(f"whatsapp:{who}")] for who in people}
    inverted = {who: numbers for who, numbers in heard.items() if numbers != sorted(set(numbers))}
    assert inverted == {}


async def _speak(talk: Talk, who: str) -> None:
    """The next message leaves when the one before was acknowledged: so their order is known."""
    for number in range(1, MESSAGES + 1):
        await asyncio.sleep(random.random() * 0.05)
        await talk.say("whatsapp", f"message {number}", who)


def _last(world: World, who: str) -> int:
    texts = world.twilio.sends.texts(f"whatsapp:{who}")
    return _number(texts[-1]) if texts else 0


def _number(text: str) -> int:
    return int(text.rpartition(" ")[2])
