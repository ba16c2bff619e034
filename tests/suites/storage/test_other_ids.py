"""Is a person whom a provider knows by a number and by an id of its own one contact, with one chat, whatever it says?

WhatsApp shows the number of somebody who hides it for 30 days after they were last in touch.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from kit.errors import NotFound, ParleyError, StorageUnavailable
from parley.chat.v1.message_pb2 import OWNER_HUMAN, ChannelMessage
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import privacy_service_pb2 as privacy
from parley.storage.v1.inbox_service_pb2 import Submission, SubmissionResult
from storage_service.domain.mutations import Mutations
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import TENANT, Store, a_message, a_submission, open_store, opened, seed
from tests.suites.storage.people import erased, only_contact, owned_by
from tests.suites.storage.world import World

NUMBER, NEW_NUMBER, USER_ID, OTHER_ID = "491701234567", "491709999999", "DE.1349", "DE.2222"
REPLICAS, ROUNDS = 3, 12


def by_number(message_id: str, number: str = NUMBER, **more: str) -> ChannelMessage:
    who = {"chat_id": number, "sender_id": number, "sender_phone": f"+{number}", **more}
    return a_message(message_id, provider_message_id=message_id, **who)


def by_both(message_id: str, number: str = NUMBER, user_id: str = USER_ID, **more: str) -> ChannelMessage:
    return by_number(message_id, number, sender_also_known_as=user_id, **more)


def hidden(message_id: str, user_id: str = USER_ID, **more: str) -> ChannelMessage:
    return a_message(message_id, provider_message_id=message_id, **{"chat_id": user_id, "sender_id": user_id, **more})


def from_id_to_number(message_id: str) -> ChannelMessage:
    """The same two ids, the other one first."""
    return hidden(message_id, sender_also_known_as=NUMBER)


async def chats(store: Store) -> list[tuple[str, int]]:
    """Each chat, and how many messages it has."""
    found = await store.fetch("SELECT chat_id, next_seq - 1 FROM conversations ORDER BY id")
    return [tuple(row) for row in found]


async def contacts(store: Store) -> int:
    """How many there are. Every id and every chat is one of theirs."""
    ((count,),) = await store.fetch("SELECT count(*) FROM contacts")
    for table in ("identities", "conversations"):
        nobodys = f"SELECT count(*) FROM {table} WHERE contact_id NOT IN (SELECT id FROM contacts)"
        assert await store.fetch(nobodys) == [(0,)]
    return int(count)


async def test_who_hides_the_number_later_writes_in_the_chat_that_they_had(store: Store) -> None:
    await store.accept(by_both("1"))
    await store.accept(hidden("2"))
    await store.accept(by_both("3"))
    await store.accept(by_number("4"))
    assert (await chats(store), await contacts(store)) == ([(NUMBER, 4)], 1)
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["1", "2", "3", "4"]


async def test_and_a_human_who_took_the_chat_over_is_not_talked_over(store: Store, world: World) -> None:
    (said,) = (await store.accept(by_both("1"))).messages
    await store.commit((await store.lease())[0], "I am a model")
    await owned_by(world, said.conversation_id, OWNER_HUMAN)
    (again,) = (await store.accept(hidden("2"))).messages
    assert (again.conversation_id, again.turn_id) == (said.conversation_id, "")
    assert await store.lease() == []


async def test_the_answer_goes_to_the_number(store: Store) -> None:
    await store.accept(by_both("1"))
    await store.commit((await store.lease())[0], "one")
    await store.send((await store.lease_deliveries())[0], "SM1")
    await store.accept(hidden("2"))
    (turn,) = await store.lease()
    await store.commit(turn, "two")
    (delivery,) = await store.lease_deliveries()
    assert (delivery.text, delivery.chat_id, delivery.reply_to_provider_message_id) == ("two", NUMBER, "2")


async def test_who_showed_no_number_at_first_stays_in_that_chat(store: Store, world: World) -> None:
    await store.accept(hidden("1"))
    await store.accept(by_both("2"))
    await store.accept(by_number("3"))
    await store.accept(hidden("4"))
    assert (await chats(store), await contacts(store)) == ([(USER_ID, 4)], 1)
    listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
    known = {(each.sender_id, each.phone) for each in listed.contacts[0].identities}
    assert known == {(NUMBER, f"+{NUMBER}"), (USER_ID, "")}


async def test_a_chat_from_before_the_second_id_was_kept_goes_on(store: Store) -> None:
    await store.accept(by_number("1"))
    await store.accept(by_both("2"))
    await store.accept(hidden("3"))
    assert (await chats(store), await contacts(store)) == ([(NUMBER, 3)], 1)


async def test_two_contacts_become_one_when_one_message_has_both_ids(store: Store) -> None:
    await store.accept(by_number("1"))
    await store.accept(hidden("2"))
    assert await contacts(store) == 2
    for message in (by_both("3"), hidden("4"), by_number("5")):
        await store.accept(message)
    ((last, count), (other, one)) = sorted(await chats(store), key=lambda each: -each[1])
    assert ({last, other}, count, one, await contacts(store)) == ({NUMBER, USER_ID}, 4, 1, 1)


@pytest.mark.parametrize("taken", [NUMBER, USER_ID])
async def test_then_all_goes_to_the_chat_that_a_human_has(store: Store, world: World, taken: str) -> None:
    told = {NUMBER: (await store.accept(by_number("1"))), USER_ID: (await store.accept(hidden("2")))}
    await owned_by(world, told[taken].messages[0].conversation_id, OWNER_HUMAN)
    for message in (by_both("3"), hidden("4"), by_number("5")):
        (said,) = (await store.accept(message)).messages
        assert (said.conversation_id, said.turn_id) == (told[taken].messages[0].conversation_id, "")


async def test_a_webhook_that_comes_again_is_known_though_its_chat_is_another_now(store: Store, world: World) -> None:
    first = [await store.accept(by_number("1")), await store.accept(hidden("2"))]
    await owned_by(world, first[0].messages[0].conversation_id, OWNER_HUMAN)
    first += [await store.accept(by_both("3")), await store.accept(hidden("4"))]
    again = [await store.accept(each) for each in (by_number("1"), hidden("2"), by_both("3"), hidden("4"))]
    assert all(each.messages[0].duplicate for each in again)
    assert [each.messages[0].message_id for each in again] == [each.messages[0].message_id for each in first]


async def test_with_a_new_number_a_person_has_a_new_chat_and_nothing_goes_to_the_old_one(store: Store) -> None:
    await store.accept(by_both("1"))
    await store.accept(by_both("2", NEW_NUMBER))
    await store.accept(hidden("3"))
    assert (await chats(store), await contacts(store)) == ([(NUMBER, 1), (NEW_NUMBER, 2)], 1)


async def test_whoever_has_the_number_now_is_not_put_into_the_chat_of_who_had_it(store: Store) -> None:
    await store.accept(hidden("1"))
    await store.accept(by_both("2"))
    await store.accept(by_both("3", user_id=OTHER_ID))
    await store.accept(hidden("4", OTHER_ID))
    assert await chats(store) == [(USER_ID, 2), (NUMBER, 2)]


async def test_what_two_accounts_and_two_tenants_know_stays_apart(store: Store) -> None:
    await seed(store, accounts=("theirs",), tenant_id="other")
    await store.accept(by_both("1"))
    await store.accept(hidden("2"), account_id="account-2")
    await store.accept(hidden("3"), tenant_id="other", account_id="theirs")
    assert await chats(store) == [(NUMBER, 1), (USER_ID, 1), (USER_ID, 1)]
    assert await contacts(store) == 3


async def test_in_a_group_they_are_the_same_person_too(store: Store) -> None:
    await store.accept(by_both("1", chat_id="group"))
    await store.accept(hidden("2", chat_id="group"))
    await store.accept(hidden("3"))
    await store.accept(by_both("4"))
    assert (await chats(store), await contacts(store)) == ([("group", 2), (NUMBER, 2)], 1)


async def test_what_is_passed_over_makes_nobody_known(store: Store) -> None:
    await store.accept(by_number("1"))
    aside = by_both("2", chat_id="group")
    aside.only_if_known = True
    assert (await store.accept(aside)).messages[0].passed_over
    assert await store.fetch("SELECT sender_id FROM identities") == [(NUMBER,)]


FORMS: tuple[Callable[[str], ChannelMessage], ...] = (by_both, hidden, from_id_to_number)


@pytest.mark.parametrize("forms", list(permutations(FORMS)))
async def test_one_batch_makes_one_chat(store: Store, forms: tuple[Callable[[str], ChannelMessage], ...]) -> None:
    await store.accept(*(form(str(number)) for number, form in enumerate(forms)))
    (chat,) = await chats(store)
    assert (chat[1], await contacts(store)) == (3, 1)


async def test_a_batch_in_which_two_have_one_id_loses_nothing(store: Store) -> None:
    await store.accept(by_both("1"), by_both("2", NEW_NUMBER), hidden("3"))
    assert (sum(count for _, count in await chats(store)), await contacts(store)) == (3, 1)


async def test_a_known_chat_costs_no_statement_more(store: Store) -> None:
    await store.accept(by_both("1"))
    for message in (by_number("2"), by_both("3"), hidden("4")):
        asked = await asked_by(store, a_submission(message))
        assert {"ids", "hold_ids", "begun", "lead_ids", "add_contacts", "add_contact"}.isdisjoint(asked)
        if store.url.startswith("postgres"):
            assert asked == ["seats", "lanes", "seen"]


async def asked_by(store: Store, submission: Submission) -> list[str]:
    """The statements that accepting it reads by."""
    asked = list[str]()

    async def counting(rows: Any) -> None:
        by = "_fetch" if hasattr(rows, "_fetch") else "_run"
        ask = getattr(rows, by)

        def counted(name: str, *values: Any) -> Any:
            asked.append(name)
            return ask(name, *values)

        setattr(rows, by, counted)
        await store.acceptance.accept(rows, [submission])

    await store.database.run("accept", counting)
    return asked


async def test_an_erasure_finds_both_halves_and_nothing_comes_back(store: Store, world: World) -> None:
    await store.accept(by_number("1"))
    await store.accept(hidden("2"))
    await store.accept(by_both("3"))
    await store.accept(hidden("4"))
    await erased(world, await only_contact(world))
    assert await store.fetch("SELECT sender_id FROM identities") == []
    assert await store.fetch("SELECT id FROM messages WHERE text <> '' OR sender_id <> ''") == []
    late = [await store.accept(each) for each in (hidden("4"), by_both("3"), hidden("2"), by_number("1"))]
    assert all(each.messages[0].duplicate for each in late)
    await store.accept(hidden("5"))
    assert (await store.accept(hidden("4"))).messages[0].duplicate


async def test_an_export_tells_what_was_said_under_both_ids(store: Store, world: World) -> None:
    for message in (by_number("1"), hidden("2"), by_both("3"), hidden("4")):
        await store.accept(message)
    ask = privacy.ExportContactRequest(tenant_id=TENANT, contact_id=await only_contact(world))
    chunks = [each.chunk for each in await world.mesh.call("ExportContact", ask)]
    told = [json.loads(line) for line in b"".join(chunks).splitlines()]
    assert sorted(each["text"] for each in told if each["kind"] == "Message") == ["1", "2", "3", "4"]
    assert {each["sender_id"] for each in told if each["kind"] == "Identity"} == {NUMBER, USER_ID}


async def test_an_erasure_beside_all_this_leaves_nobody_without_a_chat(store: Store, world: World) -> None:
    for number in range(8):
        await store.accept(by_number(f"{number}"))
        listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
        erasing = [erased_or_united(world, contact.id) for contact in listed.contacts]
        later = (by_both(f"{number}b"), hidden(f"{number}h"))
        await asyncio.gather(*erasing, *(until_accepted(store, each) for each in later))
    await store.accept(by_both("last"))
    open_chats = [chat for chat, _ in await chats(store) if not chat.startswith("erased:")]
    assert len(open_chats) == 1
    lost = "SELECT count(*) FROM identities i JOIN contacts p ON p.id = i.contact_id WHERE p.erased_at IS NOT NULL"
    assert await store.fetch(lost) == [(0,)]


async def erased_or_united(world: World, contact_id: str) -> None:
    """Of two contacts that became one meanwhile, one is nobody any more. Who got another id meanwhile is asked for
    again, as the answer says."""
    for _ in range(20):
        with contextlib.suppress(StorageUnavailable):
            with contextlib.suppress(NotFound):
                await erased(world, contact_id)
            return
    raise AssertionError("never erased")


async def until_accepted(store: Store, message: ChannelMessage) -> SubmissionResult:
    """As the gateway and the provider do."""
    for _ in range(20):
        (result,) = await store.submit(a_submission(message))
        if not isinstance(result, ParleyError):
            return result
    raise AssertionError("never accepted")


async def test_replicas_that_hear_of_a_person_at_once_in_every_form_make_one_chat(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_store("postgres", tmp_path, postgres_server))
        more = [await stack.enter_async_context(opened(first.url, Mutations())) for _ in range(REPLICAS - 1)]
        for number in range(ROUNDS):
            who = {"number": f"49170000{number:04d}", "user_id": f"DE.{number}"}
            alone = {"user_id": who["user_id"]}
            heard = [form for store in (first, *more) for form in ((store, by_both, who), (store, hidden, alone))]
            said = [
                until_accepted(store, form(f"{number}-{place}", **about))
                for place, (store, form, about) in enumerate(heard)
            ]
            async with asyncio.timeout(PATIENCE_SECONDS):
                results = await asyncio.gather(*said)
            assert len({each.messages[0].conversation_id for each in results}) == 1
        assert await contacts(first) == len(await chats(first)) == ROUNDS


async def test_and_of_one_who_was_known_by_the_number_only(tmp_path: Path, postgres_server: Postgres) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_store("postgres", tmp_path, postgres_server))
        second = await stack.enter_async_context(opened(first.url, Mutations()))
        for number in range(ROUNDS):
            who = {"number": f"49170000{number:04d}", "user_id": f"DE.{number}"}
            alone = {"user_id": who["user_id"]}
            await first.accept(by_number(f"{number}", who["number"]))
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(
                    until_accepted(first, by_both(f"{number}b", **who)),
                    until_accepted(second, hidden(f"{number}h", **alone)),
                )
            last = [await store.accept(form) for store, form in (
                (first, by_both(f"{number}B", **who)), (second, hidden(f"{number}H", **alone)),
            )]  # fmt: skip
            assert len({each.messages[0].conversation_id for each in last}) == 1
        assert await contacts(first) == ROUNDS
