"""A real gateway on a free port, the real storage behind it on a database of its own, an account of every channel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from grpc.aio import Channel
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

import gateway.__main__
import gateway.settings
import storage_service.__main__
import storage_service.settings
from channels.channel import Webhook
from gateway import listening
from kit.calling import Mesh
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.moments import utc_now
from parley.storage.v1 import directory_pb2, directory_service_pb2
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub
from storage_service.backends.engines import open_engine
from storage_service.backends.tables import Message, RawPayload
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS
from tests.suites.channels.golden import Capture, account
from tests.suites.played.signing import in_session, signed

PROVIDERS = ("discord", "instagram", "line", "slack", "sms", "telegram", "whatsapp", "whatsapp_cloud")
PLAYED = (*PROVIDERS, "webchat")
MOST_AT_ONCE = 16

Place = tuple[str, str, str]  # account, chat, the provider's id


@dataclass
class House:
    """What is played at, and what became of it."""

    base_url: str
    client: httpx.AsyncClient
    engine: AsyncEngine
    mesh: Channel
    accounts: dict[str, directory_pb2.ChannelAccount] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    def webhook(self, capture: Capture, body: bytes | None = None) -> Webhook:
        """The captured body, or another in its place, signed for this gateway and for now."""
        name, account_ = capture.channel, self.accounts[capture.channel]
        path = f"/webhook/{name}/{account_.account_key}{'/status' if capture.webhook.kind == 'status' else ''}"
        query = urlsplit(capture.webhook.url).query
        url = f"{self.base_url}{path}{'?' * bool(query)}{query}"
        given = capture.webhook.body if body is None else body
        moved = replace(capture.webhook, url=url, body=given, received_at=utc_now())
        if name == "webchat":
            return in_session(moved, account_id=account_.id, chat_id=chat_of(capture))
        return signed(name, moved)

    async def post(self, webhook: Webhook) -> int:
        """The status that the provider hears."""
        async with self._gate:
            answer = await self.client.post(webhook.url, content=webhook.body, headers=dict(webhook.headers))
        return answer.status_code

    async def post_all(self, webhooks: list[Webhook]) -> list[int]:
        """Many at once."""
        return list(await asyncio.gather(*(self.post(each) for each in webhooks)))

    async def stored(self, channel: str) -> dict[tuple[str, str], str]:
        """The texts that its account was given, by chat and provider's id; one that stands twice fails."""
        found: dict[tuple[str, str], str] = {}
        async with self.engine.connect() as connection:
            wanted = col(Message.account_id) == self.accounts[channel].id
            rows = await connection.execute(
                select(Message.chat_id, Message.provider_message_id, Message.text).where(wanted)
            )
            for chat_id, provider_message_id, text in rows:
                place = (chat_id, provider_message_id or "")
                assert place not in found, f"twice: {place}"
                found[place] = text
        return found

    async def conversation(self, channel: str, chat_id: str) -> str:
        """Our id of a conversation that began."""
        async with self.engine.connect() as connection:
            wanted = (col(Message.account_id) == self.accounts[channel].id, col(Message.chat_id) == chat_id)
            return str((await connection.execute(select(Message.conversation_id).where(*wanted))).scalars().first())

    async def kept_raw(self, channel: str) -> list[bytes]:
        """The bodies that were kept as they came."""
        async with self.engine.connect() as connection:
            wanted = col(RawPayload.account_id) == self.accounts[channel].id
            return [bytes(payload) for (payload,) in await connection.execute(select(RawPayload.payload).where(wanted))]


def chat_of(capture: Capture) -> str:
    """The chat that a session of the web chat was for."""
    return str(next((each["chat_id"] for each in capture.expect.get("messages", [])), "nobody"))


@asynccontextmanager
async def standing(folder: Path, database_url: str) -> AsyncIterator[House]:
    """Starts both, makes the accounts, and stops both."""
    address = f"127.0.0.1:{free_port()}"
    shared: dict[str, Any] = {"data_dir": folder, "storage_address": address, "mesh_token": new_id()}
    shared["mesh_drain_delay_seconds"] = 0
    storing, receiving = Lifetime(), Lifetime()
    storage = storage_service.settings.Settings(**shared, database_url=database_url)
    settings = gateway.settings.Settings(**shared, http_drain_seconds=2, chat_messages_per_minute=100_000)
    socket = listening.bind("127.0.0.1", 0)
    tasks = [asyncio.create_task(storage_service.__main__.serve(storage, storing))]
    await asyncio.wait_for(storing.wait_ready(["storage"]), PATIENCE_SECONDS)
    tasks.append(asyncio.create_task(gateway.__main__.serve(settings, receiving, listening=socket)))
    await asyncio.wait_for(receiving.wait_ready(["gateway"]), PATIENCE_SECONDS)
    base_url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    engine = open_engine(database_url)
    mesh = Mesh(settings)
    await mesh.open()
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        house = House(base_url, client, engine, mesh.channel("storage"))
        try:
            for name in PLAYED:
                house.accounts[name] = await _account(house.mesh, name)
            yield house
        finally:
            receiving.stop()
            storing.stop()
            await mesh.close()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)
            await engine.dispose()


async def _account(mesh: Channel, name: str) -> directory_pb2.ChannelAccount:
    golden = account(name)
    asked = directory_pb2.ChannelAccount(channel=name, address=golden.address, account_key=f"{name}-k3y")
    asked.quiet_window_ms = 60_000
    asked.options["unaddressed"] = "all"  # each captured body is to be stored, by itself and in any order
    put = directory_service_pb2.PutChannelAccountRequest(
        tenant_id="default", request_id=new_id(), account=asked, credentials=dict(golden.credentials)
    )
    made = await DirectoryServiceStub(mesh).PutChannelAccount(put, timeout=PATIENCE_SECONDS)
    return directory_pb2.ChannelAccount.FromString(made.account.SerializeToString())
