"""Does every call that a channel can make keep to its provider's official description?"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from channels.channel import Answer, Call, DeliveryError, Outgoing
from channels.media import Keeps, Wanted
from channels.presence import Drafts, Signals
from channels.registry import CHANNELS
from channels.setup import Candidate, Refused
from channels.setup_registry import SETUPS
from parley.chat.v1.message_pb2 import Attachment
from sandbox.provider import Ask
from tests.suites.channels.described import PROVIDERS, against_all, complaints, read
from tests.suites.channels.golden import account, deliveries, sender

DESCRIBED = sorted({*PROVIDERS, "slack"})
GOLDEN = [pytest.param(name, each, id=f"{name}-{case}") for name in DESCRIBED for case, each in deliveries(name)]
DRAFTED = {"slack": "1795240800.000200", "discord": "880000000000000001"}
FILES = {
    "telegram": Attachment(provider_file_id="AgACAgIAAxkBAAMq"),
    "whatsapp_cloud": Attachment(provider_file_id="1003380000000001"),
    "slack": Attachment(provider_file_id="F0EXAMPLE1"),
}


@pytest.mark.parametrize(("channel", "golden"), GOLDEN)
def test_what_a_delivery_sends_keeps_to_the_providers_description(channel: str, golden: Mapping[str, Any]) -> None:
    for each in golden.get("exchange", []):
        stated = each["call"]
        url = stated["url"]
        if "api_base_url" in golden["outgoing"]:  # a stand-in has a path of its own
            continue
        body = stated.get("json", stated.get("form"))
        found = complaints(channel, method=stated["method"], url=url, headers=stated["headers"], body=body)
        assert found == [], urlsplit(url).path


@pytest.mark.parametrize("channel", DESCRIBED)
def test_signals_set_up_and_files_are_asked_for_as_the_provider_describes(channel: str) -> None:
    asked = [*_signals(channel), *_drafts(channel), *_set_up(channel), *_files(channel)]
    for call in asked:
        headers, body = read(call.headers, call.body)
        found = complaints(channel, method=call.method, url=call.url, headers=headers, body=body)
        assert found == [], call
    assert asked


@pytest.mark.parametrize("channel", DESCRIBED)
def test_a_call_that_is_not_described_is_found_out(channel: str) -> None:
    """So that the others mean something."""
    _, golden = next((case, each) for case, each in deliveries(channel) if case == "sent")
    call = golden["exchange"][0]["call"]
    body = call.get("json", call.get("form"))
    asked = {"method": call["method"], "url": call["url"], "headers": call["headers"]}
    assert complaints(channel, **asked, body=body) == []
    assert complaints(channel, **asked, body={**body, "no_such_field": "x"})
    assert complaints(channel, **asked | {"url": call["url"] + "s"}, body=body)


def test_what_came_to_a_stand_in_is_held_against_its_providers_description() -> None:
    """So that the meshes' tests, whose calls are, mean something."""
    headers = {"content-type": "application/json"}
    asked = Ask("POST", "/bot123:abc/sendMessage", headers, b'{"chat_id": 1, "text": "hello"}')
    assert against_all("telegram", [asked]) == []
    wrong = replace(asked, body=b'{"chat_id": 1, "words": "hello"}')
    assert len(against_all("telegram", [asked, wrong, wrong])) == 2
    assert len(against_all("telegram", [replace(asked, path="/bot123:abc/sendWords")])) == 1


def _signals(channel: str) -> Iterator[Call]:
    speaks = CHANNELS[channel]
    if not isinstance(speaks, Signals):
        return
    outgoing = Outgoing("d-1", 0, "", _chat(channel), account(channel).address, reply_to=_message(channel))
    outgoing = replace(outgoing, reply_metadata={"thread_ts": "1795240740.000700"})
    for kind in speaks.signals:
        call = next(speaks.signal(outgoing, account(channel).credentials, kind=kind), None)
        if call:
            yield call


def _drafts(channel: str) -> Iterator[Call]:
    """Of a person's chat, and where it is another thing, of a group's."""
    speaks, given = CHANNELS[channel], account(channel).credentials
    if not isinstance(speaks, Drafts):
        return
    for chat in {_chat(channel), "-1001234567890:7"} if channel == "telegram" else {_chat(channel)}:
        asked = Outgoing("d-1", 0, "so far", chat, account(channel).address, reply_to=DRAFTED.get(channel, "42"))
        drawn = replace(asked, draft=DRAFTED.get(channel, "43"))
        for each in (asked, drawn):
            yield from _all(speaks.draft(each, given, turn_id="t-1"), "")
            yield from _all(speaks.retract(each, given, turn_id="t-1"), "110000000000000001")
        yield from _all(speaks.deliver(drawn, given), "")


def _set_up(channel: str) -> Iterator[Call]:
    mine = account(channel)
    candidate = Candidate(mine.address, mine.credentials, "https://parley.example", f"/webhook/{channel}/k3y")
    setup = SETUPS[channel]
    for flow in (
        setup.probe(candidate),
        setup.inspect(candidate),
        setup.register(candidate),
        setup.unregister(candidate),
    ):
        if flow:
            yield from _all(flow, mine.address)


def _all(flow: Any, address: str) -> Iterator[Call]:
    """Each call, as long as what is answered leads to another."""
    answer = None
    with contextlib.suppress(StopIteration, DeliveryError, Refused):
        while True:
            yield flow.send(answer)
            answer = Answer(200, {}, orjson.dumps(_answered(address)))


def _answered(address: str) -> Mapping[str, Any]:
    """What a provider of any name might say of that account."""
    number = {"sid": "PN" + "0" * 32, "phone_number": address, "capabilities": {"sms": True, "SMS": True}}
    return {
        **number,
        "ok": True,
        "userId": address,
        "active": True,
        "endpoint": "https://parley.example/webhook/line/k3y",
        "result": {"id": 4839574812, "is_bot": True, "username": "shop_bot", "url": ""},
        "id": address,
        "user_id": address,
        "username": "shop",
        "verified_name": "Shop",
        "status": "active",
        "incoming_phone_numbers": [number],
        "data": {"is_valid": True, "app_id": "1", "expires_at": 0, "scopes": []},
    }


def _files(channel: str) -> Iterator[Call]:
    speaks = CHANNELS[channel]
    if channel in FILES and isinstance(speaks, Keeps):
        mine = account(channel)
        call = next(speaks.fetch(Wanted(FILES[channel], mine.address), mine.credentials), None)
        if call:
            yield call


def _chat(channel: str) -> str:
    return {"discord": "440000000000000001", "slack": "D0EXAMPLE1"}.get(channel, sender(channel))


def _message(channel: str) -> str:
    return {"slack": "1795240800.000100", "telegram": "42", "discord": "interaction:1"}.get(channel, "SM" + "0" * 32)
