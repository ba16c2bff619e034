"""Is what providers send stored once, whatever they add to it, leave out of it, and however often they post it?"""

import random
from dataclasses import replace

import pytest

from tests.suites.channels.golden import Capture, captures
from tests.suites.channels.hostile import mutations, with_unknown_fields
from tests.suites.played.distinct import distinct
from tests.suites.played.house import PLAYED, PROVIDERS, House, chat_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MUTANTS = 4


def believed(channel: str) -> list[Capture]:
    """Those that its provider signed, each with ids of its own: a forgery that is signed anew would be none."""
    return [distinct(each).capture for each in captures(channel) if each.expect["verdict"] != "refused"]


def said(channel: str) -> dict[tuple[str, str], str]:
    """What all captured bodies of a channel say together."""
    return {place: text for each in captures(channel) for place, text in distinct(each).said().items()}


def lasting(channel: str, texts: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Without what somebody takes back, and its edits: that may come before them or after them."""
    played = [message for each in captures(channel) for message in distinct(each).messages]
    gone = {(message["chat_id"], message["takes_back"]) for message in played if "takes_back" in message}
    return {(chat, id_): text for (chat, id_), text in texts.items() if (chat, id_.partition(":")[0]) not in gone}


@pytest.mark.parametrize("channel", PLAYED)
async def test_every_captured_body_posted_twice_and_shuffled_is_stored_once_with_all_its_text(
    house: House, channel: str
) -> None:
    played = [*believed(channel), *believed(channel)]
    random.Random(5).shuffle(played)
    heard = await house.post_all([house.webhook(each) for each in played])

    assert {each: status for each, status in zip(played, heard, strict=True) if status != each.expect["status"]} == {}
    assert lasting(channel, await house.stored(channel)) == lasting(channel, said(channel))


@pytest.mark.parametrize("channel", PLAYED)
async def test_a_body_to_which_the_provider_adds_fields_at_every_level_is_the_same_message(
    house: House, channel: str
) -> None:
    played = [each for each in believed(channel) if each.expect["verdict"] == "read"]
    heard = await house.post_all([house.webhook(each, with_unknown_fields(each.webhook.body)) for each in played])

    assert heard == [each.expect["status"] for each in played]
    assert lasting(channel, await house.stored(channel)) == lasting(channel, said(channel))


@pytest.mark.parametrize("channel", PROVIDERS)
async def test_a_provider_whose_body_has_lost_or_changed_fields_is_thanked_all_the_same(
    house: House, channel: str
) -> None:
    bodies = [(each, body) for each in believed(channel) for body in mutations(each.webhook.body, 3, MUTANTS)]
    heard = await house.post_all([house.webhook(each, body) for each, body in bodies])
    # 401 and 403: the change took away for whom it is, or how it was signed.
    odd = [(each.name, status, body) for (each, body), status in zip(bodies, heard, strict=True) if status >= 404]
    assert odd == []


async def test_a_body_that_cannot_be_read_is_kept_as_it_came(house: House) -> None:
    for channel in PROVIDERS:
        unread = [each for each in believed(channel) if each.expect["verdict"] == "unreadable"]
        await house.post_all([house.webhook(each) for each in unread])
        kept = await house.kept_raw(channel)
        assert [each.name for each in unread if each.webhook.body not in kept] == []


async def test_what_is_posted_to_the_wrong_chats_session_is_that_sessions(house: House) -> None:
    (capture,) = [each for each in captures("webchat") if each.name == "text"]
    webhook = house.webhook(capture)
    assert await house.post(replace(webhook, body=b'{"text":"mine","chat_id":"another"}')) == 202
    assert chat_of(capture) in {chat for chat, _ in await house.stored("webchat")}
