"""Are commands, stop words and wishes for a human answered on the channel, without a model?"""

from agent_service.domain.texts import TEXTS
from parley.chat.v1.message_pb2 import DELIVERY_STATE_FAILED, OWNER_HUMAN, OWNER_NONE
from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.standing import conversation_of, give_to, once, settled
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until


async def test_commands_stop_words_and_wishes_are_answered_without_a_model(mesh: Mesh, world: World) -> None:
    asks, leaves, wishes, leaves_meta = person().lstrip("+"), person(), person(), person().lstrip("+")
    async with Talk(mesh) as talk:
        await talk.say("telegram", "/help@parley_bot", asks)
        await talk.say("sms", "¡Baja!", leaves)
        await talk.say("whatsapp_cloud", "STOP", leaves_meta)
        await talk.say("whatsapp", "quiero hablar con una persona, por favor", wishes)
        await until(
            lambda: (
                world.telegram.sends.to(asks)
                and world.twilio.sends.to(leaves)
                and world.meta.sends.to(leaves_meta)
                and world.twilio.sends.to(f"whatsapp:{wishes}")
            )
        )

    (listed,) = world.telegram.sends.texts(asks)
    assert "/model" in listed
    assert world.twilio.sends.texts(leaves) == [TEXTS["opted_out"]["es"]]
    assert world.meta.sends.texts(leaves_meta) == [TEXTS["opted_out"]["en"]]
    assert world.twilio.sends.texts(f"whatsapp:{wishes}") == [TEXTS["handed_off"]["es"]]


async def test_a_stop_that_waits_behind_a_slow_model_outlives_a_take_over(mesh: Mesh, world: World) -> None:
    leaves = person()
    asked = len(world.ollama.chats)
    world.run(world.ollama.switch("held"))
    try:
        async with Talk(mesh) as talk, mesh.storage() as storage:
            await talk.say("whatsapp", "what does it cost?", leaves)
            await until(lambda: len(world.ollama.chats) > asked)
            await talk.say("whatsapp", "STOP", leaves)
            conversation = await conversation_of(storage, leaves)
            await once(storage, conversation, lambda found: len(found.turns) == 2)
            await give_to(storage, conversation, OWNER_HUMAN)
            world.run(world.ollama.switch("ok"))
            found = await settled(storage, conversation)
    finally:
        world.run(world.ollama.switch("ok"))

    assert found.ends == [("suppressed", "owner_changed"), ("replied", "")]
    assert (found.conversation.owner, found.conversation.HasField("opted_out_at")) == (OWNER_NONE, True)
    assert world.twilio.sends.texts(f"whatsapp:{leaves}") == [TEXTS["opted_out"]["en"]]


@BOTH
async def test_a_stop_that_the_provider_obeys_before_us_leaves_no_dead_letter(mesh: Mesh, world: World) -> None:
    who = person()
    world.twilio.blocked.add(who)
    async with Talk(mesh) as talk, mesh.storage() as storage:
        await talk.say("sms", "STOP", who)
        conversation = await conversation_of(storage, who, channel="sms")
        found = await settled(storage, conversation)
    assert found.conversation.owner == OWNER_NONE
    assert [(each.state, each.reason) for each in found.deliveries] == [(DELIVERY_STATE_FAILED, "opted_out")]
    (delivery,) = found.deliveries
    said = [line for text in mesh.logs().values() for line in text.splitlines() if delivery.id in line]
    assert any("delivery.opted_out" in line for line in said)
    assert not any("delivery.dead" in line for line in said)
