"""What is known of a send whose receipts come in any order, again and again, also before the send itself returned?"""

import itertools
from dataclasses import replace
from urllib.parse import urlencode

import orjson
import pytest

from channels.channel import Webhook
from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import delivery_requests_pb2 as requests
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceStub
from tests.stalls import PATIENCE_SECONDS
from tests.suites.channels.golden import Capture, captures
from tests.suites.played.distinct import distinct
from tests.suites.played.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATES = ("sent", "delivered", "read")
# Every order of the three, also with the last one repeated in front and the first one once more behind.
ORDERS: list[tuple[str, ...]] = list(itertools.permutations(STATES))
ORDERS += [(order[-1], *order, order[0]) for order in ORDERS]
CHANNELS = ("whatsapp", "sms", "whatsapp_cloud")
WORKER, DEADLINE = "played", PATIENCE_SECONDS


@pytest.mark.parametrize("channel", CHANNELS)
async def test_receipts_before_the_send_returned_in_every_order_end_where_they_all_say(
    house: House, channel: str
) -> None:
    sends = [await _begun(house, channel, number) for number in range(len(ORDERS))]
    for send, order in zip(sends, ORDERS, strict=True):
        for state in order:
            assert await house.post(_receipt(house, channel, send, state=state)) == 200
    for send in sends:
        await _record(house, send, requests.ATTEMPT_OUTCOME_SENT)
    assert await _states(house, sends) == [chat.DELIVERY_STATE_READ] * len(sends)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_receipts_of_a_send_that_returned_in_every_order_and_all_at_once_end_where_they_all_say(
    house: House, channel: str
) -> None:
    sends = [await _begun(house, channel, number) for number in range(len(ORDERS))]
    for send in sends:
        await _record(house, send, requests.ATTEMPT_OUTCOME_SENT)
    webhooks = [
        _receipt(house, channel, send, state=state)
        for send, order in zip(sends, ORDERS, strict=True)
        for state in order
    ]
    assert set(await house.post_all(webhooks)) == {200}
    assert await _states(house, sends) == [chat.DELIVERY_STATE_READ] * len(sends)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_failure_that_is_reported_in_any_order_and_twice_is_a_failure(house: House, channel: str) -> None:
    orders = list(itertools.permutations(("sent", "failed", "failed")))
    sends = [await _begun(house, channel, number) for number in range(len(orders))]
    for before, send, order in zip(itertools.cycle((True, False)), sends, orders, strict=False):
        if before:
            await _record(house, send, requests.ATTEMPT_OUTCOME_SENT)
        for state in order:
            assert await house.post(_receipt(house, channel, send, state=state)) == 200
        if not before:
            await _record(house, send, requests.ATTEMPT_OUTCOME_SENT)
    assert await _states(house, sends) == [chat.DELIVERY_STATE_FAILED] * len(sends)


async def test_a_receipt_of_what_we_never_sent_is_thanked_and_changes_nothing(house: House) -> None:
    stranger = requests.AttemptRecord(delivery_id=new_id(), provider_message_id="SM" + "f" * 32)
    for channel in CHANNELS:
        before = await house.stored(channel)
        for state in (*STATES, "failed", "a state of tomorrow"):
            assert await house.post(_receipt(house, channel, stranger, state=state)) == 200
        assert await house.stored(channel) == before


async def _begun(house: House, channel: str, number: int) -> requests.AttemptRecord:
    """An operator's words to a person of their own, whose attempt has begun and not ended."""
    text = _text(channel)
    copied = distinct(text, 100 + number).capture
    who = f"1415{number:03d}{len(await house.stored(channel)):04d}"
    body = copied.webhook.body.replace(b"14155551234", who.encode())
    body = body.replace(b"wamid.GOLDEN0001", f"wamid.{new_id()}".encode())
    before = set(await house.stored(channel))
    assert await house.post(house.webhook(copied, body)) == 200
    ((chat_id, _),) = set(await house.stored(channel)) - before
    conversation = await house.conversation(channel, chat_id)
    queued = await OutboxServiceStub(house.mesh).QueueMessage(
        outbox.QueueMessageRequest(
            tenant_id="default", request_id=new_id(), conversation_id=conversation, text=f"hello {number}"
        ),
        timeout=DEADLINE,
    )
    lease = requests.LeaseDeliveriesRequest(worker_id=WORKER, max_deliveries=1)
    lease.wait.seconds, lease.lease.seconds = 20, 600
    (leased,) = (await OutboxServiceStub(house.mesh).LeaseDeliveries(lease, timeout=DEADLINE)).deliveries
    assert leased.delivery_id == queued.delivery_id
    attempt = requests.AttemptRecord(
        tenant_id="default",
        delivery_id=leased.delivery_id,
        epoch=leased.epoch,
        parts=1,
        provider_message_id=_provider_id(channel),
    )
    await _record(house, attempt, requests.ATTEMPT_OUTCOME_BEGUN)
    return attempt


async def _record(house: House, attempt: requests.AttemptRecord, outcome: requests.AttemptOutcome) -> None:
    record = requests.AttemptRecord.FromString(attempt.SerializeToString())
    record.outcome = outcome
    if outcome == requests.ATTEMPT_OUTCOME_BEGUN:
        record.provider_message_id = ""
    asked = requests.RecordAttemptsRequest(worker_id=WORKER, attempts=[record])
    (result,) = (await OutboxServiceStub(house.mesh).RecordAttempts(asked, timeout=DEADLINE)).results
    assert not result.HasField("error"), result.error


async def _states(house: House, sends: list[requests.AttemptRecord]) -> list[chat.DeliveryState]:
    listed = await OutboxServiceStub(house.mesh).ListDeliveries(
        outbox.ListDeliveriesRequest(tenant_id="default", page_size=500), timeout=DEADLINE
    )
    found = {each.id: each.state for each in listed.deliveries}
    return [found[each.delivery_id] for each in sends]


def _text(channel: str) -> Capture:
    return next(each for each in captures(channel) if each.name == "text")


def _provider_id(channel: str) -> str:
    return f"wamid.{new_id()}" if channel == "whatsapp_cloud" else "SM" + new_id().replace("-", "")


def _receipt(house: House, channel: str, send: requests.AttemptRecord, *, state: str) -> Webhook:
    """As the provider would post it: Twilio with our id in the callback's URL, WhatsApp with it in the body."""
    if channel == "whatsapp_cloud":
        return _status_of_whatsapp(house, send, state)
    (capture,) = [each for each in captures(channel) if each.name == "status_delivered"]
    mine = house.accounts[channel].address
    fields = {
        "MessageSid": send.provider_message_id,
        "MessageStatus": state,
        "From": f"whatsapp:{mine}" if channel == "whatsapp" else mine,
        "To": "+14155551234",
        **({"ErrorCode": "30008"} if state == "failed" else {}),
    }
    url = f"{capture.webhook.url.partition('?')[0]}?mid={send.delivery_id}.0"
    moved = replace(capture, webhook=replace(capture.webhook, url=url))
    return house.webhook(moved, urlencode(fields).encode())


def _status_of_whatsapp(house: House, send: requests.AttemptRecord, state: str) -> Webhook:
    (capture,) = [each for each in captures("whatsapp_cloud") if each.name == "status_delivered"]
    body = orjson.loads(capture.webhook.body)
    (status,) = body["entry"][0]["changes"][0]["value"]["statuses"]
    status |= {"id": send.provider_message_id, "status": state, "biz_opaque_callback_data": f"{send.delivery_id}.0"}
    if state == "failed":
        status["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
    return house.webhook(capture, orjson.dumps(body))
