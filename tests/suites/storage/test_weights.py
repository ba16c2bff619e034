"""What is within every limit must fit into an answer, or into several: no text of one tenant stops another's turns."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from kit.ids import new_id
from kit.moments import utc_now
from parley.storage.v1.directory_pb2 import AccountSecrets, ChannelAccount
from parley.storage.v1.signal_requests_pb2 import Signal
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.backends.sessions import Sessions
from storage_service.backends.vault import Vault
from storage_service.domain.accompanied import leased, portions
from storage_service.domain.contexts import Contexts
from storage_service.domain.outbox import Outbox
from storage_service.domain.sealing import Keyring
from storage_service.domain.summaries import LEAST_AT_ONCE, NEWEST
from storage_service.domain.weights import MOST_LEASED_BYTES
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.doors import an_ask, an_inbox, running
from tests.suites.storage.hot import TENANT, Store, a_commit, a_message, a_submission, seed
from tests.suites.storage.summing import kept, seqs

# What the contract allows a text to be.
LONGEST = "😀" * 65536
CHATS = 10


async def talk(store: Store, chat_id: str, text: str, times: int = 1) -> None:
    """Exchanges that are over."""
    for _ in range(times):
        await store.hear(text, chat_id)
        (turn,) = await store.lease()
        await store.commit(turn, text)


async def leased_in_turn(inbox: Any, history: int = 60) -> list[list[LeasedTurn]]:
    """What each call gets, until nothing comes any more."""
    answers: list[list[LeasedTurn]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while given := await inbox.lease(an_ask(most=256, history=history), 1):
            answers.append(given)
    return answers


def weight(items: Sequence[Any]) -> int:
    return sum(each.ByteSize() for each in items)


async def test_turns_that_are_too_much_for_one_answer_come_in_several_and_lose_nothing(store: Store) -> None:
    for n in range(CHATS):
        await talk(store, f"chat-{n}", LONGEST, times=2)
    for n in range(CHATS):
        await store.hear("and now?", f"chat-{n}")
    async with running(store) as inbox:
        answers = await leased_in_turn(inbox)
    assert len(answers) > 1
    assert all(weight(each) <= MOST_LEASED_BYTES for each in answers)
    turns = [turn for each in answers for turn in each]
    assert len({turn.conversation_id for turn in turns}) == len(turns) == CHATS
    assert {turn.attempts for turn in turns} == {0}, "a lease that reached nobody counts for nothing"
    assert {len(turn.history) for turn in turns} == {4}
    for turn in turns:
        assert (await store.commit(turn, "here")).error is None
    assert await store.fetch("SELECT count(*) FROM turns WHERE state <> 'replied'") == [(0,)]


async def test_turns_that_were_handed_out_as_they_were_made_are_weighed_too(store: Store) -> None:
    for n in range(CHATS):
        await talk(store, f"chat-{n}", LONGEST, times=2)
    async with running(store) as inbox:
        waiting = asyncio.create_task(inbox.lease(an_ask(most=256, history=60), 5))
        await asyncio.sleep(0.1)
        said = [a_message("and now?", chat_id=f"chat-{n}", provider_message_id="now") for n in range(CHATS)]
        await inbox.accept([a_submission(each) for each in said])
        answers = [await waiting, *await leased_in_turn(inbox)]
    assert all(weight(each) <= MOST_LEASED_BYTES for each in answers)
    assert sorted(turn.attempts for each in answers for turn in each) == [0] * CHATS


async def test_after_an_answer_was_full_no_more_is_leased_than_may_fit(store: Store) -> None:
    for n in range(CHATS):
        await talk(store, f"chat-{n}", LONGEST, times=2)
    for n in range(CHATS):
        await store.hear("and now?", f"chat-{n}")
    async with running(store) as inbox:
        answers = await leased_in_turn(inbox)
    (epochs,) = await store.fetch("SELECT sum(epoch) FROM turns WHERE state = 'running'")
    assert epochs[0] <= 3 * CHATS, "each was leased about twice, and not once per answer"
    assert sum(map(len, answers)) == CHATS


async def test_a_turn_with_too_long_a_history_comes_without_the_oldest_of_it(store: Store) -> None:
    await talk(store, "chat-1", LONGEST, times=10)
    await store.hear("and now?", "chat-1")
    await store.hear("quick", "chat-2")
    async with running(store) as inbox:
        ((long, quick),) = await leased_in_turn(inbox)
    assert [each.text for each in long.messages] == ["and now?"]
    assert MOST_LEASED_BYTES - 300_000 < long.ByteSize() <= MOST_LEASED_BYTES
    assert [each.seq for each in long.history] == [*range(21 - len(long.history), 21)], "the newest, without a gap"
    assert quick.messages[0].text == "quick"


async def test_all_that_is_to_be_answered_comes_however_much_it_is(store: Store) -> None:
    await talk(store, "chat-1", LONGEST)
    for _ in range(20):
        await store.hear(LONGEST, "chat-1")
    async with running(store) as inbox:
        ((turn,),) = await leased_in_turn(inbox)
    assert (len(turn.messages), len(turn.history)) == (20, 0)


async def test_a_summary_covers_what_it_brings_and_no_more(store: Store) -> None:
    await talk(store, "chat-1", LONGEST, times=(NEWEST + 2 * LEAST_AT_ONCE) // 2)
    await store.hear("and now?")
    (turn,) = await store.lease(history=1)
    await store.commit(turn, "here", wants_summary=True)
    (job,) = await store.lease_summaries()
    assert LEAST_AT_ONCE < len(job.history) < 2 * LEAST_AT_ONCE
    assert job.ByteSize() <= MOST_LEASED_BYTES
    (done,) = await an_inbox(store).commit("w1", [a_commit(job, summary="Much was said.")])
    assert done.error is None
    assert await kept(store) == [("Much was said.", seqs(job)[-1])]
    assert seqs(job) == [*range(1, len(job.history) + 1)]


async def delivered_in_turn(store: Store, worker: str = "s1") -> list[tuple[Sequence[Any], Sequence[Any]]]:
    """What each call of a sender gets, deliveries and accounts, until nothing comes any more."""
    sessions = Sessions(store.engine, now=utc_now, new_id=new_id)
    vault = Vault(sessions, Keyring({"k": b"k" * 32}, random_bytes=os.urandom), monotonic=time.monotonic)
    outbox = Outbox(store.database, store.deliveries, wakeups=store.wakeups, new_id=lambda: "")
    loop = asyncio.create_task(outbox.deliveries.run())
    answers: list[tuple[Sequence[Any], Sequence[Any]]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while given := await outbox.lease(an_ask(worker, most=256), 1):
            answers.append(await leased(outbox.deliveries, given, worker_id=worker, secrets=vault.secrets))
    await outbox.close()
    await loop
    return answers


async def test_deliveries_that_are_too_much_for_one_answer_come_in_several(store: Store) -> None:
    count = 20
    for n in range(count):
        await talk(store, f"chat-{n}", LONGEST)
    answers = [deliveries for deliveries, _ in await delivered_in_turn(store)]
    assert len(answers) > 1
    assert all(weight(each) <= MOST_LEASED_BYTES for each in answers)
    assert len({each.delivery_id for given in answers for each in given}) == count
    assert {each.attempts for given in answers for each in given} == {0}


async def test_accounts_that_are_too_much_for_one_answer_stop_nobody_elses_deliveries(store: Store) -> None:
    """As they could be before their options had a limit."""
    heavy = [f"heavy-{n}" for n in range(4)]
    await seed(store, heavy, tenant_id="other")
    options = json.dumps({"logo": "x" * 3_000_000})
    await store.execute("UPDATE channel_accounts SET options = :options WHERE tenant_id = 'other'", options=options)
    for account_id in heavy:
        await store.hear("hi", f"chat of {account_id}", tenant_id="other", account_id=account_id)
    for n in range(4):
        await store.hear("hi", f"chat-{n}")
    for turn in await store.lease(most=20):
        await store.commit(turn, "here")
    answers = await delivered_in_turn(store)
    assert all(weight(given) + weight(accounts) <= MOST_LEASED_BYTES for given, accounts in answers)
    assert len({each.delivery_id for given, _ in answers for each in given}) == 8
    for given, accounts in answers:
        assert [each.account.id for each in accounts] == sorted({each.account_id for each in given})


def test_what_is_shown_while_turns_run_goes_out_in_as_many_answers_as_its_accounts_take() -> None:
    def an_account(account_id: str) -> AccountSecrets:
        return AccountSecrets(account=ChannelAccount(id=account_id, options={"logo": "x" * 3_000_000}))

    signals = [Signal(account_id=f"account-{n % 3}", turn_id=f"{n}") for n in range(9)]
    answers = list(portions(signals, [an_account(f"account-{n}") for n in range(3)]))
    assert [each.turn_id for part, _ in answers for each in part] == [each.turn_id for each in signals]
    assert all(weight(part) + weight(accounts) <= MOST_LEASED_BYTES for part, accounts in answers)
    assert all({each.account_id for each in part} == {each.account.id for each in beside} for part, beside in answers)


async def test_a_context_is_shown_as_far_as_it_can_be_carried(store: Store) -> None:
    await talk(store, "chat-1", LONGEST, times=10)
    ((conversation_id,),) = await store.fetch("SELECT id FROM conversations")
    shown = await Contexts(store.database).show(TENANT, conversation_id, history=200)
    assert MOST_LEASED_BYTES - 300_000 < shown.ByteSize() <= MOST_LEASED_BYTES
    assert shown.history[-1].seq == 20
