"""Does the real sender send by WhatsApp Cloud and by Instagram, over HTTP to a Graph API, once and in order?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from kit.lifetime import Lifetime
from kit.serving import Server
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.directory_pb2 import AccountSecrets, ChannelAccount
from parley.storage.v1.outbox_service_pb2_grpc import add_OutboxServiceServicer_to_server
from sender_service.__main__ import serve
from sender_service.settings import Settings
from tests.simulated.meta import ACCESS_TOKEN, APP_SECRET, LONGEST_INSTAGRAM, Meta
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.sender.outbox import Kept, MemoryOutbox
from tests.waiting import until

ADDRESSES = {"whatsapp_cloud": "555000111222333", "instagram": "17841400000000001"}
PEOPLE = {"whatsapp_cloud": "14155551234", "instagram": "6543210987654321"}
BOTH = sorted(ADDRESSES)
TEMPLATED = {"outside_window": "template", "template": "parcel_update", "template_variable": "1"}


@dataclass
class Bench:
    """A sender, what it reads from and what it calls."""

    outbox: MemoryOutbox
    meta: Meta
    person: str

    def queue(self, text: str, *, silent: timedelta = timedelta()) -> Kept:
        return self.outbox.queue(text, self.person, silent=silent)


@asynccontextmanager
async def _bench(folder: Path, channel: str, mode: str = "ok") -> AsyncIterator[Bench]:
    meta = Meta(mode=mode)
    await meta.start()
    account = ChannelAccount(id="a1", tenant_id="t1", channel=channel, account_key="k1", address=ADDRESSES[channel])
    secrets = {"app_secret": APP_SECRET, "verify_token": "v", "access_token": ACCESS_TOKEN}
    outbox = MemoryOutbox(AccountSecrets(account=account, credentials=secrets))
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "mesh_token": SecretStr("mesh-token-of-the-tests-only"),
            "mesh_drain_delay_seconds": 0.0,
            "sender_address": f"127.0.0.1:{free_port()}",
            "storage_address": f"127.0.0.1:{free_port()}",
            "whatsapp_api_base_url": meta.server.base_url,
            "instagram_api_base_url": meta.server.base_url,
            "sender_drain_seconds": 2.0,
        }
    )
    storage = Server("storage", settings.storage_address, settings=settings)
    storage.add(add_OutboxServiceServicer_to_server, outbox, service="parley.storage.v1.OutboxService")
    await storage.start()
    lifetime = Lifetime()
    serving = asyncio.create_task(serve(settings, lifetime))
    await lifetime.wait_ready(["sender"])
    try:
        yield Bench(outbox, meta, PEOPLE[channel])
    finally:
        lifetime.stop()
        await asyncio.wait_for(serving, SHORT_PATIENCE_SECONDS)
        await storage.drain(0)
        await meta.stop()


_until = partial(until, within_seconds=SHORT_PATIENCE_SECONDS)


@pytest.mark.parametrize("channel", BOTH)
async def test_what_is_queued_reaches_the_person_and_is_recorded(tmp_path: Path, channel: str) -> None:
    async with _bench(tmp_path, channel) as bench:
        kept = bench.queue("hello 👋")
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
    (send,) = bench.meta.sends.all
    assert (send.to, send.sender, send.text) == (PEOPLE[channel], ADDRESSES[channel], "hello 👋")
    assert kept.records[-1].provider_message_id == send.id
    assert send.callback == ("d0.0" if channel == "whatsapp_cloud" else "")


async def test_instagrams_parts_are_cut_by_bytes_and_arrive_in_order(tmp_path: Path) -> None:
    text = " ".join("你好👋" * 3 for _ in range(60))
    async with _bench(tmp_path, "instagram") as bench:
        kept = bench.queue(text)
        await _until(
            lambda: kept.state == chat.DELIVERY_STATE_SENT and kept.records[-1].part + 1 == kept.records[-1].parts
        )
    texts = bench.meta.sends.texts(PEOPLE["instagram"])
    assert " ".join(texts) == text
    assert max(len(each.encode()) for each in texts) <= LONGEST_INSTAGRAM < len(text.encode())
    assert bench.meta.refused == 0


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        ("lost", "UNKNOWN"),
        ("down", "UNKNOWN"),
        ("gone", "REJECTED"),
        ("expired", "UNAUTHORIZED"),
        ("locked", "UNAUTHORIZED"),
        ("throttled", "RETRY"),
        ("pair", "RETRY"),
    ],
)
@pytest.mark.parametrize("channel", BOTH)
async def test_what_went_wrong_is_recorded_after_one_call(tmp_path: Path, channel: str, mode: str, end: str) -> None:
    async with _bench(tmp_path, channel, mode) as bench:
        kept = bench.queue("hello")
        await _until(lambda: len(kept.records) == 2)
    assert kept.outcomes == ["BEGUN", end]
    assert bench.meta.requests == 1
    assert kept.records[-1].reason == {"gone": "recipient"}.get(mode, kept.records[-1].reason)
    if end == "RETRY":  # a limit of minutes is not tried again within seconds
        assert kept.records[-1].retry_after.seconds >= 5


@pytest.mark.parametrize("channel", BOTH)
async def test_a_refusal_for_the_window_is_a_humans_without_a_second_call(tmp_path: Path, channel: str) -> None:
    async with _bench(tmp_path, channel, "window") as bench:
        kept = bench.queue("hello")
        await _until(lambda: kept.state == chat.DELIVERY_STATE_FAILED)
    assert (kept.outcomes, bench.meta.requests) == (["BEGUN", "RETRY", "REJECTED"], 1)
    assert kept.records[-1].hand_off.summary.endswith("hello")


@pytest.mark.parametrize("why", ["refused on the spot", "a day of silence"])
async def test_whatsapps_template_says_it_where_free_text_may_not(tmp_path: Path, why: str) -> None:
    refused = why == "refused on the spot"
    async with _bench(tmp_path, "whatsapp_cloud", "window" if refused else "ok") as bench:
        bench.outbox.account.account.options.update(TEMPLATED)
        kept = bench.queue("your parcel\nis here", silent=timedelta() if refused else timedelta(hours=24, seconds=1))
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
    (send,) = bench.meta.sends.all
    assert (send.template, send.text) == ("parcel_update/en_US", "your parcel is here")


async def test_instagram_has_no_templates_whatever_its_account_says(tmp_path: Path) -> None:
    async with _bench(tmp_path, "instagram") as bench:
        bench.outbox.account.account.options.update(TEMPLATED)
        kept = bench.queue("hello", silent=timedelta(hours=24, seconds=1))
        await _until(lambda: kept.state == chat.DELIVERY_STATE_FAILED)
    assert (kept.outcomes, kept.records[0].HasField("hand_off"), bench.meta.requests) == (["REJECTED"], True, 0)
