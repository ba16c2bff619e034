"""Does each channel read its captured bodies, and speak to its provider, as written beside them?"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from google.protobuf.json_format import MessageToDict

from channels.channel import Answer, Call, DeliveryError, Flow, Outgoing, Rejected, Sent, Throttled, Unknown, Webhook
from channels.discord_hearing import Hearing
from channels.host import heard, receive
from channels.registry import CHANNELS
from parley.chat.v1.message_pb2 import ChannelMessage, Receipt
from tests.suites.channels.golden import Capture, account, captures, deliveries, dispatches

CAPTURES = [pytest.param(each, id=f"{name}-{each.name}") for name in CHANNELS for each in captures(name)]
DELIVERIES = [pytest.param(name, each, id=f"{name}-{case}") for name in CHANNELS for case, each in deliveries(name)]
DISPATCHES = [pytest.param(said, messages, id=name) for name, said, messages in dispatches("discord")]
RECEIVED_AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
OUR_BOT = "110000000000000001"


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_captured_body_means_what_is_written_beside_it(capture: Capture) -> None:
    received = receive(CHANNELS[capture.channel], capture.webhook, account=account(capture.channel))

    assert received.verdict.value == capture.expect["verdict"]
    assert received.answer.status == capture.expect["status"]
    assert received.unread == capture.expect.get("unread", "")
    assert received.access_ended_at == capture.expect.get("access_ended_at")
    if "answer" in capture.expect:
        assert orjson.loads(received.answer.body) == capture.expect["answer"]
    assert received.reason == capture.expect.get("reason", "" if received.verdict.value == "read" else "unreadable")
    assert [_plain(message, capture.channel) for message in received.messages] == capture.expect.get("messages", [])
    assert [_plain(receipt, capture.channel) for receipt in received.receipts] == capture.expect.get("receipts", [])


@pytest.mark.parametrize(("said", "messages"), DISPATCHES)
def test_what_discord_says_over_its_gateway_means_what_is_written_beside_it(
    said: list[bytes], messages: list[dict[str, Any]]
) -> None:
    hearing, found = Hearing({}, OUR_BOT), []
    for each in said:
        body = _offered(hearing, each)
        if body is not None:
            webhook = Webhook("POST", "", {}, body, RECEIVED_AT)
            received = heard(CHANNELS["discord"], webhook, account=account("discord"))
            assert received.verdict.value == "read"
            found += [_plain(message, "discord") for message in received.messages]
    assert found == messages


@pytest.mark.parametrize(("channel", "golden"), DELIVERIES)
def test_a_delivery_calls_the_provider_and_understands_its_answer(channel: str, golden: Mapping[str, Any]) -> None:
    outgoing = Outgoing(**golden["outgoing"])
    calls, outcome = _run(CHANNELS[channel].deliver(outgoing, account(channel).credentials), golden.get("exchange", []))

    assert outcome == golden["outcome"]
    assert [_seen(call) for call in calls] == [_expected(each["call"]) for each in golden.get("exchange", [])]


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_has_captured_bodies_and_a_delivery(name: str) -> None:
    fewest = {"sms": 5, "webchat": 5, "api": 1}
    assert len(captures(name)) >= fewest.get(name, 8)
    assert deliveries(name)


def _run(flow: Flow, exchanges: Sequence[Mapping[str, Any]]) -> tuple[list[Call], dict[str, object]]:
    """The calls that it made, and what it said in the end."""
    calls: list[Call] = []
    try:
        call = next(flow)
        for exchange in exchanges:
            calls.append(call)
            lost = exchange["answer"].get("lost")
            call = flow.throw(Unknown(provider_code=lost)) if lost else flow.send(_answer(exchange["answer"]))
    except StopIteration as stopped:
        sent: Sent = stopped.value
        return calls, {"sent": sent.provider_message_id}
    except DeliveryError as failure:
        return calls, _failed(failure)
    raise AssertionError(f"an unexpected call: {call}")


def _offered(hearing: Hearing, said: bytes) -> bytes | None:
    """What of it is said to the bot; nothing has to be asked for that."""
    try:
        next(hearing.heard(orjson.loads(said), lambda _method, _path: pytest.fail("nothing has to be asked")))
    except StopIteration as stopped:
        body: bytes | None = stopped.value
        return body
    raise AssertionError("nothing has to be asked")


def _plain(message: ChannelMessage | Receipt, channel: str) -> dict[str, Any]:
    """As JSON, without what the host fills for every message alike, which is checked here."""
    plain = MessageToDict(message, preserving_proto_field_name=True)
    if isinstance(message, ChannelMessage):
        assert plain.pop("channel") == channel
        assert plain.pop("account_id") == "golden-account"
        assert plain.pop("received_at") == "2026-11-21T06:00:00Z"
    return plain


def _answer(stated: Mapping[str, Any]) -> Answer:
    return Answer(status=stated["status"], headers=stated["headers"], body=stated["body"].encode())


def _failed(failure: DeliveryError) -> dict[str, object]:
    seen: dict[str, object] = {"error": type(failure).__name__, "provider_code": failure.provider_code}
    if isinstance(failure, Rejected):
        seen["kind"] = failure.kind
    if isinstance(failure, Throttled) and failure.retry_after is not None:
        seen["retry_after_seconds"] = failure.retry_after.total_seconds()
    return seen


def _seen(call: Call) -> dict[str, Any]:
    headers = dict(call.headers)
    headers.pop("accept", None)
    seen: dict[str, Any] = {"method": call.method, "url": call.url, "headers": headers}
    if not call.body:
        return seen
    if headers.get("content-type", "").startswith("application/json"):
        return seen | {"json": orjson.loads(call.body)}
    return seen | {"form": dict(parse_qsl(call.body.decode(), strict_parsing=True, keep_blank_values=True))}


def _expected(stated: Mapping[str, Any]) -> dict[str, Any]:
    return dict(stated)
