"""What of a conversation that is not the agent's does the agent still hear, and who takes it away from it?"""

from typing import Any

import pytest

from agent_service.domain.opting import IN, OUT
from kit.echoes import shown
from kit.errors import OwnerChanged
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1.conversation_change_pb2 import ConversationChange, ListQueueRequest
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import Usage
from storage_service.backends.ownership import Ownership
from storage_service.backends.repeats import Repeats
from storage_service.domain.asks import Ask
from storage_service.domain.events import Events
from storage_service.domain.hearing import take_overs
from storage_service.domain.opting import opts_in, opts_out
from tests.suites.storage.hot import ACCOUNT, LEASE, TENANT, Store, a_message, a_submission
from tests.suites.storage.people import operator_says, owned_by
from tests.suites.storage.world import World

OUT_CHANGE, IN_CHANGE = ConversationChange(opted_out=True), ConversationChange(opted_out=False)


def test_storage_knows_every_word_that_the_agent_knows() -> None:
    assert all(map(opts_out, OUT))
    assert all(map(opts_in, IN))
    assert not any(map(opts_out, ("stop it please", "", "when do you stop", "stop" * 30, "start")))


@pytest.mark.parametrize("owner", [chat.OWNER_HUMAN, chat.OWNER_QUEUE])
async def test_who_writes_stop_to_a_human_is_let_go(store: Store, world: World, owner: chat.Owner) -> None:
    said = await store.hear("hello")
    await owned_by(world, said.conversation_id, owner)
    await operator_says(store, world, said.conversation_id, "How can I help?")
    assert (await store.hear("can you call me?")).turn_id == ""

    stop = await store.hear("¡STOP!")
    (turn,) = await store.lease()
    assert (turn.turn_id, turn.setting.owner) == (stop.turn_id, owner)
    done = await store.commit(turn, "You will get no more messages from us.", change=OUT_CHANGE)

    assert done.error is None
    ((name,),) = await store.fetch("SELECT owner FROM conversations")
    assert name == "none"
    assert [each.text for each in await store.lease_deliveries()] == ["You will get no more messages from us."]
    assert await store.delivery_states() == ["failed", "queued"]
    waiting = await world.mesh.call("ListQueue", ListQueueRequest(tenant_id=TENANT))
    assert list(waiting.entries) == []


async def test_a_stop_that_means_nothing_on_its_channel_stays_with_the_human(store: Store, world: World) -> None:
    said = await store.hear("hello")
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    await store.hear("cancel")
    (turn,) = await store.lease()

    assert (await store.commit(turn, state="SUPPRESSED", reason="owner_human")).error is None
    assert await store.turn_states() == [("suppressed", "owner_changed"), ("suppressed", "owner_human")]
    ((name,),) = await store.fetch("SELECT owner FROM conversations")
    assert name == "human"


async def test_for_a_human_the_agent_may_say_nothing_but_goodbye(store: Store, world: World) -> None:
    said = await store.hear("hello")
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    await store.hear("stop")
    (turn,) = await store.lease()

    assert isinstance((await store.commit(turn, "I am a model")).error, OwnerChanged)
    assert await store.lease_deliveries() == []


async def test_what_the_team_writes_in_the_providers_app_takes_the_conversation_over(
    store: Store, world: World
) -> None:
    await store.hear("is anybody there?")
    (turn,) = await store.lease()
    echo = a_submission(a_message("It is Ana, how can I help?", provider_message_id="echo-1", from_team=True))

    for _ in range(2):  # as providers do
        await _taken(store, world, echo)

    assert isinstance((await store.commit(turn, "I am a model")).error, OwnerChanged)
    heard = await store.fetch("SELECT role, text, turn_id FROM messages WHERE role = 'operator'")
    assert [tuple(row) for row in heard] == [("operator", "It is Ana, how can I help?", None)]
    ((name, epoch, inbound),) = await store.fetch("SELECT owner, owner_epoch, last_inbound_seq FROM conversations")
    assert (name, epoch, inbound) == ("human", 2, 1)
    assert await store.lease_deliveries() == []


async def test_an_echo_that_comes_late_takes_nothing_over_again(store: Store, world: World) -> None:
    echo = a_submission(a_message("It is Ana.", provider_message_id="echo-1", from_team=True))
    said = await store.hear("hello")
    await _taken(store, world, echo)
    await owned_by(world, said.conversation_id, chat.OWNER_AGENT, "back")

    await _taken(store, world, echo)

    assert await owner(store) == "agent"


async def _on_its_way(store: Store, text: str) -> LeasedDelivery:
    await store.hear("hello")
    (turn,) = await store.lease()
    await store.commit(turn, text)
    (delivery,) = await store.lease_deliveries()
    return delivery


async def _shown_again(
    store: Store, world: World, text: str, provider_message_id: str = "ours-1", *, attachments: Any = ()
) -> str:
    """What the provider shows, perhaps twice; gives the owner afterwards."""
    message = a_message(text, provider_message_id=provider_message_id, from_team=True, attachments=attachments)
    echo = a_submission(message)
    for _ in range(2):
        await _taken(store, world, echo)
    ((name,),) = await store.fetch("SELECT owner FROM conversations")
    return str(name)


async def _operators(store: Store) -> int:
    ((count,),) = await store.fetch("SELECT count(*) FROM messages WHERE role = 'operator'")
    return int(count)


async def test_what_we_sent_ourselves_takes_nothing_over_when_the_provider_shows_it(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "We open at 9.")
    await store.send(delivery, "ours-1")

    assert await _shown_again(store, world, "We open at 9.") == "agent"
    assert (await _operators(store), await store.delivery_states()) == (0, ["sent"])


async def test_what_we_are_sending_is_known_by_its_words_until_it_has_an_id(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "We open at **9**.")
    await store.record(delivery, "BEGUN", shown=shown("We open at 9.", file=False))

    assert await _shown_again(store, world, " We open\r\nat 9.") == "agent"
    await store.record(delivery, "SENT", provider_message_id="ours-1")
    assert await _shown_again(store, world, "We open at 9.") == "agent"
    assert (await _operators(store), await store.delivery_states()) == (0, ["sent"])


async def test_each_part_of_what_we_are_sending_is_known_when_it_has_begun(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "We open at 9.\r\nWe close at 5.")
    first, second = (shown(each, file=False) for each in ("We open at 9.", "We close at 5."))
    await store.record(delivery, "BEGUN", parts=2, shown=first)

    assert await _shown_again(store, world, "We open at 9.") == "agent"
    sent = {"parts": 2, "provider_message_id": "ours-1", "begin_next": True, "shown": second}
    await store.record(delivery, "SENT", **sent)  # type: ignore[arg-type]
    assert await _shown_again(store, world, "We close at 5.", "ours-2") == "agent"
    assert await _operators(store) == 0
    assert await _shown_again(store, world, "We open at 9.", "a-human") == "human"


async def test_a_file_that_we_are_sending_is_known_by_being_one(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "Here you are.")
    await store.record(delivery, "BEGUN", shown=shown("", file=True))

    assert await _shown_again(store, world, "", attachments=[chat.Attachment()]) == "agent"
    assert await _operators(store) == 0
    assert await _shown_again(store, world, "", "a-human") == "human"


async def test_what_cannot_be_read_is_not_the_file_that_we_are_sending(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "Here you are.")
    await store.record(delivery, "BEGUN", shown=shown("", file=True))

    unread = chat.Attachment(kind=chat.ATTACHMENT_KIND_UNSUPPORTED)
    assert await _shown_again(store, world, "", "a-human", attachments=[unread]) == "human"


async def test_what_was_shown_is_kept_only_while_nobody_knows_what_became_of_it(store: Store) -> None:
    delivery = await _on_its_way(store, "We open at 9.")
    await store.record(delivery, "BEGUN", shown=shown("We open at 9.", file=False))
    await store.record(delivery, "SENT", provider_message_id="ours-1")

    assert [tuple(row) for row in await store.fetch("SELECT shown FROM attempts")] == [("",)]


async def test_a_send_whose_answer_was_lost_is_found_out_when_the_provider_shows_it(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "We open at 9.")
    await store.record(delivery, "BEGUN", shown=shown("We open at 9.", file=False))
    await store.record(delivery, "UNKNOWN")
    assert await store.delivery_states() == ["unknown"]

    assert await _shown_again(store, world, "We open at 9.") == "agent"
    assert (await _operators(store), await store.delivery_states()) == (0, ["sent"])
    assert await _shown_again(store, world, "We open at 9.", "a-human") == "human"


@pytest.mark.parametrize("text", ["We open at 10.", "We open", "", " "])
async def test_other_words_while_we_are_sending_are_a_humans(store: Store, world: World, text: str) -> None:
    delivery = await _on_its_way(store, "We open at 9.")
    await store.record(delivery, "BEGUN", shown=shown("We open at 9.", file=False))

    assert await _shown_again(store, world, text, "a-human") == "human"
    assert await _operators(store) == 1


async def test_the_same_words_in_another_chat_are_a_humans(store: Store, world: World) -> None:
    delivery = await _on_its_way(store, "We open at 9.")
    await store.record(delivery, "BEGUN", shown=shown("We open at 9.", file=False))
    other = a_message("We open at 9.", chat_id="another", provider_message_id="a-human", from_team=True)
    await _taken(store, world, a_submission(other))

    owners = await store.fetch("SELECT chat_id, owner FROM conversations")
    assert {row[0] == "another": row[1] for row in owners} == {True: "human", False: "agent"}


async def test_who_opted_out_stays_so_whoever_of_the_team_writes_to_them(store: Store, world: World) -> None:
    await store.hear("stop")
    (turn,) = await store.lease()
    await store.commit(turn, "bye", change=OUT_CHANGE)

    await _taken(store, world, a_submission(a_message("But why?", provider_message_id="echo-1", from_team=True)))

    ((name,),) = await store.fetch("SELECT owner FROM conversations")
    assert name == "none"


async def test_people_are_kept_with_the_name_and_number_that_they_were_first_seen_with(
    store: Store, world: World
) -> None:
    shown = {"sender_id": "34600111222", "sender_name": "Ann", "sender_phone": "+34600111222"}
    await store.accept(a_message(provider_message_id="1", **shown), a_message(provider_message_id="2", **shown))
    await store.accept(a_message(provider_message_id="3", **{**shown, "sender_name": "Ann B."}))

    listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
    (contact,) = listed.contacts
    (identity,) = contact.identities
    assert contact.name == "Ann"
    assert (identity.sender_id, identity.phone) == ("34600111222", "+34600111222")


async def test_a_turn_brings_what_its_account_can_show(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET formatting = 'Plain text only.' WHERE id = :id", id=ACCOUNT)
    await store.hear("hello")
    (turn,) = await store.lease()
    assert turn.setting.formatting == "Plain text only."


async def _taken(store: Store, world: World, submission: object) -> None:
    """As the inbox's front door does."""
    ownership = Ownership(world.sessions, Repeats(world.sessions, world.keyring), events=Events(store.wakeups))
    results = await store.submit(submission)  # type: ignore[arg-type]
    for conversation, message_id in take_overs([submission], results):  # type: ignore[list-item]
        await ownership.take_over(*conversation, message_id=message_id)
    store.clock.now = world.sessions.now()


async def test_whom_the_provider_let_go_and_took_back_we_tell_nothing_and_then_answer(store: Store) -> None:
    await _on_its_way(store, "It is open until six.")
    await store.hear("and on Sunday?")
    (turn,) = await store.lease()
    await store.hear("anybody?")

    gone = await store.hear("no more of this", opted_out=True)
    assert (gone.turn_id, await owner(store)) == ("", "none")
    assert await store.lease() == []
    assert (await store.turn_states())[1:] == [("suppressed", "owner_changed"), ("suppressed", "owner_none")]

    back = await store.hear("let me join", opted_out=False)
    assert (back.turn_id, await owner(store)) == ("", "agent")
    await store.hear("when do you open?")
    assert [[each.text for each in new.messages] for new in await store.lease()] == [["when do you open?"]]

    # Who was at it hears of it when there is an answer, and says then what it cost.
    usage = Usage(model="llama", input_tokens=7, output_tokens=1)
    assert isinstance((await store.commit(turn, "I am a model", usage=usage)).error, OwnerChanged)
    assert await store.fetch("SELECT input_tokens FROM turns WHERE reason = 'owner_changed'") == [(7,)]


async def test_who_wanted_to_come_back_and_then_left_at_the_provider_has_left(store: Store) -> None:
    await store.hear("no more of this", opted_out=True)
    await store.hear("alta")
    (turn,) = await store.lease()
    await store.hear("no more of this", opted_out=True)
    assert isinstance((await store.commit(turn, "Welcome back.", change=IN_CHANGE)).error, OwnerChanged)
    assert await owner(store) == "none"


async def test_what_comes_in_one_go_with_the_leaving_is_handed_to_nobody(store: Store) -> None:
    store.workers = [Ask("w1", 1, LEASE, 20)]
    gone = a_message("no more of this", provider_message_id="in-2", opted_out=True)
    await store.accept(a_message("hello", provider_message_id="in-1"), gone)
    assert (store.handed, await store.lease()) == ([], [])
    assert await store.turn_states() == [("suppressed", "owner_none")]


async def test_what_waits_for_whom_the_provider_let_go_is_called_off(store: Store) -> None:
    await store.hear("hello")
    (turn,) = await store.lease()
    await store.commit(turn, "Hello!")
    await store.hear("no more of this", opted_out=True)
    assert (await store.delivery_states(), await store.lease_deliveries()) == (["failed"], [])


async def test_who_never_left_is_answered_when_the_provider_takes_them_back(store: Store) -> None:
    await store.hear("shall I?")
    assert (await store.hear("yes", opted_out=False)).turn_id


async def owner(store: Store) -> str:
    ((name,),) = await store.fetch("SELECT owner FROM conversations")
    return str(name)
