"""An account that has too much to send takes nothing more at the door, and never loses what it took; others go on."""

from datetime import timedelta

import pytest

from kit.errors import ParleyError, QueueFull
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import outbox_service_pb2 as outbox
from storage_service.backends.repeats import Repeats
from storage_service.backends.wishes import Wishes
from storage_service.domain.events import Events
from storage_service.domain.housekeeping import Housekeeping
from storage_service.domain.pressure import Pressure
from tests.suites.storage.doors import running
from tests.suites.storage.hot import TENANT, Store, a_message, a_submission
from tests.suites.storage.world import World


async def waiting(store: Store, number: int, account_id: str = "account-1") -> str:
    """So many messages that this account has still to send. One of its conversations."""
    accepted = await store.hear("hi", chat_id=f"chat of {account_id}", account_id=account_id)
    (turn,) = await store.lease()
    await store.commit(turn, *(f"well {each}" for each in range(number)))
    return accepted.conversation_id


async def counted(store: Store, pressure: Pressure) -> Pressure:
    """Once, as storage does every second."""
    keeping = Housekeeping(store.database, store.sweeper, pressure=pressure)
    await keeping.count()
    return pressure


def a_wish(conversation_id: str, request_id: str = "r1") -> outbox.QueueMessageRequest:
    return outbox.QueueMessageRequest(
        tenant_id=TENANT, request_id=request_id, conversation_id=conversation_id, text="one more", role=chat.ROLE_AGENT
    )


async def test_what_is_queued_for_a_full_account_is_refused_with_a_time_and_others_are_not(
    store: Store, world: World
) -> None:
    full, other = await waiting(store, 12), await waiting(store, 3, "account-2")
    pressure = await counted(store, Pressure(1000, 1000, 12))
    repeats = Repeats(world.sessions, world.keyring)
    wishes = Wishes(world.sessions, repeats, events=Events(store.wakeups), pressure=pressure)
    with pytest.raises(QueueFull) as refused:
        await wishes.queue_message(a_wish(full), "somebody")
    assert refused.value.retry_after == timedelta(seconds=30)
    assert (await wishes.queue_message(a_wish(other), "somebody")).delivery_id
    assert len(await store.delivery_states()) == 16


async def test_what_was_queued_since_the_last_count_counts(store: Store, world: World) -> None:
    conversation = await waiting(store, 10)
    pressure = await counted(store, Pressure(1000, 1000, 12))
    repeats = Repeats(world.sessions, world.keyring)
    wishes = Wishes(world.sessions, repeats, events=Events(store.wakeups), pressure=pressure)
    for number in range(2):
        await wishes.queue_message(a_wish(conversation, f"r{number}"), "somebody")
    with pytest.raises(QueueFull):
        await wishes.queue_message(a_wish(conversation, "r2"), "somebody")
    assert (await wishes.queue_message(a_wish(conversation, "r1"), "somebody")).duplicate, "what was taken stays taken"


async def test_a_webhook_that_comes_again_is_refused_and_one_that_does_not_is_taken(store: Store) -> None:
    await waiting(store, 12)
    pressure = await counted(store, Pressure(1000, 1000, 12))
    async with running(store, pressure=pressure) as inbox:
        again = a_submission(a_message("again", provider_message_id="m1"), comes_again=True)
        once = a_submission(a_message("once", provider_message_id="m2"))
        told = a_submission(receipts=[chat.Receipt(provider_message_id="p", state=chat.DELIVERY_STATE_READ)])
        told.comes_again = True
        other = a_submission(a_message("other", provider_message_id="m3"), comes_again=True, account_id="account-2")
        results = await inbox.accept([again, once, told, other])
        assert [isinstance(each, ParleyError) for each in results] == [True, False, False, False]
        texts = await store.fetch("SELECT text FROM messages WHERE role = 'contact' AND text <> 'hi' ORDER BY text")
        assert [tuple(row) for row in texts] == [("once",), ("other",)]
        pressure.room.clear()
        (result,) = await inbox.accept([again])
        assert not isinstance(result, ParleyError)


async def test_an_account_may_say_how_much_may_wait_for_it(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET options = '{\"max_queued\": \"11\"}' WHERE id = 'account-2'")
    await waiting(store, 11)
    await waiting(store, 11, "account-2")
    pressure = await counted(store, Pressure(1000, 1000, 100))
    assert pressure.refusal((TENANT, "account-1")) is None
    assert isinstance(pressure.refusal((TENANT, "account-2")), QueueFull)
