"""Does one malformed message lose another, or a webhook that comes twice double one? Batches of 2 x 2 x 3, one bad.

Meta puts many messages into one body; the others post one at a time, so that theirs are posted all at once.
"""

import random
from typing import Any

import orjson
import pytest

from tests.suites.channels.golden import Capture, captures
from tests.suites.played.distinct import distinct
from tests.suites.played.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP: dict[str, Any] = {}
for _ in range(60):
    DEEP = {"message": DEEP, "type": "text"}
# In the place of one message.
MALFORMED: dict[str, Any] = {
    "null": None,
    "a word": "hello",
    "a number": 7,
    "true": True,
    "a list": [{"id": "wamid.IN-A-LIST", "from": "14155551234"}],
    "nothing": {},
    "no id": {"from": "14155551234", "timestamp": "1795240800", "type": "text", "text": {"body": "lost"}},
    "an id that is too long": {"from": "1", "id": "w" * 300, "mid": "w" * 300, "type": "text", "text": {"body": "x"}},
    "ids of other types": {"from": {"a": 1}, "id": ["x"], "mid": 5, "type": 5, "message": [], "sender": "x"},
    "deep": DEEP,
}
# In the place of an entry or of a change.
ELSEWHERE: tuple[Any, ...] = (None, "x", 7, [], {}, {"changes": None}, {"changes": [None, {"value": 3}, "x"]})
AN_ENTRY = 6  # of Instagram's, which has one level less
POSTED_APART = ("discord", "slack", "sms", "telegram", "whatsapp")


def whatsapp_messages(bad: Any, name: str) -> tuple[dict[str, Any], set[str]]:
    """A body of 2 entries, 2 changes, 3 messages, of which one is bad; and the ids of the good ones."""
    (text,) = [each for each in captures("whatsapp_cloud") if each.name == "text"]
    change = orjson.loads(text.webhook.body)["entry"][0]["changes"][0]
    (message,) = change["value"]["messages"]
    messages: list[Any] = [message | {"id": f"wamid.{name}.{number}"} for number in range(12)]
    at = random.Random(name).randrange(12)
    good = {each["id"] for number, each in enumerate(messages) if number != at}
    messages[at] = bad
    changes = [{**change, "value": {**change["value"], "messages": messages[at : at + 3]}} for at in range(0, 12, 3)]
    entries = [{"id": "1", "changes": changes[at : at + 2]} for at in (0, 2)]
    return {"object": "whatsapp_business_account", "entry": entries}, good


def instagram_events(bad: Any, name: str) -> tuple[dict[str, Any], set[str]]:
    """Two entries of six events each, of which one is bad; and the ids of the good ones."""
    (text,) = [each for each in captures("instagram") if each.name == "text"]
    entry = orjson.loads(text.webhook.body)["entry"][0]
    (event,) = entry["messaging"]
    ids = [f"mid.{name}.{number}" for number in range(12)]
    events: list[Any] = [event | {"message": event["message"] | {"mid": id_}} for id_ in ids]
    at = random.Random(name).randrange(12)
    events[at] = bad
    entries = [entry | {"messaging": events[start : start + AN_ENTRY]} for start in range(0, 12, AN_ENTRY)]
    return {"object": "instagram", "entry": entries}, {id_ for number, id_ in enumerate(ids) if number != at}


BATCHES = {"whatsapp_cloud": whatsapp_messages, "instagram": instagram_events}


@pytest.mark.parametrize("channel", BATCHES)
async def test_eleven_of_twelve_are_stored_once_when_one_of_a_batch_is_malformed_and_the_batch_comes_twice(
    house: House, channel: str
) -> None:
    (text,) = [each for each in captures(channel) if each.name == "text"]
    made = {name: BATCHES[channel](bad, name.replace(" ", "-")) for name, bad in MALFORMED.items()}
    webhooks = [house.webhook(text, orjson.dumps(body)) for body, _ in made.values()]
    assert set(await house.post_all([*webhooks, *webhooks])) == {200}

    stored = {provider_id for _, provider_id in await house.stored(channel)}
    assert {name: good - stored for name, (_, good) in made.items() if good - stored} == {}
    assert len(stored) == sum(len(good) for _, good in made.values())


async def test_an_entry_or_a_change_that_is_malformed_loses_none_of_the_others(house: House) -> None:
    (text,) = [each for each in captures("whatsapp_cloud") if each.name == "text"]
    wanted = set()
    for number, bad in enumerate(ELSEWHERE):
        body, good = whatsapp_messages({}, f"entry-{number}")
        wanted |= good
        body["entry"].insert(number % 3, bad)
        body["entry"][-1 if number % 3 != 2 else 0]["changes"].insert(1, bad)
        assert await house.post(house.webhook(text, orjson.dumps(body))) == 200
    assert wanted <= {provider_id for _, provider_id in await house.stored("whatsapp_cloud")}


@pytest.mark.parametrize("channel", POSTED_APART)
async def test_twelve_webhooks_at_once_each_twice_and_one_malformed_are_eleven_messages(
    house: House, channel: str
) -> None:
    (text, *_) = [each for each in captures(channel) if each.name in {"text", "chat"}]
    copies = [distinct(text, copy) for copy in range(1, 12)]
    broken = house.webhook(text, _broken(text))
    webhooks = [broken, *(house.webhook(each.capture) for each in copies)]
    before = set(await house.stored(channel))
    heard = await house.post_all([*webhooks, *webhooks])

    assert max(heard) < 400
    said = {place for each in copies for place in each.said()}
    assert set(await house.stored(channel)) - before == said


def _broken(capture: Capture) -> bytes:
    """Without the id that tells it from a copy of itself."""
    body = capture.webhook.body
    for name in (b'"message_id"', b"MessageSid", b"SmsSid", b'"ts"', b'{"id"', b',"id"'):
        body = body.replace(name, name.replace(b"d", b"_").replace(b"ts", b"t_"))
    return body


@pytest.mark.parametrize("channel", BATCHES)
async def test_a_thousand_messages_in_three_megabytes_are_all_stored(house: House, channel: str) -> None:
    """What Meta says that it may post after an outage."""
    (text,) = [each for each in captures(channel) if each.name == "text"]
    body = orjson.loads(text.webhook.body)
    entry = body["entry"][0]
    holder, name = (entry, "messaging") if channel == "instagram" else (entry["changes"][0]["value"], "messages")
    (said,) = holder[name]
    ids = [f"mid.thousand.{number}" for number in range(1000)]
    holder[name] = [_with_id(said, id_, padding="x" * 2700) for id_ in ids]
    raw = orjson.dumps(body)
    assert 2_700_000 < len(raw) < 3_500_000
    for _ in range(20):  # a slow machine may answer 503, and then Meta comes again
        if await house.post(house.webhook(text, raw)) == 200:
            break
    assert set(ids) <= {provider_id for _, provider_id in await house.stored(channel)}


def _with_id(said: dict[str, Any], id_: str, *, padding: str) -> dict[str, Any]:
    if "message" in said:
        return said | {"message": {"mid": id_, "text": padding}}
    return said | {"id": id_, "text": {"body": padding}}
