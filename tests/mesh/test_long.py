"""Is every message of a long conversation answered within the model's window, and what is old told in short, once?"""

from itertools import pairwise

from agent_service.domain.summaries import INSTRUCTION
from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person, until
from tests.mesh.world import World
from tests.simulated.model_dialect import Seen

WINDOW_TOKENS = 4096
MESSAGES = 100
FILL = "and so we talked on about the weather in the mountains " * 6


@BOTH
async def test_a_hundred_messages_are_answered_within_the_window_and_what_is_old_is_summarised_once(
    mesh: Mesh, world: World
) -> None:
    name = person()
    sends = world.twilio.sends
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh) as talk:
        for number in range(MESSAGES):
            await talk.say("whatsapp", f"{name} {number}: {FILL}", name)
            await until(lambda: len(sends.to(f"whatsapp:{name}")) > number)  # noqa: B023  awaited within this round
        await until(lambda: bool(_summaries(world, name)))

    assert [text.split(":")[1] for text in sends.texts(f"whatsapp:{name}")] == [f" {name} {n}" for n in range(MESSAGES)]
    for asked in _answers(world, name):
        said = [message["content"] for message in asked.body["messages"]]
        assert sum(map(len, said)) / 4 < WINDOW_TOKENS
        assert asked.body["options"]["num_ctx"] == WINDOW_TOKENS
    ends = [_newest(asked, name) for asked in _summaries(world, name)]
    assert ends == sorted(set(ends)), "each goes on from where the one before ended"
    # Of thirty messages each, or of ten at least: a turn that began before the last summary was there may ask for one.
    assert 1 <= len(ends) <= 2 * MESSAGES // 15
    assert all(later - earlier >= 5 for earlier, later in pairwise(ends)), "an exchange is two messages"


def _asked(world: World, name: str) -> list[Seen]:
    return [each for each in world.ollama.chats if any(name in m["content"] for m in each.body["messages"])]


def _summaries(world: World, name: str) -> list[Seen]:
    return [each for each in _asked(world, name) if each.body["messages"][0]["content"] == INSTRUCTION]


def _answers(world: World, name: str) -> list[Seen]:
    return [each for each in _asked(world, name) if each.body["messages"][0]["content"] != INSTRUCTION]


def _newest(asked: Seen, name: str) -> int:
    """The number of the newest message that is told in short."""
    return int(asked.body["messages"][-1]["content"].rpartition(f"{name} ")[2].split(":")[0])
