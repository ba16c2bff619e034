"""Does a turn wait for its attachments, and no longer than it may? And do their bytes come in once, and whole?"""

import json
from datetime import timedelta
from typing import Any

import pytest

from kit.errors import InvalidField, LeaseLost
from kit.moments import span
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import media_service_pb2 as pb
from storage_service.domain import media_work
from storage_service.domain.asks import Ask
from storage_service.domain.turns import Done
from tests.suites.storage.hot import LEASE, TENANT, Store

PICTURE = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, url="https://files.test/1", media_type="image/png")
PLACE = chat.Attachment(kind=chat.ATTACHMENT_KIND_LOCATION, caption="1,2")
WAIT_SECONDS = 10


async def lease(store: Store, most: int = 10, worker: str = "f1") -> list[pb.LeasedFetch]:
    asks = [Ask(worker, most, LEASE, 0)]
    return (await store.database.run("media", lambda rows: media_work.lease(rows, asks)))[0]


async def append(store: Store, fetch: pb.LeasedFetch, number: int, content: bytes, **more: Any) -> object:
    named = {"tenant_id": TENANT, "media_id": fetch.media_id, "epoch": fetch.epoch, "worker_id": "f1", **more}
    request = pb.AppendMediaRequest(number=number, content=content, **named)
    return await store.database.run("media", lambda rows: media_work.append(rows, request))


async def end(store: Store, fetch: pb.LeasedFetch, outcome: str, **more: Any) -> Done:
    named = {"tenant_id": TENANT, "media_id": fetch.media_id, "conversation_id": fetch.conversation_id}
    given = {**named, "epoch": fetch.epoch, "worker_id": "f1", "outcome": f"FETCH_OUTCOME_{outcome}", **more}
    request = pb.EndFetchRequest(**given)
    return await store.database.run("media", lambda rows: media_work.end(rows, request))


async def keep(store: Store, fetch: pb.LeasedFetch, *pieces: bytes, **more: Any) -> Done:
    for number, piece in enumerate(pieces):
        assert await append(store, fetch, number, piece) is None
    size = sum(map(len, pieces))
    return await end(store, fetch, "STORED", media_type="image/png", size_bytes=size, pieces=len(pieces), **more)


async def bytes_of(store: Store, media_id: str) -> bytes:
    rows = await store.fetch("SELECT content FROM media_pieces WHERE media_id = :id ORDER BY number", id=media_id)
    return b"".join(bytes(row[0]) for row in rows)


async def test_a_turn_is_due_when_its_attachment_is_here(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    assert await store.lease() == []
    (fetch,) = await lease(store)
    assert (fetch.attachment.url, fetch.attempts) == ("https://files.test/1", 0)
    assert (await keep(store, fetch, b"one", b"two")).error is None
    (turn,) = await store.lease()
    (shown,) = turn.messages[0].attachments
    assert (shown.media_state, shown.sniffed_media_type, shown.size_bytes) == (chat.MEDIA_STATE_STORED, "image/png", 6)
    assert await bytes_of(store, shown.media_id) == b"onetwo"


async def test_an_attachment_that_nobody_fetches_keeps_nobody_from_an_answer(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    store.clock.pass_seconds(WAIT_SECONDS - 1)
    assert await store.lease() == []
    store.clock.pass_seconds(1)
    (turn,) = await store.lease()
    assert turn.messages[0].attachments[0].media_state == chat.MEDIA_STATE_PENDING
    assert turn.deadline_at.ToDatetime() > store.clock.now.replace(tzinfo=None)


async def test_an_attachment_that_cannot_be_had_says_why_and_the_turn_goes_on(store: Store) -> None:
    await store.hear("look", attachments=[PLACE, PICTURE])
    (fetch,) = await lease(store)
    await append(store, fetch, 0, b"half of it")
    await end(store, fetch, "UNAVAILABLE", reason="too_large")
    (turn,) = await store.lease()
    place, picture = turn.messages[0].attachments
    assert (place.media_state, place.media_id) == (chat.MEDIA_STATE_UNSPECIFIED, "")
    assert (picture.media_state, picture.unavailable_reason) == (chat.MEDIA_STATE_UNAVAILABLE, "too_large")
    assert await bytes_of(store, fetch.media_id) == b""


async def test_a_turn_waits_for_all_of_its_attachments(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE, PICTURE])
    first, second = await lease(store)
    await keep(store, first, b"1")
    assert await store.lease() == []
    await end(store, second, "UNAVAILABLE", reason="not_found")
    assert len(await store.lease()) == 1


async def test_what_is_tried_again_is_waited_for_until_its_time_is_over(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await end(store, fetch, "RETRY", reason="unreachable", retry_after=span(timedelta(seconds=2)))
    assert (await store.lease(), await lease(store)) == ([], [])
    store.clock.pass_seconds(2)
    (again,) = await lease(store)
    assert (again.attempts, again.epoch) == (1, 2)
    await keep(store, again, b"1")
    assert len(await store.lease()) == 1


async def test_words_that_follow_a_picture_are_answered_together_with_it(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 3000")
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    store.clock.pass_seconds(2)
    await store.hear("what is it?")
    await keep(store, fetch, b"1")
    assert await store.lease() == []  # the quiet window of the words, which is not over
    store.clock.pass_seconds(3)
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["look", "what is it?"]


async def test_a_picture_that_comes_while_a_turn_runs_is_waited_for_by_the_next(store: Store) -> None:
    await store.hear("hello")
    (running,) = await store.lease()
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await store.commit(running, "hi")
    assert await store.lease() == []
    await keep(store, fetch, b"1")
    assert [each.messages[0].text for each in await store.lease()] == ["look"]


async def test_a_turn_that_begins_anew_with_a_picture_waits_for_it(store: Store) -> None:
    await store.hear("hello")
    (running,) = await store.lease()
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await store.merge(running)
    assert await store.lease() == []
    await keep(store, fetch, b"1")
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["hello", "look"]


async def test_a_late_attachment_is_in_the_history_of_the_next_turn(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    store.clock.pass_seconds(WAIT_SECONDS)
    (turn,) = await store.lease()
    await store.commit(turn, "I see nothing yet")
    await keep(store, fetch, b"1")
    await store.hear("and now?")
    (turn,) = await store.lease()
    assert turn.history[0].attachments[0].media_state == chat.MEDIA_STATE_STORED


async def test_a_fetch_whose_worker_died_is_given_to_another_who_writes_over_it(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (lost,) = await lease(store)
    for number in range(3):
        await append(store, lost, number, b"old")
    store.clock.pass_seconds(LEASE.total_seconds())
    (again,) = await lease(store)
    assert isinstance(await append(store, lost, 0, b"late"), LeaseLost)
    assert isinstance((await end(store, lost, "STORED", pieces=3)).error, LeaseLost)
    await keep(store, again, b"new")
    assert await bytes_of(store, again.media_id) == b"new"


async def test_a_piece_renews_the_lease(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    store.clock.pass_seconds(LEASE.total_seconds() - 1)
    await append(store, fetch, 0, b"1")
    store.clock.pass_seconds(LEASE.total_seconds() - 1)
    assert await lease(store) == []


async def test_what_kills_every_worker_is_given_up(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    for _ in range(5):
        assert len(await lease(store)) == 1
        store.clock.pass_seconds(LEASE.total_seconds())
    assert await lease(store) == []
    ((told,),) = await store.fetch("SELECT attachments FROM messages WHERE attachments IS NOT NULL")
    assert '"unavailable_reason":"gave_up"' in told


async def test_an_end_that_is_said_twice_changes_nothing(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await keep(store, fetch, b"1")
    assert await end(store, fetch, "STORED", pieces=1) == Done(duplicate=True)


async def test_nothing_is_stored_while_pieces_are_missing(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await append(store, fetch, 1, b"the second")
    assert isinstance((await end(store, fetch, "STORED", pieces=2, size_bytes=20)).error, InvalidField)


async def test_the_same_webhook_again_fetches_nothing_again(store: Store) -> None:
    for _ in range(2):
        message = chat.ChannelMessage(
            channel="whatsapp", chat_id="c", sender_id="s", provider_message_id="1", attachments=[PICTURE]
        )
        await store.accept(message)
    assert len(await lease(store)) == 1


async def test_what_a_program_sent_and_what_is_marked_as_not_kept_is_not_fetched(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE], from_bot=True)
    kept_away = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, url="https://x", media_state="MEDIA_STATE_UNAVAILABLE")
    await store.hear("look", attachments=[kept_away])
    assert await lease(store) == []
    assert len(await store.lease()) == 1


async def test_a_human_s_conversation_gets_its_files_too(store: Store) -> None:
    accepted = await store.hear("hello")
    await store.execute("UPDATE conversations SET owner = 'human'")
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    assert fetch.conversation_id == accepted.conversation_id
    assert (await keep(store, fetch, b"1")).error is None


async def test_bytes_go_when_they_were_kept_long_enough(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE, PICTURE])
    first, second = await lease(store)
    await keep(store, first, b"1", excerpt="it begins")
    await end(store, second, "UNAVAILABLE", reason="too_large")
    await store.sweep("old_media")
    assert await bytes_of(store, first.media_id) == b"1"
    store.clock.pass_seconds(store.sweeper.keep_media.total_seconds() + 1)
    for _ in range(2):
        await store.sweep("old_media")
    assert await bytes_of(store, first.media_id) == b""
    ((attachments,),) = await store.fetch("SELECT attachments FROM messages")
    shown = {each["media_id"]: (each["media_state"], each["unavailable_reason"]) for each in json.loads(attachments)}
    gone = chat.MEDIA_STATE_UNAVAILABLE
    assert shown == {first.media_id: (gone, "expired"), second.media_id: (gone, "too_large")}
    assert "it begins" not in attachments
    left = "SELECT attachment, media_type, size_bytes, pieces FROM media"
    assert {tuple(row) for row in await store.fetch(left)} == {("{}", "", 0, 0)}, "what is known of it goes, too"
    assert await store.fetch("SELECT id FROM media WHERE ended_at IS NOT NULL") == [], "and is looked at no more"


async def test_a_large_file_goes_in_bites_and_its_row_last(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE, PICTURE])
    large, small = await lease(store)
    await keep(store, large, *([b"1"] * 40))
    await keep(store, small, b"2")
    store.clock.pass_seconds(store.sweeper.keep_media.total_seconds() + 1)
    left = []
    for _ in range(4):
        is_full = await store.database.run("sweep", store.sweeper.old_media) == store.sweeper.bite
        states = dict(await store.fetch("SELECT id, state FROM media"))
        left.append((is_full, len(await bytes_of(store, large.media_id)), states[large.media_id]))
    assert left == [(True, 24, "stored"), (True, 8, "stored"), (True, 0, "unavailable"), (False, 0, "unavailable")]
    assert (await bytes_of(store, small.media_id), states[small.media_id]) == (b"", "unavailable")


async def test_what_was_erased_while_its_time_ended_stays_gone(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await keep(store, fetch, b"1")
    await store.execute("DELETE FROM messages")
    store.clock.pass_seconds(store.sweeper.keep_media.total_seconds() + 1)
    await store.sweep("old_media")
    assert await bytes_of(store, fetch.media_id) == b""


@pytest.mark.parametrize("outcome", ["RELEASED", "RETRY"])
async def test_what_is_given_back_is_leased_again_at_once(store: Store, outcome: str) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await end(store, fetch, outcome)
    (again,) = await lease(store)
    assert again.attempts == (0 if outcome == "RELEASED" else 1)


async def test_a_waiting_sender_is_told_when_the_next_try_is_due(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await end(store, fetch, "RETRY", retry_after=span(timedelta(seconds=7)))

    async def due_in(rows: Any) -> float:
        return float((await rows.media.next_due() - rows.now).total_seconds())

    assert await store.database.run("media", due_in) == pytest.approx(7)
