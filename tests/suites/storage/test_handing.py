"""What is due at once reaches a worker that waits in the transaction that makes it, and never before older work."""

import asyncio

import pytest

from kit.errors import NotFound
from kit.ids import new_id
from parley.chat.v1.message_pb2 import Role
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.inbox_service_pb2 import Submission
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain import lessor, rooms
from storage_service.domain.database import Kind
from storage_service.domain.inbox import Inbox
from storage_service.domain.outbox import Outbox
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.doors import Interrupted, an_ask, an_inbox, running
from tests.suites.storage.hot import Store, a_commit, a_message, a_submission


async def waits(inbox: Inbox, worker: str = "w1", most: int = 10) -> "asyncio.Task[list[LeasedTurn]]":
    """A worker whose ask is known to storage, and for whom the database was looked through in vain."""
    assert await inbox.lease(an_ask(worker, most), 0) == []
    call = asyncio.create_task(inbox.lease(an_ask(worker, most), 30))
    await asyncio.sleep(0)
    return call


def submission(number: int, chat_id: str = "") -> Submission:
    message = a_message(f"text {number}", provider_message_id=f"{number}", chat_id=chat_id or f"{number}")
    return a_submission(message)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine it is soon time to look for older work, and until then nobody is handed what is new. Within the
    shortest wait of these tests, though: who waits less than that is looked for at once."""
    monkeypatch.setattr(lessor, "FIRST_POLL_SECONDS", 20.0)


@pytest.mark.usefixtures("unhurried")
async def test_a_new_turn_is_leased_by_the_transaction_that_accepts_it(store: Store) -> None:
    database = Interrupted(store.database, "accept")
    async with running(store, database) as inbox:
        call = await waits(inbox)
        database.runs.clear()
        await inbox.accept([submission(1), submission(2)])
        first, second = await call
    assert [kind for kind in database.runs if kind != "read"] == ["accept"], "no other transaction was needed"
    assert [[each.text for each in turn.messages] for turn in (first, second)] == [["text 1"], ["text 2"]]
    assert (first.epoch, first.attempts, first.setting.system_prompt) == (1, 0, "Be kind.")
    assert await store.turn_states() == [("running", "")] * 2
    assert await store.fetch("SELECT turn_due_at FROM conversations") == [(None,), (None,)]
    assert not (await store.commit(first, "answer")).error


async def test_it_brings_the_same_as_any_other_lease(store: Store) -> None:
    for number in range(3):
        await store.hear(f"before {number}")
        (turn,) = await store.lease()
        await store.commit(turn, f"reply {number}")
    async with running(store) as inbox:
        call = await waits(inbox)
        await inbox.accept([submission(9, "chat-1")])
        (handed,) = await call
    assert not (await store.give_back(handed)).error
    (leased,) = await store.lease()
    said = [each for number in range(3) for each in (f"before {number}", f"reply {number}")]
    assert [each.text for each in handed.history] == said
    assert (leased.epoch, leased.attempts) == (handed.epoch + 1, handed.attempts + 1)
    for turn in (handed, leased):
        turn.ClearField("epoch")
        turn.ClearField("attempts")
        turn.ClearField("expires_at")
    assert handed == leased


async def test_of_what_was_said_before_a_worker_learns_what_its_model_reads(store: Store) -> None:
    """A long conversation brings dozens of messages with each turn: what nobody reads would cost as much again."""
    await store.hear("before")
    (first,) = await store.lease()
    await store.commit(first, "reply")
    await store.hear("then")
    (turn,) = await store.lease()
    told = [{field.name for field, _ in each.ListFields()} for each in turn.history]
    assert told == [{"seq", "role", "text", "created_at"}] * 2
    assert turn.history[0].created_at == first.messages[0].created_at
    assert [(each.seq, each.role) for each in turn.history] == [(1, Role.ROLE_CONTACT), (2, Role.ROLE_AGENT)]


async def test_what_waits_already_goes_first(store: Store) -> None:
    async with running(store) as inbox:
        call = await waits(inbox, most=1)
        await store.hear("older", chat_id="older")  # another replica took it
        store.wakeups.turns.ring()
        await inbox.accept([submission(1)])
        (turn,) = await call
        assert turn.messages[0].text == "older"
        (turn,) = await inbox.lease(an_ask(), 5)
        assert turn.messages[0].text == "text 1"


async def test_no_worker_is_handed_more_than_it_asked_for(store: Store) -> None:
    async with running(store) as inbox:
        call = await waits(inbox, most=2)
        await inbox.accept([submission(number) for number in range(5)])
        assert len(await call) == 2
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert len(await inbox.lease(an_ask(most=10), 5)) == 3


async def test_a_turn_that_waits_for_more_messages_is_not_handed_out(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 1200")
    async with running(store) as inbox:
        call = await waits(inbox)
        await inbox.accept([submission(1)])
        assert await store.turn_states() == [("waiting", "")]
        call.cancel()


@pytest.mark.usefixtures("unhurried")
async def test_between_two_asks_of_a_worker_its_turns_are_kept_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "KEPT_SECONDS", 60.0)  # a busy machine is no worker that is gone
    async with running(store) as inbox:
        call = await waits(inbox)
        await inbox.accept([submission(1)])
        await call
        await inbox.accept([submission(2)])  # it has not asked again
        assert [row[0] for row in await store.turn_states()] == ["running", "running"]
        (turn,) = await inbox.lease(an_ask(), 0)
    assert turn.messages[0].text == "text 2"


async def test_what_was_kept_for_a_worker_that_does_not_come_back_goes_to_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "KEPT_SECONDS", 0.05)
    async with running(store) as inbox:
        call = await waits(inbox)
        await inbox.accept([submission(1)])
        await call
        await inbox.accept([submission(2)])
        async with asyncio.timeout(PATIENCE_SECONDS):
            (turn,) = await inbox.lease(an_ask("w2"), 5)
    assert (turn.messages[0].text, turn.attempts) == ("text 2", 0)


@pytest.mark.parametrize("when", ["while", "after"])
async def test_a_call_that_is_cancelled_around_the_handing_keeps_nothing(store: Store, when: str) -> None:
    database = Interrupted(store.database, "accept")
    async with running(store, database) as inbox:
        call = await waits(inbox)
        loop = asyncio.get_running_loop()
        database.then = call.cancel if when == "while" else lambda: loop.call_soon(call.cancel)
        await inbox.accept([submission(1)])
        with pytest.raises(asyncio.CancelledError):
            await call
        (turn,) = await inbox.lease(an_ask("w2"), 5)
    assert turn.attempts == 0, "a lease that reached nobody counts for nothing"


async def test_an_accept_waits_for_no_worker_that_has_its_answer_already(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessor, "FILL_SECONDS", 3600)
    database = Interrupted(store.database, "accept")
    async with running(store, database) as inbox, asyncio.timeout(PATIENCE_SECONDS):
        call = await waits(inbox)
        database.then = store.wakeups.turns.ring  # something older may be due, and nobody is left who asks for it
        first = asyncio.create_task(inbox.accept([submission(1)]))
        await asyncio.sleep(0)
        await asyncio.gather(first, inbox.accept([submission(2)]))
        assert len(await call) == 1


async def test_what_cannot_be_stored_is_handed_to_nobody(store: Store) -> None:
    async with running(store) as inbox:
        call = await waits(inbox)
        bad = a_submission(a_message(provider_message_id="bad"), account_id="nobody's")
        _, refused = await inbox.accept([submission(1), bad])
        assert isinstance(refused, NotFound)
        assert len(await call) == 1


async def answered(store: Store, kind: Kind, *, seconds: float = 30) -> tuple[list[LeasedDelivery], list[Kind]]:
    """What a waiting sender is given when a turn is committed, and in which transactions."""
    database = Interrupted(store.database, kind)
    outbox = Outbox(database, store.deliveries, wakeups=store.wakeups, new_id=new_id)
    inbox = an_inbox(store, database, outbox=outbox)
    loop = asyncio.create_task(outbox.deliveries.run())
    (turn,) = await store.lease()
    assert await outbox.lease(an_ask("s1"), 0) == []
    call = asyncio.create_task(outbox.lease(an_ask("s1"), seconds))
    await asyncio.sleep(0)
    database.runs.clear()
    await inbox.commit("w1", [a_commit(turn, "one", "two")])
    given = await call
    runs = list(database.runs)
    await inbox.close()
    await outbox.close()
    await loop
    return given, runs


@pytest.mark.usefixtures("unhurried")
async def test_a_reply_is_leased_by_the_transaction_that_ends_its_turn(store: Store) -> None:
    await store.hear("hi", metadata={"thread": "7"})
    (delivery,), runs = await answered(store, "turns")
    assert runs == ["turns"]
    assert (delivery.text, delivery.reply_to_provider_message_id) == ("one", "in-1")
    assert dict(delivery.reply_metadata) == {"thread": "7"}
    await store.send(delivery, "p-1")
    (second,) = await store.lease_deliveries()
    assert second.text == "two", "the rest of the lane follows in its order"


async def test_a_reply_of_a_paused_account_is_handed_to_nobody(store: Store) -> None:
    await store.hear("hi")
    await store.execute("UPDATE channel_accounts SET state = 'paused'")
    given, _ = await answered(store, "turns", seconds=2)
    assert given == []
    assert await store.delivery_states() == ["queued", "queued"]
