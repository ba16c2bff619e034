"""Does a conversation that is handed off reach a human, with what was said last, and does the queue say so?"""

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from kit.errors import InvalidField, OwnerChanged
from kit.moments import moment
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_change_pb2 as pb
from parley.storage.v1 import privacy_service_pb2 as privacy
from tests.suites.storage.hot import START, TENANT, Store, seed
from tests.suites.storage.people import erased, only_contact, operator_says, owned_by
from tests.suites.storage.test_conversation_change import owner, sends
from tests.suites.storage.test_model_conversation import asked
from tests.suites.storage.world import World

WHY = {"reason": pb.HAND_OFF_REASON_CONTACT_ASKED, "summary": "They want a person."}
BYE = "A person will be with you."


async def handed_off(store: Store, chat_id: str = "chat-1", due_in: int = 0, **why: Any) -> str:
    """A conversation whose turn gave it away."""
    turn = await asked(store, chat_id)
    hand_off = pb.HandOff(**{**WHY, **why}, due_in=Duration(seconds=due_in) if due_in else None)
    change = pb.ConversationChange(hand_off=hand_off)
    assert (await store.commit(turn, BYE, state="HANDED_OFF", change=change)).error is None
    return turn.conversation_id


async def queue(world: World, tenant_id: str = TENANT, **more: Any) -> list[pb.QueueEntry]:
    found: pb.ListQueueResponse = await world.mesh.call("ListQueue", pb.ListQueueRequest(tenant_id=tenant_id, **more))
    return list(found.entries)


async def fails(store: Store, times: int, *, swept: bool = True, most: int = 3) -> None:
    await store.execute(f"""UPDATE agents SET manners = '{{"failures_before_hand_off": {most}}}'""")
    for _ in range(times):
        await asked(store)
        store.clock.pass_seconds(121)
        if swept:
            await store.sweep("overdue_turns")


async def test_a_hand_off_stands_in_the_queue_with_what_happened(store: Store, world: World) -> None:
    conversation_id = await handed_off(store)
    (entry,) = await queue(world)
    assert (entry.conversation_id, entry.summary) == (conversation_id, "They want a person.")
    assert entry.reason == pb.HAND_OFF_REASON_CONTACT_ASKED
    assert entry.turn_id
    assert (moment(entry.created_at), moment(entry.due_at)) == (START, START + timedelta(minutes=15))
    assert not entry.HasField("taken_at")
    assert not entry.HasField("closed_at")
    assert (await owner(store), await store.turn_states()) == (("queue", 2), [("handed_off", "")])
    assert (await store.hear("hello?")).turn_id == ""


async def test_all_that_the_agent_said_before_it_handed_off_goes_out_in_order(store: Store, world: World) -> None:
    """It gave the conversation away itself; nobody silenced it."""
    await store.commit(await asked(store), "Your balance is 7.")
    conversation_id = await handed_off(store)
    sent = await sends(store)
    await owned_by(world, conversation_id, chat.OWNER_HUMAN)
    await operator_says(store, world, conversation_id, "I am a person.")
    assert [*sent, *await sends(store)] == ["Your balance is 7.", BYE, "I am a person."]


async def test_a_hand_off_that_says_no_more_is_the_models(store: Store, world: World) -> None:
    await store.commit(await asked(store), BYE, state="HANDED_OFF")
    assert [each.reason for each in await queue(world)] == [pb.HAND_OFF_REASON_MODEL_ASKED]


async def test_what_waited_behind_a_hand_off_is_left_to_the_human(store: Store) -> None:
    turn = await asked(store)
    await store.hear("and another thing")
    await store.commit(turn, BYE, state="HANDED_OFF")
    assert (await store.lease(), (await store.turn_states())[1]) == ([], ("suppressed", "owner_queue"))


async def test_a_human_takes_an_entry_and_hands_it_back(store: Store, world: World) -> None:
    conversation_id = await handed_off(store)
    await owned_by(world, conversation_id, chat.OWNER_HUMAN)
    assert await queue(world) == []
    (taken,) = await queue(world, all=True)
    assert (taken.HasField("taken_at"), taken.HasField("closed_at")) == (True, False)
    await owned_by(world, conversation_id, chat.OWNER_AGENT, "2")
    (closed,) = await queue(world, all=True)
    assert closed.HasField("closed_at")
    assert closed.taken_at == taken.taken_at
    await handed_off(store)
    assert (len(await queue(world)), len(await queue(world, all=True))) == (1, 2)


async def test_a_human_puts_a_conversation_in_the_queue(store: Store, world: World) -> None:
    turn = await asked(store)
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    assert await queue(world, all=True) == [], "nobody waited"
    await owned_by(world, turn.conversation_id, chat.OWNER_QUEUE, "2")
    (entry,) = await queue(world)
    assert (entry.turn_id, entry.reason) == ("", pb.HAND_OFF_REASON_OPERATOR_ASKED)
    await owned_by(world, turn.conversation_id, chat.OWNER_QUEUE, "3")
    assert len(await queue(world, all=True)) == 1
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN, "4")
    await owned_by(world, turn.conversation_id, chat.OWNER_QUEUE, "5")
    first, second = await queue(world, all=True)
    assert (first.HasField("closed_at"), second.HasField("closed_at")) == (True, False)
    await owned_by(world, turn.conversation_id, chat.OWNER_NONE, "6")
    assert await queue(world) == []


async def test_the_queue_is_listed_by_when_it_is_due_page_by_page(store: Store, world: World) -> None:
    for chat_id, due_in in (("a", 60), ("b", 7200), ("c", 0), ("d", 60)):
        await handed_off(store, chat_id, due_in, summary=chat_id)
    ask, listed = pb.ListQueueRequest(tenant_id=TENANT, page_size=1), []
    for _ in range(4):
        page = await world.mesh.call("ListQueue", ask)
        listed += [each.summary for each in page.entries]
        if ask.page_token:  # What goes meanwhile shifts nothing.
            await owned_by(world, page.entries[0].conversation_id, chat.OWNER_HUMAN, page.entries[0].id)
        ask.page_token = page.next_page_token or ask.page_token
    assert (listed, page.next_page_token) == (["a", "d", "c", "b"], "")
    ask.all = True
    assert isinstance(await world.mesh.refusal("ListQueue", ask), InvalidField), "a token of another list"


async def test_another_tenants_queue_is_its_own(store: Store, world: World) -> None:
    await handed_off(store)
    await seed(store, ("account-3",), tenant_id="other")
    assert await queue(world, "other", all=True) == []


async def test_after_failures_in_a_row_the_sweeper_asks_for_a_human(store: Store, world: World) -> None:
    await fails(store, 3)
    assert await store.turn_states() == [("failed", "turn_deadline")] * 2 + [("handed_off", "turn_deadline")]
    (entry,) = await queue(world)
    assert (entry.reason, entry.summary) == (pb.HAND_OFF_REASON_REPEATED_FAILURE, "")
    assert await owner(store) == ("queue", 2)
    assert await sends(store) == ["Please try again later."] * 3


async def test_so_does_a_lease_that_comes_too_late(store: Store) -> None:
    await store.execute("""UPDATE agents SET manners = '{"failures_before_hand_off": 1}'""")
    await store.hear("hi")
    store.clock.pass_seconds(121)
    assert await store.lease() == []
    assert (await owner(store), await store.turn_states()) == (("queue", 2), [("handed_off", "turn_deadline")])


async def test_off_the_shelf_no_number_of_failures_gives_a_conversation_to_an_empty_desk(store: Store) -> None:
    await fails(store, 5, most=0)
    assert (await owner(store), await store.turn_states()) == (("agent", 1), [("failed", "turn_deadline")] * 5)


async def test_an_answer_in_between_begins_the_count_anew(store: Store) -> None:
    await fails(store, 2)
    turn = await asked(store)
    assert turn.setting.failed_in_row == 2
    await store.commit(turn, "here I am")
    await fails(store, 2)
    assert await owner(store) == ("agent", 1)
    turn = await asked(store)
    await store.commit(turn, "sorry", state="FAILED", reason="model_timeout")
    assert await owner(store) == ("agent", 1), "of a turn that it ends the agent itself asks for a human"
    assert (await asked(store)).setting.failed_in_row == 3


async def test_after_a_hand_off_the_count_begins_anew(store: Store, world: World) -> None:
    await fails(store, 3)
    ((conversation_id,),) = await store.fetch("SELECT id FROM conversations")
    await owned_by(world, conversation_id, chat.OWNER_AGENT)
    assert (await asked(store)).setting.failed_in_row == 0


async def test_a_late_commit_of_a_turn_that_was_handed_off_is_refused(store: Store) -> None:
    await store.execute("""UPDATE agents SET manners = '{"failures_before_hand_off": 1}'""")
    turn = await asked(store)
    store.clock.pass_seconds(121)
    await store.sweep("overdue_turns")
    assert (await store.commit(turn, "late")).error
    assert await sends(store) == ["Please try again later."]


async def test_an_erasure_closes_the_entry_and_takes_its_summary(store: Store, world: World) -> None:
    await handed_off(store, summary="canary")
    await erased(world, await only_contact(world))
    (entry,) = await queue(world, all=True)
    assert (entry.summary, entry.HasField("closed_at")) == ("", True)
    assert await store.fetch("SELECT 1 FROM queue_entries WHERE summary <> ''") == []


async def test_an_export_tells_of_hand_offs(store: Store, world: World) -> None:
    await handed_off(store, summary="canary")
    ask = privacy.ExportContactRequest(tenant_id=TENANT, contact_id=await only_contact(world))
    told = b"".join([each.chunk for each in await world.mesh.call("ExportContact", ask)])
    assert [b"canary" in line for line in told.splitlines() if b'"QueueEntry"' in line] == [True]


async def test_retention_takes_summaries_but_not_while_they_wait(store: Store, world: World) -> None:
    taken, _ = await handed_off(store, "a", summary="taken"), await handed_off(store, "b", summary="waits")
    await owned_by(world, taken, chat.OWNER_HUMAN)
    ask = privacy.ApplyRetentionRequest(tenant_id=TENANT, messages=Duration(seconds=60))
    await world.mesh.call("ApplyRetention", ask)
    assert sorted(each.summary for each in await queue(world, all=True)) == ["", "waits"]


async def test_a_take_over_makes_no_entry_of_a_hand_off_that_comes_too_late(store: Store, world: World) -> None:
    turn = await asked(store)
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    assert isinstance((await store.commit(turn, BYE, state="HANDED_OFF")).error, OwnerChanged)
    assert (await queue(world, all=True), await sends(store)) == ([], [])
