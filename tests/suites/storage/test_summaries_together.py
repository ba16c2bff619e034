"""Do summaries keep their word while people are forgotten, taken over, or talk on?"""

import asyncio
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from kit.errors import LeaseLost
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import privacy_service_pb2 as privacy
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.turns import Done
from tests.suites.storage.doors import an_inbox
from tests.suites.storage.hot import LEASE, TENANT, Store, a_commit, a_lease
from tests.suites.storage.people import erased, only_contact, owned_by
from tests.suites.storage.summing import a_job, jobs, kept, seqs, talked, wanting
from tests.suites.storage.world import World


async def committed(store: Store, job: LeasedTurn, summary: str = "canary summary", worker: str = "w1") -> Done:
    (done,) = await an_inbox(store).commit(worker, [a_commit(job, summary=summary)])
    return done


async def retained(world: World, seconds: int) -> privacy.ApplyRetentionResponse:
    ask = privacy.ApplyRetentionRequest(tenant_id=TENANT, messages=Duration(seconds=seconds))
    response: privacy.ApplyRetentionResponse = await world.mesh.call("ApplyRetention", ask)
    return response


async def test_an_erasure_ends_the_job_and_a_summary_that_was_under_way_is_refused(store: Store, world: World) -> None:
    job = await a_job(store)
    await erased(world, await only_contact(world))
    assert isinstance((await committed(store, job)).error, LeaseLost)
    (extended,) = await an_inbox(store).extend("w1", [a_lease(job)], lease=LEASE)
    assert isinstance(extended.error, LeaseLost)
    assert (await kept(store), await jobs(store)) == ([("", 0)], [])
    store.clock.pass_seconds(600)
    assert await store.lease_summaries() == []


async def test_after_an_erasure_a_job_that_waited_gives_nothing_away(store: Store, world: World) -> None:
    await wanting(store)
    await erased(world, await only_contact(world))
    assert (await store.lease_summaries(), await jobs(store)) == ([], [])


async def test_what_a_person_wrote_in_a_group_is_in_no_summary_after_their_erasure(store: Store, world: World) -> None:
    await store.hear("my canary", chat_id="chat-1", sender_id="bob")
    await store.commit((await store.lease())[0], "hello")
    await store.hear("hi", chat_id="group", sender_id="ada")
    await store.hear("my canary", chat_id="group", sender_id="bob")
    await store.commit((await store.lease())[0], "hello")
    await wanting(store, chat_id="group")
    (job,) = await store.lease_summaries()
    await committed(store, job)
    await talked(store, 15, "group", wants_summary=True)
    (job,) = await store.lease_summaries()
    ((bob,),) = await store.fetch("SELECT contact_id FROM identities WHERE sender_id = 'bob'")
    await erased(world, bob)
    assert await kept(store) == [("", 0)] * 2
    assert isinstance((await committed(store, job)).error, LeaseLost)
    await talked(store, 1, "group", wants_summary=True)
    (job,) = await store.lease_summaries()
    assert (seqs(job)[0], job.setting.summary) == (1, ""), "it is made anew of what is left"
    assert [each.text for each in job.history][:3] == ["hi", "", ""], "nor what was answered to them both"


async def test_an_erasure_while_summaries_are_committed_leaves_none_behind(store: Store, world: World) -> None:
    await wanting(store)
    contact = await only_contact(world)
    for chat_id in "abcd":
        await wanting(store, 15, chat_id)
    held = await store.lease_summaries()
    inbox = an_inbox(store)
    committing = [inbox.commit("w1", [a_commit(job, summary="canary")]) for job in held]
    committing += [inbox.extend("w1", [a_lease(job) for job in reversed(held)], lease=LEASE) for _ in range(5)]
    await asyncio.gather(erased(world, contact), *committing)
    rows = await store.fetch("SELECT summary FROM conversations WHERE chat_id LIKE 'erased:%'")
    assert [tuple(row) for row in rows] == [("",)]
    assert await store.fetch("SELECT summary FROM conversations WHERE summary <> ''") == [("canary",)] * 4


async def test_retention_ends_the_jobs_of_conversations_that_rest_and_a_late_summary_is_refused(
    store: Store, world: World
) -> None:
    job = await a_job(store)
    assert (await retained(world, 60)).messages == 20, "the other half waits to be sent"
    assert isinstance((await committed(store, job)).error, LeaseLost)
    assert (await kept(store), await jobs(store)) == ([("", 0)], [])


async def test_retention_leaves_the_jobs_of_conversations_that_go_on(store: Store, world: World) -> None:
    store.clock.now = world.sessions.now() - timedelta(seconds=60)
    job = await a_job(store)
    await retained(world, 3600)
    assert await committed(store, job, "They talked.") == Done()
    assert await kept(store) == [("They talked.", 20)]


async def test_a_take_over_does_not_end_a_summary(store: Store, world: World) -> None:
    job = await a_job(store)
    await owned_by(world, job.conversation_id, chat.OWNER_HUMAN)
    assert await committed(store, job, "They talked.") == Done()
    assert await kept(store) == [("They talked.", 20)]
    assert await store.lease_deliveries() == [], "nor does it speak"


async def test_turns_and_summaries_of_the_same_conversations_are_written_at_the_same_moment(store: Store) -> None:
    """Both lock conversations, in the order of their ids; neither keeps the other from ending."""
    chats = [f"chat-{number}" for number in range(6)]
    for chat_id in chats:
        await wanting(store, 15, chat_id)
    held = await store.lease_summaries()
    for chat_id in chats:
        await store.hear("more", chat_id=chat_id)
    turns = await store.lease()
    inbox = an_inbox(store)
    ends = [a_commit(job, summary=f"of {job.conversation_id}") for job in held]
    mixed = [
        each for pair in zip(ends, reversed([a_commit(turn, "hm") for turn in turns]), strict=True) for each in pair
    ]
    leases = [a_lease(each) for each in (*held, *turns)]
    beating = [inbox.extend("w1", [each], lease=LEASE) for each in reversed(leases)]
    hearing = [store.hear("again", chat_id=chat_id) for chat_id in reversed(chats)]
    ending = asyncio.create_task(inbox.commit("w1", mixed))
    await asyncio.gather(*beating, *hearing)
    done = await ending
    assert [each.error for each in done] == [None] * 12
    rows = await store.fetch("SELECT summary, id FROM conversations")
    assert all(summary == f"of {conversation_id}" for summary, conversation_id in rows)


async def test_two_workers_that_look_at_the_same_moment_get_different_jobs(store: Store) -> None:
    for number in range(6):
        await wanting(store, 15, f"chat-{number}")
    looking = [store.lease_summaries(most=2, worker=f"w{number}") for number in range(6)]
    given = [job.turn_id for found in await asyncio.gather(*looking) for job in found]
    assert len(given) == len(set(given))
    given += [job.turn_id for job in await store.lease_summaries()]
    assert len(given) == len(set(given)) == 6


async def test_a_summary_job_does_not_delay_the_turns_of_its_conversation(store: Store) -> None:
    await a_job(store)
    await talked(store, 3)
    assert [state for state, _ in await store.turn_states()] == ["replied"] * 23
