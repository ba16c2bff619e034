"""When a backup comes back, is anybody answered a second time? What was open in it ends, and nothing else does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kit.command import database as command
from kit.command.screen import Mistake
from kit.moments import utc_now
from parley.storage.v1 import outbox_service_pb2 as outbox
from storage_service.backends import at_work
from storage_service.backends.restored import Ended, end_open_work
from storage_service.backends.sole import alone
from tests.postgres import Server
from tests.simulated.wire import free_port
from tests.suites.storage.hot import LEASE, TENANT, Store, open_store, seed
from tests.suites.storage.people import a_wish
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.world import World

# What the backup caught -> the turns and the deliveries in it when it is back and a day has passed.
CAUGHT: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "a turn that waits": ([("suppressed", "restored")], []),
    "a turn that runs": ([("suppressed", "restored")], []),
    "a turn that runs, and one behind it": ([("suppressed", "restored")] * 2, []),
    "a turn that was given back": ([("suppressed", "restored")], []),
    "a text that waits": ([("replied", "")], [("unknown", "restored")]),
    "a text that a sender has": ([("replied", "")], [("unknown", "restored")]),
    "a text that is being sent": ([("replied", "")], [("unknown", "lease_expired")]),
    "a text that is being sent, and one behind it": (
        [("replied", "")],
        [("unknown", "lease_expired"), ("unknown", "restored")],
    ),
    "a text that went out": ([("replied", "")], [("sent", "")]),
}


async def catch(store: Store, case: str) -> None:
    if case.startswith("a turn"):
        await store.hear("one")
        for turn in [] if "waits" in case else await store.lease():
            if "behind" in case:
                await store.hear("two")
            if "given back" in case:
                await store.give_back(turn)
        return
    await said(store, *(["yes", "and no"] if "behind" in case else ["yes"]))
    if "waits" in case:
        return
    delivery = await leased(store)
    if "went out" in case:
        await store.send(delivery, "SM1")
    elif "is being sent" in case:
        await store.record(delivery, "BEGUN")


async def open_work(store: Store) -> tuple[list[Any], list[Any]]:
    turns = await store.fetch("SELECT state, reason FROM turns ORDER BY first_seq")
    deliveries = await store.fetch("SELECT state, reason FROM deliveries ORDER BY seq")
    return [tuple(row) for row in turns], [tuple(row) for row in deliveries]


async def a_day_later(store: Store) -> tuple[list[Any], list[Any]]:
    """A mesh is at work again: what does it have to do?"""
    store.clock.pass_seconds(86_400 + LEASE.total_seconds())
    await store.sweep()
    return await store.lease(worker="w2"), await store.lease_deliveries(worker="s2")


def unseen(_ended: Ended) -> None:
    pass


@pytest.mark.parametrize("case", CAUGHT)
async def test_what_the_backup_caught_is_done_by_nobody_again(store: Store, case: str) -> None:
    await catch(store, case)
    turns, deliveries = CAUGHT[case]
    ended = await end_open_work(store.url, progress=unseen)
    assert ended == (
        sum(reason == "restored" for _, reason in turns),
        sum(reason == "restored" for _, reason in deliveries),
    )
    assert await a_day_later(store) == ([], [])
    assert await open_work(store) == (turns, deliveries)
    ((owed,),) = await store.fetch("SELECT open_deliveries FROM conversations")
    assert owed == 0


@pytest.mark.parametrize("case", [case for case in CAUGHT if case.startswith("a turn") or "behind" in case])
async def test_left_alone_it_would_be(store: Store, case: str) -> None:
    await catch(store, case)
    assert await a_day_later(store) != ([], [])


async def test_who_writes_after_it_is_answered_as_ever(store: Store) -> None:
    await catch(store, "a turn that runs, and one behind it")
    await end_open_work(store.url, progress=unseen)
    await store.hear("are you there?")
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["are you there?"]
    assert [each.text for each in turn.history] == ["one", "two"]
    assert (await store.commit(turn, "I am.")).error is None
    delivery = await leased(store)
    assert delivery.text == "I am."


async def test_a_text_is_sent_again_where_a_person_says_so(store: Store, world: World) -> None:
    await catch(store, "a text that waits")
    await end_open_work(store.url, progress=unseen)
    ((delivery_id,),) = await store.fetch("SELECT id FROM deliveries")
    retry = outbox.RetryDeliveryRequest(tenant_id=TENANT, request_id="1", delivery_id=delivery_id)
    await a_wish(store, world).retry_delivery(retry, "operator")
    store.clock.now = utc_now() + LEASE  # of the person's own clock
    assert (await leased(store)).delivery_id == delivery_id


async def test_it_is_done_for_every_tenant_a_few_at_a_time_and_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(store, ["account-9"], tenant_id="other")
    monkeypatch.setattr("storage_service.backends.restored.AT_ONCE", 2)
    for person in range(3):
        await store.hear("hello", f"chat-{person}")
        await store.hear("hello", f"chat-{person}", tenant_id="other", account_id="account-9")
    seen: list[Ended] = []
    assert await end_open_work(store.url, progress=seen.append) == Ended(turns=6)
    assert [each.turns for each in seen] == [2, 3, 3, 5, 6, 6]
    assert await end_open_work(store.url, progress=unseen) == Ended()
    noted = await store.fetch("SELECT tenant_id, actor, detail FROM audit WHERE action = 'work.end' ORDER BY 1, 3")
    bites = ['{"deliveries": 0, "turns": 1}', '{"deliveries": 0, "turns": 2}']
    assert [tuple(each) for each in noted] == [(of, "restore", bite) for of in (TENANT, "other") for bite in bites]


async def test_the_command_says_how_much_that_was(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", store.url)
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    await catch(store, "a turn that waits")
    await command.restored()
    said = capsys.readouterr().out
    assert "open in the backup, and ended with the reason restored: turns 1, deliveries 0" in said
    assert "parley turns --state suppressed" in said


async def test_the_command_does_nothing_while_a_storage_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await catch(store, "a turn that waits")
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    monkeypatch.setenv("DATABASE_URL", store.url)
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        with pytest.raises(Mistake, match="a storage runs at"):
            await command.restored()
    assert await store.turn_states() == [("waiting", "")]


async def test_nor_while_one_runs_that_is_not_known_here(
    tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    async with open_store("postgres", tmp_path, postgres_server) as store:
        monkeypatch.setenv("DATABASE_URL", store.url)
        await catch(store, "a turn that waits")
        await store.database.beat()  # one that never said so is not waited for
        beating = asyncio.create_task(beat(store))
        with pytest.raises(Mistake, match=r"a storage is at work on the database"):
            await command.restored()
        beating.cancel()
        assert await store.turn_states() == [("waiting", "")]
        monkeypatch.setattr(at_work, "BETWEEN_SECONDS", 0.01)
        await command.restored()
        assert await store.turn_states() == [("suppressed", "restored")]


async def test_nor_while_one_has_the_file(
    tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    async with open_store("sqlite", tmp_path, postgres_server) as store:
        monkeypatch.setenv("DATABASE_URL", store.url)
        await catch(store, "a turn that waits")
        with alone(store.url) as storage:
            storage.take()
            with pytest.raises(Mistake, match=r"a storage is at work on /.*, from another address"):
                await command.restored()
        assert await store.turn_states() == [("waiting", "")]
        await command.restored()
        assert await store.turn_states() == [("suppressed", "restored")]


async def beat(store: Store) -> None:
    """As long as it lives."""
    while True:
        await store.database.beat()
        await asyncio.sleep(0.05)


async def test_the_command_wants_a_database_of_this_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'parley.db'}")
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    with pytest.raises(Mistake, match="the database is empty") as raised:
        await command.restored()
    assert raised.value.fix == "put the backup in its place, then parley migrate"
