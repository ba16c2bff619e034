"""Is what a model server calls a conversation kept with it, for the next turn, and for nobody else?"""

from pathlib import Path
from typing import Any

import pytest

from kit.errors import LeaseLost, OwnerChanged
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.asks import Ask
from storage_service.domain.changes import Changes
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import LEASE, Store, a_commit, a_message, seed
from tests.suites.storage.people import erased, only_contact, owned_by
from tests.suites.storage.statements_run import on_postgres, on_sqlite
from tests.suites.storage.world import World


async def asked(store: Store, chat_id: str = "chat-1", **more: Any) -> LeasedTurn:
    """A turn, held by w1."""
    await store.hear("hi", chat_id=chat_id, **more)
    (turn,) = await store.lease()
    return turn


async def kept(store: Store) -> list[str]:
    return [row[0] for row in await store.fetch("SELECT model_conversation FROM conversations ORDER BY chat_id")]


async def test_what_a_commit_says_comes_with_the_next_turn(store: Store) -> None:
    turn = await asked(store)
    assert turn.setting.model_conversation == ""
    await store.commit(turn, "hello", model_conversation="conv_1")
    again = await asked(store)
    assert again.setting.model_conversation == "conv_1"
    await store.commit(again, "hello again", model_conversation="conv_2")
    assert (await asked(store)).setting.model_conversation == "conv_2"


async def test_a_turn_that_is_handed_out_as_it_is_made_brings_it_too(store: Store) -> None:
    await store.commit(await asked(store), "hello", model_conversation="conv_1")
    store.workers = [Ask("w1", 1, LEASE, 20)]
    await store.hear("and now?")
    (handed,) = store.handed
    assert handed.setting.model_conversation == "conv_1"


async def test_a_commit_that_says_nothing_leaves_it(store: Store) -> None:
    await store.commit(await asked(store), "hello", model_conversation="conv_1")
    await store.commit(await asked(store), "hello again")
    assert (await asked(store)).setting.model_conversation == "conv_1"


async def test_of_a_group_each_conversation_keeps_its_own(store: Store) -> None:
    turns = [await asked(store, chat_id) for chat_id in "abc"]
    said = [{"model_conversation": "conv_a"}, {}, {"model_conversation": "conv_c"}]
    commits = [a_commit(turn, "hello", **more) for turn, more in zip(turns, said, strict=True)]
    done = await store.commit_all(*(("w1", commit) for commit in commits))
    assert [each.error for each in done] == [None] * 3
    assert await kept(store) == ["conv_a", "", "conv_c"]


@pytest.mark.parametrize(
    ("state", "replies"),
    [("FAILED", ["sorry"]), ("SUPPRESSED", []), ("HANDED_OFF", [])],
    ids=["failed", "suppressed", "handed off"],
)
async def test_it_is_kept_however_the_turn_ends(store: Store, state: str, replies: list[str]) -> None:
    turn = await asked(store)
    done = await store.commit(turn, *replies, state=state, reason="why", model_conversation="conv_1")
    assert done.error is None
    assert await kept(store) == ["conv_1"]


async def test_a_worker_that_lost_its_lease_changes_nothing(store: Store) -> None:
    lost = await asked(store)
    store.clock.pass_seconds(31)
    await store.sweep("expired_turns")
    (held,) = await store.lease(worker="w2")
    assert isinstance((await store.commit(lost, "late", model_conversation="conv_late")).error, LeaseLost)
    assert await kept(store) == [""]
    await store.commit(held, "hello", worker="w2", model_conversation="conv_1")
    assert isinstance((await store.commit(lost, "later", model_conversation="conv_late")).error, LeaseLost)
    assert await kept(store) == ["conv_1"]


async def test_a_commit_that_comes_again_changes_nothing(store: Store) -> None:
    turn = await asked(store)
    await store.commit(turn, "hello", model_conversation="conv_1")
    await store.commit(await asked(store), "hello again", model_conversation="conv_2")
    assert (await store.commit(turn, "hello", model_conversation="conv_1")).duplicate
    assert await kept(store) == ["conv_2"]


async def test_after_a_take_over_a_conversation_with_an_unsaid_answer_is_not_kept(store: Store, world: World) -> None:
    turn = await asked(store)
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    assert isinstance((await store.commit(turn, "hello", model_conversation="conv_1")).error, OwnerChanged)
    assert await kept(store) == [""]


async def test_after_a_take_over_a_conversation_that_was_kept_before_is_forgotten(store: Store, world: World) -> None:
    await store.commit(await asked(store), "hello", model_conversation="conv_1")
    turn = await asked(store)
    other = await asked(store, "chat-2")
    await store.commit(other, "hello", model_conversation="conv_2")
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    assert isinstance((await store.commit(turn, "and?", model_conversation="conv_1")).error, OwnerChanged)
    assert await kept(store) == ["", "conv_2"]


async def test_a_take_over_leaves_it_when_nothing_is_being_answered(store: Store, world: World) -> None:
    turn = await asked(store)
    await store.commit(turn, "hello", model_conversation="conv_1")
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    assert await kept(store) == ["conv_1"]


async def test_what_begins_after_a_take_over_shares_none_with_the_answer_that_is_still_made(
    store: Store, world: World
) -> None:
    await store.commit(await asked(store), "hello", model_conversation="conv_1")
    old = await asked(store)
    await owned_by(world, old.conversation_id, chat.OWNER_HUMAN)
    await owned_by(world, old.conversation_id, chat.OWNER_AGENT, "back")
    new = await asked(store)
    assert new.setting.model_conversation == ""
    await store.commit(new, "hello again", model_conversation="conv_2")
    assert isinstance((await store.commit(old, "too late", model_conversation="conv_1")).error, OwnerChanged)
    assert await kept(store) == ["conv_2"]


async def test_an_erasure_clears_it_and_a_late_commit_does_not_bring_it_back(store: Store, world: World) -> None:
    await store.commit(await asked(store), "hello", model_conversation="conv_1")
    late = await asked(store)
    await erased(world, await only_contact(world))
    assert await kept(store) == [""]
    assert isinstance((await store.commit(late, "hello", model_conversation="conv_1")).error, OwnerChanged)
    assert await kept(store) == [""]


async def test_another_tenant_neither_sees_nor_changes_it(store: Store) -> None:
    turn = await asked(store)
    assert isinstance((await store.commit(turn, "x", tenant_id="other", model_conversation="x")).error, LeaseLost)
    await store.commit(turn, "hello", model_conversation="conv_1")
    await seed(store, ("account-3",), tenant_id="other")
    theirs = await store.accept(a_message("hi"), tenant_id="other", account_id="account-3")
    await same_id(store, theirs.messages[0].conversation_id, turn.conversation_id)
    (other,) = await store.lease()
    assert (other.tenant_id, other.conversation_id) == ("other", turn.conversation_id)
    assert other.setting.model_conversation == ""
    await store.commit(other, "hello", model_conversation="conv_other")
    assert (await asked(store)).setting.model_conversation == "conv_1"


def test_a_group_that_brings_none_costs_sqlite_no_statement(tmp_path: Path, postgres_server: Postgres) -> None:
    assert on_sqlite(Changes(), tmp_path, server=postgres_server) == []
    assert len(on_sqlite(brought(), tmp_path, server=postgres_server)) == 1


async def test_a_group_that_brings_none_costs_postgres_no_statement() -> None:
    assert await on_postgres(Changes()) == []
    assert len(await on_postgres(brought())) == 1


def brought() -> Changes:
    return Changes(model_conversations={"c": ("acme", "c", "conv_1", 1)})


async def same_id(store: Store, theirs: str, ours: str) -> None:
    """The other tenant's conversation by the id of ours: only the tenant tells them apart."""
    values = {"tenant": "other", "theirs": theirs, "ours": ours}
    where = "WHERE tenant_id = :tenant AND"
    await store.execute(f"UPDATE conversations SET id = :ours {where} id = :theirs", **values)
    for table in ("messages", "turns"):
        await store.execute(f"UPDATE {table} SET conversation_id = :ours {where} conversation_id = :theirs", **values)
