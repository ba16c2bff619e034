"""A webhook of somebody who was erased comes again, as providers do for days: does anything of them come back?"""

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.inbox_service_pb2 import SubmissionResult
from tests.suites.storage.hot import Store, a_message, a_submission
from tests.suites.storage.people import erased
from tests.suites.storage.world import World

NUMBER, GROUP = "+34600111222", "group-1"


def said(text: str, number: int = 1, **more: str) -> chat.ChannelMessage:
    about = {"chat_id": NUMBER, "sender_id": NUMBER, "sender_name": "Ana Lopez", "sender_phone": NUMBER, **more}
    return a_message(text, provider_message_id=f"wamid.{number}", **about)


async def _erase_ana(store: Store, world: World) -> None:
    (ana,) = await store.fetch("SELECT id FROM contacts WHERE name = 'Ana Lopez'")
    await erased(world, ana[0])


async def _everything(store: Store) -> list[list[tuple[object, ...]]]:
    asked = (
        "SELECT name FROM contacts ORDER BY id",
        "SELECT sender_id, phone FROM identities ORDER BY sender_id",
        "SELECT chat_id, owner, next_seq FROM conversations ORDER BY id",
        "SELECT text, sender_id FROM messages ORDER BY conversation_id, seq",
        "SELECT state FROM turns ORDER BY id",
        "SELECT id FROM raw_payloads",
    )
    return [[tuple(row) for row in await store.fetch(each)] for each in asked]


async def test_it_is_acknowledged_and_makes_no_contact_no_number_and_no_chat(store: Store, world: World) -> None:
    await store.accept(said("my secret"))
    await _erase_ana(store, world)
    before = await _everything(store)
    (again,) = (await store.accept(said("my secret"), raw_payload=b"my secret")).messages
    assert (again.duplicate, again.message_id, again.conversation_id) == (True, "", "")
    assert await _everything(store) == before


async def test_it_makes_nobody_of_whom_a_group_heard_either(store: Store, world: World) -> None:
    await store.accept(a_message("welcome", chat_id=GROUP, sender_id="U1", provider_message_id="in-1"))
    await store.accept(said("my secret", chat_id=GROUP))
    await _erase_ana(store, world)
    before = await _everything(store)
    (again,) = (await store.accept(said("my secret", chat_id=GROUP))).messages
    assert again.duplicate
    assert await _everything(store) == before


async def test_it_makes_nobody_with_two_ids_either(store: Store, world: World) -> None:
    await store.accept(said("my secret", sender_also_known_as="ES.1"))
    await _erase_ana(store, world)
    before = await _everything(store)
    (again,) = (await store.accept(said("my secret", sender_also_known_as="ES.1"))).messages
    assert again.duplicate
    assert await _everything(store) == before


async def test_what_is_new_beside_it_counts_and_shows_who_they_are_now(store: Store, world: World) -> None:
    await store.accept(said("my secret"))
    await _erase_ana(store, world)
    late, new = said("my secret"), said("hello again", 2, sender_name="A. L.")
    others = a_submission(a_message("good morning", chat_id="+34600999888", provider_message_id="wamid.3"))
    told = await store.submit(a_submission(late, new), others, a_submission(late))
    duplicates = [[each.duplicate for each in one.messages] for one in told if isinstance(one, SubmissionResult)]
    assert duplicates == [[True, False], [False], [True]]
    kept = await store.fetch("SELECT name FROM contacts WHERE erased_at IS NULL ORDER BY name")
    assert [row[0] for row in kept] == ["", "A. L."]
    heard = await store.fetch("SELECT text FROM messages WHERE text <> '' ORDER BY text")
    assert [row[0] for row in heard] == ["good morning", "hello again"]
