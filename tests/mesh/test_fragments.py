"""Is what a person says in pieces, or takes back while the model thinks, answered by one reply to all of it?"""

import asyncio

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.manners_pb2 import Manners, NewMessage
from tests.mesh.conftest import BOTH, FULL
from tests.mesh.rig import Mesh
from tests.mesh.standing import conversation_of, manners, settled, standing
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.model_dialect import Seen
from tests.waiting import until

FRAGMENTS = 5
APART_SECONDS = 0.3
# Wider than off the shelf, so that a busy machine does not take one fragment for a message of its own.
WINDOW_MS = 3000
RESTART = Manners(new_message=NewMessage.NEW_MESSAGE_RESTART)


@BOTH
async def test_five_fragments_300_ms_apart_are_one_turn_whose_reply_lists_five(mesh: Mesh, world: World) -> None:
    who = person()
    async with mesh.storage() as storage, storage.quiet_window(WINDOW_MS), Talk(mesh) as talk:
        for number in range(FRAGMENTS):
            await _say(talk, who, number)
        found = await settled(storage, await conversation_of(storage, who))
    assert found.ends == [("replied", "")]
    assert found.turns[0].messages == FRAGMENTS
    _one_reply_lists_all(world, who)


@FULL
async def test_fragments_are_one_turn_also_when_the_agent_is_killed_before_the_last_of_them(
    mesh: Mesh, world: World
) -> None:
    who = person()
    async with mesh.storage() as storage, storage.quiet_window(WINDOW_MS), Talk(mesh) as talk:
        await _say(talk, who, 0)
        await _say(talk, who, 1)
        mesh.kill("agent")
        waiting = await standing(storage, await conversation_of(storage, who))
        for number in range(2, FRAGMENTS):
            await _say(talk, who, number)
        mesh.start("agent")
        found = await settled(storage, waiting.conversation.id)
        mesh.wait_ready(mesh.base_url)
    assert [(turn.state, turn.messages) for turn in waiting.turns] == [(chat.TURN_STATE_WAITING, 2)]
    assert found.ends == [("replied", "")]
    _one_reply_lists_all(world, who)


@BOTH
async def test_a_correction_while_the_model_thinks_stops_it_and_is_answered_together_with_what_it_corrects(
    mesh: Mesh, world: World
) -> None:
    who = person()
    world.run(world.ollama.switch("held"))
    try:
        async with mesh.storage() as storage, storage.quiet_window(0), manners(storage, RESTART), Talk(mesh) as talk:
            await talk.say("whatsapp", f"two tickets for {who}", who)
            await until(lambda: len(_generations(world, who)) == 1)
            await talk.say("whatsapp", f"list what I want: three, {who}", who)
            await until(lambda: len(_generations(world, who)) == 2)
            await until(lambda: _generations(world, who)[0].abandoned)
            world.run(world.ollama.switch("ok"))
            found = await settled(storage, await conversation_of(storage, who))
    finally:
        world.run(world.ollama.switch("ok"))
    assert [seen.abandoned for seen in _generations(world, who)] == [True, False]
    assert found.ends == [("replied", ""), ("suppressed", "merged")]
    (reply,) = world.twilio.sends.texts(f"whatsapp:{who}")
    assert reply.splitlines() == [f"re: two tickets for {who}", f"re: list what I want: three, {who}"]


async def _say(talk: Talk, who: str, number: int) -> None:
    await talk.say("whatsapp", _fragment(who, number), who)
    await asyncio.sleep(APART_SECONDS)


def _fragment(who: str, number: int) -> str:
    """The last one has the model list them."""
    return f"{who}: {number}" if number + 1 < FRAGMENTS else f"list {who}: {number}"


def _one_reply_lists_all(world: World, who: str) -> None:
    (reply,) = world.twilio.sends.texts(f"whatsapp:{who}")
    assert reply.splitlines() == [f"re: {_fragment(who, number)}" for number in range(FRAGMENTS)]
    assert len(_generations(world, who)) == 1


def _generations(world: World, who: str) -> list[Seen]:
    return [seen for seen in world.ollama.chats if who in str(seen.body)]
