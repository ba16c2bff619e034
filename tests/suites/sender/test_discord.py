"""Does the real sender, over HTTP to Discord, answer interactions and channels once, whatever is lost?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from tests.simulated.discord import BOT_TOKEN, Discord
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.sender.outbox import Kept, MemoryOutbox
from tests.waiting import until

CHANNEL = "440000000000000001"
TOKEN = "interaction-token-of-a-test"


@dataclass
class Bench:
    """What the sender reads from, and what it writes to."""

    outbox: MemoryOutbox
    discord: Discord

    def reply(self, text: str) -> Kept:
        """Queues the reply to a command."""
        kept = self.outbox.queue(text, CHANNEL)
        kept.leased.reply_to_provider_message_id = "interaction:1"
        kept.leased.reply_metadata.update({"reply": "edit", "application_id": "1", "interaction_token": TOKEN})
        return kept


@asynccontextmanager
async def _bench(folder: Path, mode: str = "ok") -> AsyncIterator[Bench]:
    discord = Discord(mode=mode)
    await discord.start()
    account = ChannelAccount(id="a1", tenant_id="t1", channel="discord", account_key="key1", address="discord")
    outbox = MemoryOutbox(AccountSecrets(account=account, credentials={"bot_token": BOT_TOKEN}))
    settings = Settings(
        data_dir=folder,
        mesh_token=SecretStr("mesh-token-of-the-tests-only"),
        mesh_drain_delay_seconds=0.0,
        sender_address=f"127.0.0.1:{free_port()}",
        storage_address=f"127.0.0.1:{free_port()}",
        discord_api_base_url=discord.server.base_url,
    )
    storage = Server("storage", settings.storage_address, settings=settings)
    storage.add(add_OutboxServiceServicer_to_server, outbox, service="parley.storage.v1.OutboxService")
    await storage.start()
    lifetime = Lifetime()
    serving = asyncio.create_task(serve(settings, lifetime))
    await lifetime.wait_ready(["sender"])
    try:
        yield Bench(outbox, discord)
    finally:
        lifetime.stop()
        await asyncio.wait_for(serving, SHORT_PATIENCE_SECONDS)
        await storage.drain(0)
        await discord.stop()


_until = partial(until, within_seconds=SHORT_PATIENCE_SECONDS)


async def test_a_reply_takes_the_place_of_thinking_and_its_next_part_follows(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(400))
    async with _bench(tmp_path) as bench:
        kept = bench.reply(text)
        await _until(lambda: kept.outcomes == ["BEGUN", "SENT", "SENT"])
    first, second = bench.discord.sends.texts(TOKEN)
    assert f"{first} {second}" == text
    assert bench.discord.originals[TOKEN]["content"] == first
    original = f"/webhooks/1/{TOKEN}/messages/@original"
    assert bench.discord.asked == [f"GET {original}", f"PATCH {original}", f"POST /webhooks/1/{TOKEN}"]


async def test_a_second_reply_to_the_same_command_does_not_overwrite_the_first(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        first = bench.reply("One moment, please.")
        await _until(lambda: first.state == chat.DELIVERY_STATE_SENT)
        second = bench.reply("It is 42.")
        await _until(lambda: second.state == chat.DELIVERY_STATE_SENT)
    assert bench.discord.originals[TOKEN]["content"] == "One moment, please."
    assert bench.discord.sends.texts(TOKEN) == ["One moment, please.", "It is 42."]


async def test_after_the_interaction_has_ended_the_reply_goes_into_the_channel(tmp_path: Path) -> None:
    async with _bench(tmp_path, "ended") as bench:
        kept = bench.reply("Late, but here.")
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
    assert bench.discord.sends.texts(CHANNEL) == ["Late, but here."]
    assert kept.records[-1].provider_message_id == bench.discord.sends.all[0].id


@pytest.mark.parametrize("is_reply", [True, False])
async def test_a_send_whose_answer_was_lost_is_made_once_and_known(tmp_path: Path, is_reply: bool) -> None:
    async with _bench(tmp_path, "lost") as bench:
        kept = bench.reply("hello") if is_reply else bench.outbox.queue("hello", CHANNEL)
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
    assert [send.text for send in bench.discord.sends.all] == ["hello"]
    assert kept.outcomes == ["BEGUN", "SENT"]


async def test_a_throttled_message_waits_for_as_long_as_discord_asks(tmp_path: Path) -> None:
    async with _bench(tmp_path, "throttled:0.5") as bench:
        began = asyncio.get_running_loop().time()  # before it asks for that, however late this test sees it
        kept = bench.outbox.queue("hello", CHANNEL)
        await _until(lambda: kept.outcomes == ["BEGUN", "RETRY"])
        bench.discord.mode = "ok"
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
        assert asyncio.get_running_loop().time() - began >= 0.5


@pytest.mark.parametrize(
    ("mode", "token", "end"),
    [("forbidden", BOT_TOKEN, "REJECTED"), ("gone", BOT_TOKEN, "REJECTED"), ("ok", "another-token", "UNAUTHORIZED")],
)
async def test_what_discord_refuses_is_not_repeated(tmp_path: Path, mode: str, token: str, end: str) -> None:
    async with _bench(tmp_path, mode) as bench:
        bench.outbox.account.credentials["bot_token"] = token
        kept = bench.outbox.queue("hello", CHANNEL)
        await _until(lambda: len(kept.records) == 2)
    assert kept.outcomes == ["BEGUN", end]
    assert bench.discord.requests == 1
