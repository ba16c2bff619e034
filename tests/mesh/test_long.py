"""Is every message of a long conversation answered within the model's window, and what is old told in short, once?"""

import re
from itertools import pairwise

from agent_service.domain.summaries import INSTRUCTION
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.conversation_service_pb2 import ListConversationsRequest
from parley.storage.v1.inbox_service_pb2 import AcceptRequest, Submission
from tests.mesh.conftest import BOTH
from tests.mesh.rig import TENANT, Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.model_dialect import Seen
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

WINDOW_TOKENS = 4096
MESSAGES = 100
LONG, LATEST = 5000, 40
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
    _all_fit(world, name)
    ends = [_newest(asked, name) for asked in _summaries(world, name)]
    assert ends == sorted(set(ends)), "each goes on from where the one before ended"
    # Of thirty messages each, or of ten at least: a turn that began before the last summary was there may ask for one.
    assert 1 <= len(ends) <= 2 * MESSAGES // 15
    assert all(later - earlier >= 5 for earlier, later in pairwise(ends)), "an exchange is two messages"


@BOTH
async def test_a_conversation_of_five_thousand_messages_is_answered_within_the_window_on_every_turn(
    mesh: Mesh, world: World
) -> None:
    name, before = person(), LONG - 2 * LATEST
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh) as talk:
        await _heard_before(storage, name, messages=before)
        for number in range(before, before + LATEST):
            await talk.say("whatsapp", f"{name} {number}: {FILL}", name)
            await until(lambda: len(world.twilio.sends.to(f"whatsapp:{name}")) > number - before)  # noqa: B023  awaited within this round
        await until(lambda: bool(_summaries(world, name)))
        listing = ListConversationsRequest(tenant_id=TENANT, page_size=500)
        listed = await storage.conversations.ListConversations(
            listing, metadata=storage.metadata, timeout=PATIENCE_SECONDS
        )

    assert next(each.last_seq for each in listed.conversations if each.chat_id == name) == LONG
    assert len(_answers(world, name)) == LATEST
    _all_fit(world, name)
    read = [_read(asked, name) for asked in _summaries(world, name)]
    assert read[0] == (0, 29), "the oldest thirty"
    assert all(later[1] > earlier[1] for earlier, later in pairwise(read)), "each goes on"
    assert all(later[0] <= earlier[1] + 1 for earlier, later in pairwise(read)), "and leaves nothing out"


async def _heard_before(storage: Storage, name: str, *, messages: int) -> None:
    """What a program wrote in the chat: it is history, and nobody answers it."""
    account = next(each for each in await storage.accounts() if each.channel == "whatsapp")
    said = [
        ChannelMessage(
            channel="whatsapp",
            chat_id=name,
            sender_id=name,
            text=f"{name} {number}: {FILL}",
            provider_message_id=f"{name}-{number}",
            from_bot=True,
        )
        for number in range(messages)
    ]
    for some in (said[start : start + 50] for start in range(0, len(said), 50)):
        submission = Submission(tenant_id=TENANT, account_id=account.id, messages=some)
        request = AcceptRequest(submissions=[submission])
        response = await storage.inbox.Accept(request, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
        assert len(response.results[0].messages) == len(some)


def _all_fit(world: World, name: str) -> None:
    for asked in _answers(world, name):
        said = [message["content"] for message in asked.body["messages"]]
        assert sum(map(len, said)) / 4 < WINDOW_TOKENS
        assert asked.body["options"]["num_ctx"] == WINDOW_TOKENS
        assert name in said[-1]


def _asked(world: World, name: str) -> list[Seen]:
    return [each for each in world.ollama.chats if any(name in m["content"] for m in each.body["messages"])]


def _summaries(world: World, name: str) -> list[Seen]:
    return [each for each in _asked(world, name) if each.body["messages"][0]["content"] == INSTRUCTION]


def _answers(world: World, name: str) -> list[Seen]:
    return [each for each in _asked(world, name) if each.body["messages"][0]["content"] != INSTRUCTION]


def _read(asked: Seen, name: str) -> tuple[int, int]:
    """The first and the last number of what is told in short without a gap. What the notes before hold may be in it."""
    numbers = [int(found) for found in re.findall(rf"{re.escape(name)} (\d+):", asked.body["messages"][-1]["content"])]
    first = last = numbers[-1]
    for number in reversed(numbers):
        if number not in (first, first - 1):
            break
        first = number
    return first, last


def _newest(asked: Seen, name: str) -> int:
    """The number of the newest message that is told in short."""
    return int(asked.body["messages"][-1]["content"].rpartition(f"{name} ")[2].split(":")[0])
