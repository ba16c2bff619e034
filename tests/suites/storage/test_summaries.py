"""Is what is old summarised once, by somebody, without keeping the conversation waiting?"""

from datetime import timedelta
from typing import Any

import pytest

from kit.errors import InvalidField, LeaseLost
from parley.chat.v1.message_pb2 import TURN_KIND_ANSWER, TURN_KIND_SUMMARY
from parley.storage.v1.turn_requests_pb2 import Usage
from storage_service.domain.inbox import Inbox
from storage_service.domain.turns import Done
from tests.suites.storage.doors import an_inbox
from tests.suites.storage.hot import LEASE, TENANT, Store, a_commit, a_lease, seed
from tests.suites.storage.summing import a_job, jobs, kept, seqs, talked, wanting
from tests.suites.storage.test_model_conversation import same_id


async def committed(inbox: Inbox, job: Any, summary: str = "They talked.", worker: str = "w1", **more: Any) -> Done:
    (done,) = await inbox.commit(worker, [a_commit(job, summary=summary, **more)])
    return done


async def test_a_commit_that_wants_it_makes_a_summary_turn_of_the_oldest_messages(store: Store) -> None:
    asked = await wanting(store)
    assert asked.kind == TURN_KIND_ANSWER
    (job,) = await store.lease_summaries()
    assert (job.kind, job.conversation_id, job.epoch, job.attempts) == (TURN_KIND_SUMMARY, asked.conversation_id, 1, 0)
    assert seqs(job) == list(range(1, 21)), "oldest first, and never the newest 20"
    assert (job.setting.summary, job.setting.system_prompt, job.setting.agent_id) == ("", "Be kind.", "agent-1")
    assert ([*job.messages], job.correlation_id, job.channel) == ([], asked.correlation_id, "whatsapp")
    assert await store.lease() == [], "it is no turn of the conversation's lane"
    assert await store.turn_states() == [("replied", "")] * 20


async def test_nobody_gets_a_summary_that_nobody_wanted(store: Store) -> None:
    await talked(store, 30)
    assert await store.lease_summaries() == []
    assert await jobs(store) == []


async def test_a_summary_is_kept_with_the_last_place_that_it_covers_and_comes_with_the_next_turn(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    before = await store.fetch("SELECT count(*) FROM messages")
    assert await committed(inbox, job) == Done()
    assert await kept(store) == [("They talked.", 20)]
    assert (await jobs(store), await store.lease_summaries()) == ([("ended", 1)], [])
    assert await store.fetch("SELECT count(*) FROM messages") == before, "it says nothing to anybody"
    assert await store.fetch("SELECT count(*) FROM deliveries") == [(20,)]
    await store.hear("and now?")
    (turn,) = await store.lease()
    assert (turn.setting.summary, turn.setting.summary_seq) == ("They talked.", 20)


async def test_of_a_long_conversation_30_messages_are_summarised_at_a_time_and_the_summary_is_extended(
    store: Store,
) -> None:
    inbox, job = an_inbox(store), await a_job(store, exchanges=45)
    assert seqs(job) == list(range(1, 31))
    await committed(inbox, job, "First.")
    await talked(store, 1, wants_summary=True)
    (job,) = await store.lease_summaries()
    assert (job.setting.summary, job.setting.summary_seq) == ("First.", 30)
    assert seqs(job) == list(range(31, 61)), "what is covered is not summarised again"
    await committed(inbox, job, "First, then second.")
    assert await kept(store) == [("First, then second.", 60)]


async def test_a_summary_that_had_no_room_for_all_covers_what_it_names_and_the_next_one_goes_on_there(
    store: Store,
) -> None:
    inbox, job = an_inbox(store), await a_job(store, exchanges=30)
    assert seqs(job) == list(range(1, 31))
    for beyond in (-1, 31):
        assert isinstance((await committed(inbox, job, summary_seq=beyond)).error, InvalidField)
    assert await committed(inbox, job, "First.", summary_seq=8) == Done()
    assert await kept(store) == [("First.", 8)]
    await talked(store, 1, wants_summary=True)
    (job,) = await store.lease_summaries()
    assert (job.setting.summary, seqs(job)) == ("First.", list(range(9, 39)))
    assert isinstance((await committed(inbox, job, summary_seq=8)).error, InvalidField)
    await committed(inbox, job, "First, then second.")
    assert await kept(store) == [("First, then second.", 38)]


async def test_a_conversation_has_one_summary_job_at_a_time(store: Store) -> None:
    await wanting(store)
    await talked(store, 1, wants_summary=True)
    (job,) = await store.lease_summaries()
    await talked(store, 1, wants_summary=True)
    assert (await store.lease_summaries(worker="w2"), await jobs(store)) == ([], [("running", 1)])
    await committed(an_inbox(store), job)
    await talked(store, 5, wants_summary=True)
    (following,) = await store.lease_summaries()
    assert following.turn_id != job.turn_id


async def test_several_commits_of_one_group_make_their_own_jobs(store: Store) -> None:
    turns = []
    for chat_id in "abc":
        await talked(store, 15, chat_id)
        await store.hear("more", chat_id=chat_id)
        turns += await store.lease()
    wants = [True, False, True]
    commits = [a_commit(turn, "hm", wants_summary=each) for turn, each in zip(turns, wants, strict=True)]
    await store.commit_all(*(("w1", commit) for commit in commits))
    jobs_of = {job.conversation_id for job in await store.lease_summaries()}
    assert jobs_of == {turns[0].conversation_id, turns[2].conversation_id}


@pytest.mark.parametrize(("exchanges", "leased"), [(10, 0), (14, 0), (15, 10)])
async def test_a_job_of_fewer_than_ten_messages_ends_by_itself(store: Store, exchanges: int, leased: int) -> None:
    await wanting(store, exchanges)
    given = await store.lease_summaries()
    assert [len(job.history) for job in given] == [leased] * len(given)
    assert await jobs(store) == ([("running", 1)] if leased else [("ended", 0)])


async def test_a_turn_that_began_before_the_summary_was_there_gets_no_second_short_one(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    await store.hear("while it is summarised")
    (turn,) = await store.lease()
    await committed(inbox, job)
    await store.commit(turn, "at once", wants_summary=True)
    assert (await store.lease_summaries(), await jobs(store)) == ([], [("ended", 0)])
    await talked(store, 4, wants_summary=True)
    (job,) = await store.lease_summaries()
    assert (job.setting.summary, seqs(job)) == ("They talked.", list(range(21, 31))), "later there is enough"


@pytest.mark.parametrize("state", ["REPLIED", "FAILED"])
async def test_tokens_of_a_summary_count_towards_the_tenants_day_once_however_it_ends(store: Store, state: str) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    usage = Usage(input_tokens=700, output_tokens=80)
    assert isinstance((await committed(inbox, job, worker="w2", usage=usage)).error, LeaseLost)
    for _ in range(2):
        assert (await committed(inbox, job, state=state, usage=usage)).error is None
    await talked(store, 1, "chat-2", usage=Usage(input_tokens=3))
    await store.hear("and now?")
    (turn,) = await store.lease()
    assert turn.setting.tenant_tokens_today == 783
    assert [tuple(row) for row in await store.fetch("SELECT * FROM token_days")] == [(TENANT, "2026-01-01", 783)]


async def test_tokens_count_though_the_summary_was_of_what_is_gone(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    await store.execute("UPDATE conversations SET summary = '', summary_seq = 7")
    assert isinstance((await committed(inbox, job, usage=Usage(output_tokens=9))).error, LeaseLost)
    assert await store.fetch("SELECT tokens FROM token_days") == [(9,)]


async def test_a_reply_and_a_summary_of_one_conversation_are_made_at_the_same_time(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    await store.hear("while it is summarised")
    (turn,) = await store.lease()
    assert turn.conversation_id == job.conversation_id
    assert (await store.commit(turn, "at once")).error is None
    await store.hear("again")
    (turn,) = await store.lease(worker="w2")
    assert await committed(inbox, job) == Done()
    assert (await store.commit(turn, "at once, too", worker="w2")).error is None
    assert await kept(store) == [("They talked.", 20)]
    assert seqs(job)[-1] == 20, "what was said meanwhile is not covered"


async def test_the_summary_of_a_worker_that_crashed_is_made_by_another_and_after_three_by_nobody(store: Store) -> None:
    inbox, first = an_inbox(store), await a_job(store)
    for attempt in (2, 3):
        store.clock.pass_seconds(31)
        await store.sweep("expired_summaries")
        (job,) = await store.lease_summaries(worker="w2")
        assert (job.turn_id, job.epoch, job.attempts) == (first.turn_id, attempt, attempt - 1)
    assert isinstance((await committed(inbox, first)).error, LeaseLost)
    store.clock.pass_seconds(31)
    await store.sweep("expired_summaries")
    assert await jobs(store) == [("ended", 3)]
    assert (await store.lease_summaries(), await kept(store)) == ([], [("", 0)])
    assert await store.fetch("SELECT count(*) FROM deliveries") == [(20,)], "nobody is told"
    await talked(store, 1, wants_summary=True)
    assert [job.attempts for job in await store.lease_summaries()] == [0], "the next one begins anew"


async def test_a_heartbeat_keeps_a_summary_until_its_deadline(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    for _ in range(4):
        store.clock.pass_seconds(25)
        (done,) = await inbox.extend("w1", [a_lease(job)], lease=LEASE)
        assert done.error is None
        assert await store.lease_summaries(worker="w2") == []
    assert done.expires_at == store.clock.now + timedelta(seconds=20), "no longer than that"
    store.clock.pass_seconds(21)
    (late,) = await inbox.extend("w1", [a_lease(job)], lease=LEASE)
    assert isinstance(late.error, LeaseLost)
    assert len(await store.lease_summaries(worker="w2")) == 1
    assert isinstance((await committed(inbox, job)).error, LeaseLost)


async def test_a_heartbeat_for_a_turn_and_a_summary_is_one_call(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    await store.hear("more")
    (turn,) = await store.lease()
    nobodys = a_lease(turn)
    nobodys.turn_id = "nobody's"
    done = await inbox.extend("w1", [a_lease(job), nobodys, a_lease(turn)], lease=LEASE)
    assert [type(each.error) for each in done] == [type(None), LeaseLost, type(None)]


async def test_a_summary_that_is_given_back_is_had_again_after_the_delay(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    (done,) = await inbox.abandon("w1", [a_lease(job)], delay=timedelta(seconds=5))
    assert done == Done()
    (again,) = await inbox.abandon("w1", [a_lease(job)], delay=timedelta(seconds=5))
    assert again == Done(duplicate=True)
    assert await store.lease_summaries() == []
    store.clock.pass_seconds(5)
    (job,) = await store.lease_summaries()
    assert (job.epoch, job.attempts) == (2, 1)
    (done,) = await inbox.abandon("w1", [a_lease(job)], delay=timedelta(seconds=5), merge=True)
    (job,) = await store.lease_summaries()
    assert job.attempts == 1, "merged, it comes back at once and was no attempt"


@pytest.mark.parametrize("state", ["FAILED", "SUPPRESSED", "HANDED_OFF"])
async def test_a_summary_that_did_not_succeed_ends_without_a_word(store: Store, state: str) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    assert await committed(inbox, job, "half a summ", state=state, reason="model_timeout") == Done()
    assert (await jobs(store), await kept(store)) == ([("ended", 1)], [("", 0)])
    assert await store.fetch("SELECT owner FROM conversations") == [("agent",)]


async def test_a_summary_without_a_text_or_an_end_is_refused_and_stays_with_its_worker(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    assert isinstance((await committed(inbox, job, "  ")).error, InvalidField)
    assert isinstance((await committed(inbox, job, state="RUNNING")).error, InvalidField)
    assert await jobs(store) == [("running", 1)]
    assert await committed(inbox, job) == Done()


async def test_a_commit_that_comes_again_changes_nothing(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    await committed(inbox, job)
    await store.execute("UPDATE conversations SET summary = 'newer', summary_seq = 25")
    assert await committed(inbox, job) == Done(duplicate=True)
    assert isinstance((await committed(inbox, job, worker="w2")).error, LeaseLost)
    assert await kept(store) == [("newer", 25)]


async def test_a_summary_of_what_was_taken_away_meanwhile_is_not_written(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store, exchanges=45)
    await committed(inbox, job, "First.")
    await talked(store, 1, wants_summary=True)
    (job,) = await store.lease_summaries()
    await store.execute("UPDATE conversations SET summary = '', summary_seq = 0")  # a reset
    for _ in range(2):
        assert isinstance((await committed(inbox, job, "First, then second.")).error, LeaseLost)
    assert (await kept(store), (await jobs(store))[-1][0]) == ([("", 0)], "ended")


async def test_another_tenant_neither_gets_nor_changes_it(store: Store) -> None:
    inbox, job = an_inbox(store), await a_job(store)
    assert isinstance((await committed(inbox, job, tenant_id="other")).error, LeaseLost)
    await seed(store, ("account-3",), tenant_id="other")
    await store.execute(
        "INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, created_at, "
        "updated_at) VALUES ('other', 'theirs', 'account-3', 'whatsapp', 'c', 'p', 'agent-1', :at, :at)",
        at=store.clock.now,
    )  # fmt: skip
    await same_id(store, "theirs", job.conversation_id)
    await committed(inbox, job)
    rows = await store.fetch("SELECT tenant_id, summary FROM conversations ORDER BY tenant_id")
    assert [tuple(row) for row in rows] == [("acme", "They talked."), ("other", "")]
