"""Are commands, stop words and wishes for a human answered on the channel, without a model?"""

from agent_service.domain.texts import TEXTS
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person, until
from tests.mesh.world import World


async def test_commands_stop_words_and_wishes_are_answered_without_a_model(mesh: Mesh, world: World) -> None:
    asks, leaves, wishes = person().lstrip("+"), person(), person()
    async with Talk(mesh) as talk:
        await talk.say("telegram", "/help@parley_bot", asks)
        await talk.say("sms", "¡Baja!", leaves)
        await talk.say("whatsapp", "quiero hablar con una persona, por favor", wishes)
        await until(
            lambda: (
                world.telegram.sends.to(asks)
                and world.twilio.sends.to(leaves)
                and world.twilio.sends.to(f"whatsapp:{wishes}")
            )
        )

    (listed,) = world.telegram.sends.texts(asks)
    assert "/model" in listed
    assert world.twilio.sends.texts(leaves) == [TEXTS["opted_out"]["es"]]
    assert world.twilio.sends.texts(f"whatsapp:{wishes}") == [TEXTS["handed_off"]["es"]]
