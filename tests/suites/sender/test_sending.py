"""Does the real sender, over gRPC to an outbox and over HTTP to Twilio, send what is queued, once?"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc
import pytest
from pydantic import SecretStr

from kit.calling import Mesh
from kit.errors import InvalidField, StorageUnavailable
from kit.lifetime import Lifetime
from kit.moments import seconds
from kit.serving import Server
from parley.chat.v1 import message_pb2 as chat
from parley.sender.v1 import sender_service_pb2 as sender
from parley.sender.v1.sender_service_pb2_grpc import SenderServiceStub
from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_WINDOW_CLOSED
from parley.storage.v1.delivery_requests_pb2 import ATTEMPT_OUTCOME_SENT, AttemptRecord
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceStub, add_OutboxServiceServicer_to_server
from sender_service.__main__ import serve
from sender_service.backends.outbox import Outbox
from sender_service.settings import Settings
from tests.mesh.weather import Weather, of_twilio
from tests.simulated.twilio import ACCOUNT_SID, AUTH_TOKEN, Twilio
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.sender.outbox import MemoryOutbox, whatsapp_account
from tests.waiting import until

TOKEN = "mesh-token-of-the-tests-only"
TEMPLATED = {"outside_window": "template", "template": "HX" + "0" * 32, "template_variable": "1"}


@dataclass
class Bench:
    """The sender, what it reads from and what it writes to."""

    outbox: MemoryOutbox
    twilio: Twilio
    lifetime: Lifetime
    sender_address: str
    storage_address: str
    serving: "asyncio.Task[None]"


@asynccontextmanager
async def _bench(
    folder: Path, mode: str = "ok", *, options: Mapping[str, str] = {}, **settings: object
) -> AsyncIterator[Bench]:
    twilio = Twilio(mode=mode)
    await twilio.start()
    outbox = MemoryOutbox(whatsapp_account(ACCOUNT_SID, AUTH_TOKEN))
    outbox.account.account.options.update(options)
    given: dict[str, object] = {
        "data_dir": folder,
        "mesh_token": SecretStr(TOKEN),
        "mesh_drain_delay_seconds": 0.0,
        "sender_address": f"127.0.0.1:{free_port()}",
        "storage_address": f"127.0.0.1:{free_port()}",
        "twilio_api_base_url": twilio.server.base_url,
        "sender_drain_seconds": 2.0,
    }
    loaded = Settings.model_validate(given | settings)
    storage = Server("storage", loaded.storage_address, settings=loaded)
    storage.add(add_OutboxServiceServicer_to_server, outbox, service="parley.storage.v1.OutboxService")
    await storage.start()
    lifetime = Lifetime()
    serving = asyncio.create_task(serve(loaded, lifetime))
    await lifetime.wait_ready(["sender"])
    try:
        yield Bench(outbox, twilio, lifetime, loaded.sender_address, loaded.storage_address, serving)
    finally:
        lifetime.stop()
        await asyncio.wait_for(serving, SHORT_PATIENCE_SECONDS)
        await storage.drain(0)
        await twilio.stop()


_until = partial(until, within_seconds=SHORT_PATIENCE_SECONDS)


def _all_sent(outbox: MemoryOutbox) -> bool:
    return all(kept.state == chat.DELIVERY_STATE_SENT for kept in outbox.kept.values())


async def test_what_is_queued_reaches_twilio_and_is_recorded(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        kept = bench.outbox.queue("hello", "whatsapp:+15550002222")
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
    send = bench.twilio.sends.all[0]
    assert (send.to, send.sender, send.text) == ("whatsapp:+15550002222", "whatsapp:+14155238886", "hello")
    assert kept.outcomes == ["BEGUN", "SENT"]
    assert kept.records[-1].provider_message_id == send.id


async def test_a_long_text_is_sent_in_parts_in_order_at_one_record_a_part(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(700))
    async with _bench(tmp_path) as bench:
        kept = bench.outbox.queue(text)
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT and len(kept.records) > 2)
        await _until(lambda: kept.records[-1].part + 1 == kept.records[-1].parts)
    texts = [send.text for send in bench.twilio.sends.all]
    assert " ".join(texts) == text
    assert len(texts) > 2
    assert len(kept.records) == len(texts) + 1


async def test_a_throttled_part_is_tried_again_and_not_before_it_was_asked_for(tmp_path: Path) -> None:
    async with _bench(tmp_path, "throttled:1") as bench:
        with Weather(bench.twilio, of_twilio, lambda _: "ok" if kept.records[1:] else "throttled:1").over() as seen:
            kept = bench.outbox.queue("hello")
            await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
        refused, taken = seen.arrivals
        assert taken.at - refused.at >= 1
    assert kept.outcomes == ["BEGUN", "RETRY", "BEGUN", "SENT"]
    assert kept.leased.epoch == 2


@pytest.mark.parametrize(("mode", "end"), [("lost", "UNKNOWN"), ("21610", "REJECTED"), ("20003", "UNAUTHORIZED")])
async def test_what_must_not_be_repeated_is_not(tmp_path: Path, mode: str, end: str) -> None:
    async with _bench(tmp_path, mode) as bench:
        kept = bench.outbox.queue("hello")
        await _until(lambda: len(kept.records) == 2)
    assert kept.outcomes == ["BEGUN", end]
    assert [each.opted_out for each in kept.records] == [False, mode == "21610"]
    assert bench.twilio.requests == 1


@pytest.mark.parametrize(
    ("silent", "outcomes"),
    [
        (timedelta(hours=23, minutes=59), ["BEGUN", "SENT"]),
        (timedelta(hours=24, seconds=1), ["REJECTED"]),
    ],
)
async def test_free_text_goes_out_within_a_day_and_after_it_a_human_is_asked_for(
    tmp_path: Path, silent: timedelta, outcomes: list[str]
) -> None:
    async with _bench(tmp_path) as bench:
        kept = bench.outbox.queue("your parcel is here", silent=silent)
        await _until(lambda: kept.outcomes == outcomes)
    assert len(bench.twilio.sends.all) == outcomes.count("SENT")
    asked_for = kept.records[-1].hand_off
    assert (asked_for.reason == HAND_OFF_REASON_WINDOW_CLOSED) is (outcomes == ["REJECTED"])


async def test_after_a_day_the_accounts_template_says_it_as_twilio_wants_it(tmp_path: Path) -> None:
    async with _bench(tmp_path, options=TEMPLATED) as bench:
        kept = bench.outbox.queue("your parcel\nis here", silent=timedelta(hours=25))
        await _until(lambda: kept.outcomes == ["BEGUN", "SENT"])
    (send,) = bench.twilio.sends.all
    assert (send.template, send.text) == (TEMPLATED["template"], "your parcel is here")


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [({}, ["BEGUN", "RETRY", "REJECTED"]), (TEMPLATED, ["BEGUN", "RETRY", "BEGUN", "SENT"])],
    ids=["human", "template"],
)
async def test_a_refusal_for_the_window_is_decided_anew_at_once(
    tmp_path: Path, options: dict[str, str], outcomes: list[str]
) -> None:
    async with _bench(tmp_path, "63016", options=options) as bench:
        kept = bench.outbox.queue("your parcel is here", silent=timedelta(hours=1))
        await _until(lambda: kept.outcomes == outcomes)
    assert kept.records[1].window_closed
    assert bench.twilio.requests == outcomes.count("BEGUN")


async def test_no_call_is_made_with_a_stale_lease(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        bench.outbox.steal = True
        bench.outbox.queue("hello")
        await _until(lambda: bench.outbox.record_calls)
        await asyncio.sleep(0.05)
    assert bench.twilio.requests == 0


async def test_an_outcome_is_recorded_when_storage_comes_back(tmp_path: Path) -> None:
    async with _bench(tmp_path, "slow:0.2") as bench:
        kept = bench.outbox.queue("hello")
        await _until(lambda: bench.twilio.requests)
        bench.outbox.away = StorageUnavailable()
        await asyncio.sleep(0.6)
        bench.outbox.away = None
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
    assert bench.twilio.requests == 1


async def test_a_stop_lets_the_calls_under_way_end_and_gives_the_rest_back(tmp_path: Path) -> None:
    async with _bench(tmp_path, "slow:0.6", sender_concurrency=2) as bench:
        kept = [bench.outbox.queue(f"text {number}") for number in range(4)]
        await _until(lambda: bench.twilio.requests == 2)
        bench.lifetime.stop()
        await asyncio.wait_for(asyncio.shield(bench.serving), SHORT_PATIENCE_SECONDS)
    assert [each.outcomes for each in kept[:2]] == [["BEGUN", "SENT"]] * 2
    assert all(each.outcomes in ([], ["RELEASED"]) for each in kept[2:])
    assert bench.twilio.requests == 2


async def test_many_deliveries_share_their_records(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        for number in range(300):
            bench.outbox.queue(f"text {number}", f"whatsapp:+1555000{number:04}")
        await _until(lambda: _all_sent(bench.outbox), within_seconds=30)
    assert sorted(send.text for send in bench.twilio.sends.all) == sorted(f"text {number}" for number in range(300))
    assert bench.outbox.record_calls < 300


async def test_what_storage_cannot_keep_of_one_answer_is_not_held_against_the_others(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        kept = [bench.outbox.queue(f"text {number}") for number in range(4)]
        await _until(lambda: _all_sent(bench.outbox))
        mesh = Mesh(Settings(data_dir=tmp_path, mesh_token=SecretStr(TOKEN), storage_address=bench.storage_address))
        await mesh.open()
        stub = OutboxServiceStub(mesh.channel("storage"))
        outbox = Outbox(stub, "w", lease_seconds=30, wait_seconds=1, random=lambda: 0.0)
        records = [
            AttemptRecord(
                tenant_id="t1",
                delivery_id=each.leased.delivery_id,
                epoch=1,
                parts=1,
                outcome=ATTEMPT_OUTCOME_SENT,
                provider_code=code,
            )
            for each, code in zip(kept, ["", "", "n\0t", ""], strict=True)
        ]
        recorded = await asyncio.gather(*(outbox.record(each, 20) for each in records), return_exceptions=True)
        await outbox.close()
        await mesh.close()
    assert [isinstance(each, InvalidField) for each in recorded] == [False, False, True, False]


async def test_send_queues_a_message_in_the_name_of_an_operator(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench, grpc.aio.insecure_channel(bench.sender_address) as channel:
        request = sender.SendRequest(tenant_id="t1", request_id="r1", conversation_id="c1", text="hello", owner_epoch=7)
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        answer = await SenderServiceStub(channel).Send(request, timeout=SHORT_PATIENCE_SECONDS, metadata=metadata)
    assert (answer.message_id, answer.delivery_id) == ("m1", "d1")
    queued = bench.outbox.queued[0]
    assert (queued.tenant_id, queued.request_id, queued.conversation_id, queued.text) == ("t1", "r1", "c1", "hello")
    assert queued.owner_epoch == 7


async def test_channels_are_listed_with_what_they_can_do(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench, grpc.aio.insecure_channel(bench.sender_address) as channel:
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        request = sender.ListChannelsRequest()
        answer = await SenderServiceStub(channel).ListChannels(
            request, timeout=SHORT_PATIENCE_SECONDS, metadata=metadata
        )
    listed = {each.name: each for each in answer.channels}
    assert [*listed] == sorted(listed)
    assert (listed["whatsapp"].max_text, listed["whatsapp"].receipts) == (1600, True)
    assert (seconds(listed["whatsapp"].window), listed["whatsapp"].templates) == (86_400, True)
    assert not listed["sms"].HasField("window")
    assert (listed["sms"].max_text, listed["sms"].max_segments, listed["whatsapp"].max_segments) == (1600, 10, 0)
    assert (listed["telegram"].max_text_unit, listed["telegram"].receipts) == ("utf16", False)
