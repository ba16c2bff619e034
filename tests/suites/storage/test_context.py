"""Does a lease say what the agent must know: where the context begins, how much was answered, what its manners are?"""

import asyncio
from typing import Any

import pytest

from kit.errors import InvalidField
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1.manners_pb2 import NEW_MESSAGE_RESTART, UNKNOWN_COMMAND_HINT, Manners
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage
from storage_service.domain.mutations import Mutations
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import TENANT, Store, migrate, opened, seed
from tests.suites.storage.people import owned_by
from tests.suites.storage.test_model_conversation import asked
from tests.suites.storage.world import World

MANNERS = Manners(
    models=["llama", "mistral"],
    commands={"hours": "We are open from 9 to 5."},
    unknown_command=UNKNOWN_COMMAND_HINT,
    new_message=NEW_MESSAGE_RESTART,
    session_seconds=600,
    turns_per_hour=9,
    tokens_per_day=5_000_000_000,
    failures_before_hand_off=2,
)


async def talk(store: Store, *texts: str, **more: Any) -> None:
    for text in texts:
        await store.hear(text)
        (turn,) = await store.lease()
        await store.commit(turn, f"re {text}", **more)


def before(turn: LeasedTurn) -> list[str]:
    return [each.text for each in turn.history]


async def put(world: World, request_id: str, **fields: Any) -> directory.Agent:
    agent = directory.Agent(**{"name": "agent", "prompt_id": "p", "model": "llama", **fields})
    response = await world.mesh.call(
        "PutAgent", pb.PutAgentRequest(tenant_id=TENANT, request_id=request_id, agent=agent)
    )
    made: directory.Agent = response.agent
    return made


async def test_after_a_rest_the_context_begins_with_the_message_that_ends_it(store: Store) -> None:
    await talk(store, "one", model_conversation="conv_1")
    await store.execute("UPDATE conversations SET summary = 'of old', summary_seq = 2")
    store.clock.pass_seconds(3599)
    turn = await asked(store)
    assert (before(turn), turn.setting.summary) == (["one", "re one"], "of old")
    assert turn.setting.model_conversation == "conv_1"
    await store.commit(turn, "two", model_conversation="conv_1")
    store.clock.pass_seconds(3600)
    anew = await asked(store)
    assert (before(anew), anew.setting.summary, anew.setting.summary_seq) == ([], "", 0)
    assert anew.setting.model_conversation == ""
    await store.commit(anew, "three", model_conversation="conv_1")
    store.clock.pass_seconds(60)
    then = await asked(store)
    assert (before(then), then.setting.model_conversation) == (["hi", "three"], "conv_1")
    assert len(await store.fetch("SELECT 1 FROM messages WHERE text <> ''")) == 7


async def test_a_summary_of_the_present_context_is_brought(store: Store) -> None:
    await talk(store, "one")
    store.clock.pass_seconds(4000)
    await talk(store, "two", "three")
    await store.execute("UPDATE conversations SET summary = 'of today', summary_seq = 4")
    turn = await asked(store)
    assert (turn.setting.summary, turn.setting.summary_seq) == ("of today", 4)


async def test_a_conversation_does_not_rest_while_a_turn_is_open(store: Store) -> None:
    await store.execute("""UPDATE agents SET manners = '{"session_seconds": 10}', turn_deadline_seconds = 600""")
    await talk(store, "one")
    await store.hear("two")
    (turn,) = await store.lease()
    store.clock.pass_seconds(20)
    await store.hear("are you thinking?")
    await store.commit(turn, "re two")
    (behind,) = await store.lease()
    assert before(behind) == ["one", "re one", "two", "re two"]


async def test_what_a_human_says_ends_no_rest_but_begins_it_later(store: Store, world: World) -> None:
    store.clock.now = world.sessions.now()
    turn = await asked(store)
    await store.commit(turn, "re hi")
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    store.clock.pass_seconds(3000)
    await store.execute("UPDATE conversations SET updated_at = :at", at=store.clock.now)  # the human writes
    store.clock.pass_seconds(3000)
    assert (await store.hear("thanks")).turn_id == ""
    await owned_by(world, turn.conversation_id, chat.OWNER_AGENT, "2")
    assert before(await asked(store)) == ["hi", "re hi", "thanks"]


async def test_turns_are_counted_by_the_hour_and_not_by_their_leases(store: Store) -> None:
    await talk(store, "one", "two")
    await store.hear("three")
    (turn,) = await store.lease()
    assert turn.setting.turns_in_hour == 3
    await store.give_back(turn)
    (turn,) = await store.lease()
    assert turn.setting.turns_in_hour == 3
    await store.commit(turn, "re three")
    store.clock.pass_seconds(3600)
    assert (await asked(store)).setting.turns_in_hour == 1
    assert (await asked(store, "other")).setting.turns_in_hour == 1


async def test_tokens_are_counted_by_tenant_and_day(store: Store) -> None:
    usage = Usage(input_tokens=100, output_tokens=20)
    await talk(store, "one", usage=usage)
    turns = [await asked(store, "a"), await asked(store, "b")]
    assert [each.setting.tenant_tokens_today for each in turns] == [120, 120]
    for turn in turns:
        await store.commit(turn, "ok", usage=usage)
    assert (await asked(store)).setting.tenant_tokens_today == 360
    store.clock.pass_seconds(86_400)
    assert (await asked(store, "c")).setting.tenant_tokens_today == 0
    assert [tuple(row) for row in await store.fetch("SELECT * FROM token_days")] == [(TENANT, "2026-01-01", 360)]


async def test_a_count_that_no_model_can_have_reached_stops_no_tenants_turns(store: Store) -> None:
    for number in range(5):
        turn = await asked(store, f"chat {number}")
        assert (await store.commit(turn, "ok", usage=Usage(input_tokens=2**61))).error is None
    assert (await asked(store)).setting.tenant_tokens_today == 2**62 - 1


async def test_replicas_that_count_tokens_at_the_same_moment_lose_none(postgres_server: Postgres) -> None:
    url = postgres_server.fresh(migrate)
    usage = Usage(input_tokens=1)
    async with opened(url, Mutations()) as here, opened(url, Mutations()) as there:
        await seed(here)
        turns = [await asked(here, f"{number}") for number in range(40)]
        halves = ((here, turns[::2]), (there, turns[1::2]))
        await asyncio.gather(*(store.commit(turn, "ok", usage=usage) for store, half in halves for turn in half))
        assert await here.fetch("SELECT tokens FROM token_days") == [(40,)]


async def test_tokens_are_counted_though_the_answer_may_not_be_said(store: Store, world: World) -> None:
    turn = await asked(store)
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    await store.commit(turn, "ok", usage=Usage(output_tokens=9))
    assert (await asked(store, "other")).setting.tenant_tokens_today == 9


async def test_an_agents_manners_are_kept_and_brought_with_a_turn(store: Store, world: World) -> None:
    assert not (await asked(store, "before")).setting.HasField("manners")
    assert (await put(world, "1", manners=MANNERS)).manners == MANNERS
    listed = await world.mesh.call("ListAgents", pb.ListAgentsRequest(tenant_id=TENANT))
    assert [each.manners for each in listed.agents] == [MANNERS]
    turn = await asked(store)
    assert turn.setting.manners == MANNERS
    await store.commit(turn, "ok")
    store.clock.pass_seconds(600)
    assert before(await asked(store)) == []
    assert not (await put(world, "2")).HasField("manners")


async def test_the_same_manners_again_change_nothing(world: World) -> None:
    await put(world, "1", manners=MANNERS)
    agent = directory.Agent(name="agent", prompt_id="p", model="llama", manners=MANNERS)
    again = await world.mesh.call("PutAgent", pb.PutAgentRequest(tenant_id=TENANT, request_id="2", agent=agent))
    assert again.duplicate


@pytest.mark.parametrize(
    "wrong",
    [
        {"commands": {"Hours": "x"}},
        {"commands": {"hours": " "}},
        {"commands": {"hours": "x" * 4097}},
        {"commands": {f"c{number}": "x" * 4000 for number in range(9)}},
        {"models": ["x" * 129]},
        {"session_seconds": -1},
        {"failures_before_hand_off": 101},
    ],
    ids=["name", "blank", "long", "large", "model", "session", "failures"],
)
async def test_manners_that_cannot_be_meant_are_refused(world: World, wrong: dict[str, Any]) -> None:
    agent = directory.Agent(name="agent", manners=Manners(**wrong))
    ask = pb.PutAgentRequest(tenant_id=TENANT, request_id="1", agent=agent)
    assert isinstance(await world.mesh.refusal("PutAgent", ask), InvalidField)
