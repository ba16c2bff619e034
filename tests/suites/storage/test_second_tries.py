"""Does the real answer follow a failure once, where it was asked for, and only behind what was said at once?"""

from datetime import timedelta
from typing import Any

import pytest

from kit.errors import InvalidField
from kit.moments import span
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.conversation_service_pb2 import AwaitTurnRequest, AwaitTurnResponse
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.turns import Done
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.world import World

MINUTE = span(timedelta(minutes=1))


async def failed(store: Store, *texts: str, **more: Any) -> LeasedTurn:
    """A turn that failed, and is to be tried again a minute later."""
    for text in texts or ("what is the price?",):
        await store.hear(text)
    (turn,) = await store.lease()
    done = await store.commit(turn, "sorry", state="FAILED", reason="model_timeout", try_again_in=MINUTE, **more)
    assert done == Done()
    return turn


def texts(turn: LeasedTurn) -> list[str]:
    return [each.text for each in turn.messages]


async def test_after_its_time_the_same_is_asked_once_more(store: Store) -> None:
    first = await failed(store, "hello", "what is the price?")
    assert await store.lease() == []
    store.clock.pass_seconds(60)
    (again,) = await store.lease(worker="w2")

    assert (texts(again), again.second_try) == (["hello", "what is the price?"], True)
    assert again.turn_id != first.turn_id
    assert [each.text for each in again.history] == ["sorry"]
    assert (await store.commit(again, "12 euros", worker="w2")).error is None
    assert await store.turn_states() == [("failed", "model_timeout"), ("replied", "")]
    assert [each.text for each in await store.lease_deliveries()] == ["sorry"]


async def test_it_is_asked_once_more_and_never_a_third_time(store: Store) -> None:
    await failed(store)
    store.clock.pass_seconds(60)
    (again,) = await store.lease()
    done = await store.commit(again, "sorry", state="FAILED", reason="model_timeout", try_again_in=MINUTE)
    store.clock.pass_seconds(600)

    assert (done.error, await store.lease()) == (None, [])
    assert await store.turn_states() == [("failed", "model_timeout")] * 2


async def test_who_writes_meanwhile_is_answered_at_once_and_all_of_it(store: Store) -> None:
    await failed(store)
    store.clock.pass_seconds(10)
    await store.hear("anybody there?")
    store.clock.pass_seconds(2)
    (turn,) = await store.lease()
    assert (texts(turn), turn.second_try) == (["what is the price?", "anybody there?"], True)
    await store.commit(turn, "12 euros")
    store.clock.pass_seconds(600)
    assert await store.lease() == []


async def test_nothing_is_tried_again_when_newer_messages_wait_already(store: Store) -> None:
    await store.hear("what is the price?")
    (turn,) = await store.lease()
    store.clock.pass_seconds(2)
    await store.hear("hello?")
    await store.commit(turn, "sorry", state="FAILED", reason="model_timeout", try_again_in=MINUTE)
    (behind,) = await store.lease()
    assert (texts(behind), behind.second_try) == (["hello?"], False)
    assert [each.text for each in behind.history] == ["what is the price?", "sorry"]


async def test_a_second_try_that_loses_its_worker_is_still_one(store: Store) -> None:
    await failed(store)
    store.clock.pass_seconds(60)
    await store.lease()
    store.clock.pass_seconds(60)
    await store.sweep()
    (again,) = await store.lease(worker="w2")
    assert (again.second_try, again.attempts) == (True, 1)


async def test_a_failure_that_nobody_asked_to_try_again_is_the_end_of_it(store: Store) -> None:
    await store.hear("what is the price?")
    (turn,) = await store.lease()
    await store.commit(turn, "sorry", state="FAILED", reason="model_timeout")
    store.clock.pass_seconds(600)
    assert await store.lease() == []


@pytest.mark.parametrize("state", ["REPLIED", "SUPPRESSED", "HANDED_OFF"])
async def test_only_a_failure_is_tried_again(store: Store, state: str) -> None:
    await store.hear("what is the price?")
    (turn,) = await store.lease()
    done = await store.commit(turn, "12 euros", state=state, try_again_in=MINUTE)
    assert isinstance(done.error, InvalidField)
    assert await store.turn_states() == [("running", "")]


async def awaited(world: World, message_id: str) -> tuple[chat.TurnState, list[str]]:
    """What a program that asks is told, at once."""
    ask = AwaitTurnRequest(tenant_id=TENANT, message_id=message_id)
    found: AwaitTurnResponse = await world.mesh.call("AwaitTurn", ask)
    return found.turn.state, [each.text for each in found.replies]


async def test_a_program_is_told_of_the_failure_until_the_second_try_replies(store: Store, world: World) -> None:
    turn = await failed(store)
    (asked,) = turn.messages
    told = (chat.TURN_STATE_FAILED, ["sorry"])
    assert await awaited(world, asked.id) == told
    store.clock.pass_seconds(60)
    (again,) = await store.lease()
    assert await awaited(world, asked.id) == told
    await store.commit(again, "12 euros")
    assert await awaited(world, asked.id) == (chat.TURN_STATE_REPLIED, ["12 euros"])


async def test_a_program_is_told_of_the_failure_when_the_second_try_fails_silently(store: Store, world: World) -> None:
    turn = await failed(store)
    (asked,) = turn.messages
    store.clock.pass_seconds(60)
    (again,) = await store.lease()
    await store.commit(again, state="SUPPRESSED", reason="model_timeout")
    assert await awaited(world, asked.id) == (chat.TURN_STATE_FAILED, ["sorry"])


async def test_who_wrote_after_the_failure_waits_for_the_second_try(store: Store, world: World) -> None:
    turn = await failed(store)
    (asked,) = turn.messages
    later = await store.hear("anybody there?")
    assert await awaited(world, later.message_id) == (chat.TURN_STATE_WAITING, [])
    assert await awaited(world, asked.id) == (chat.TURN_STATE_FAILED, ["sorry"])
