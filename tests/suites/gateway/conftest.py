"""A running gateway on a free port, with its storage beside it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from channels.channel import Credentials, Imitation, Webhook
from channels.registry import CHANNELS
from gateway import listening
from gateway.__main__ import serve
from gateway.settings import Settings
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.serving import Server
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS
from tests.suites.gateway import peer as peers

CREDENTIALS = {
    "whatsapp": {"account_sid": "AC" + "1" * 32, "auth_token": "whatsapp-token-0123456789abcdef"},
    "sms": {"account_sid": "AC" + "1" * 32, "auth_token": "sms-token-0123456789abcdef"},
    "telegram": {"bot_token": "123456:telegram-bot-token", "webhook_secret": "telegram-webhook-secret"},
    "discord": {
        "bot_token": "discord-bot-token",
        "public_key": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
        "test_private_key": "01" * 32,
    },
    "slack": {"bot_token": "xoxb-slack-bot-token", "signing_secret": "slack-signing-secret"},
    "webchat": {"session_key": "k" * 48},
    "whatsapp_cloud": {"app_secret": "app-secret", "verify_token": "verify-token", "access_token": "access-token"},
    "instagram": {"app_secret": "other-app-secret", "verify_token": "verify-token", "access_token": "access-token"},
}
ADDRESSES = {
    "whatsapp": "whatsapp:+14155238886",
    "sms": "+14155550100",
    "telegram": "telegram",
    "discord": "discord",
    "slack": "slack",
    "webchat": "web",
    "whatsapp_cloud": "555000111222333",
    "instagram": "17841400000000001",
}
SENDERS = {
    "whatsapp": "+14155550123",
    "sms": "+14155550123",
    "telegram": "424242",
    "discord": "424242",
    "slack": "U424242",
    "webchat": "visitor",
    "whatsapp_cloud": "14155550123",
    "instagram": "6543210987654321",
}


@dataclass
class World:
    """A gateway, its storage, and what is needed to talk to both."""

    peer: peers.Peer
    storage: Server
    lifetime: Lifetime
    settings: Settings
    port: int
    client: httpx.AsyncClient

    def webhook(self, channel: str, text: str, message_id: str = "", sender: str = "") -> Webhook:
        """What the provider would post, correctly signed."""
        address = ADDRESSES[channel]
        secrets = self.peer.accounts[f"{channel}/{address}"]
        numbers = {"telegram": str(abs(hash(message_id or new_id())) % 10**9), "webchat": message_id or new_id()}
        imitation = Imitation(
            text=text,
            sender=sender or SENDERS[channel],
            address=secrets.account.id if channel == "webchat" else address,
            url=f"http://127.0.0.1:{self.port}/webhook/{channel}/{secrets.account.account_key}",
            message_id=numbers.get(channel) or message_id or "SM" + new_id().replace("-", ""),
            now=datetime.now(UTC),
        )
        return CHANNELS[channel].imitate(imitation, Credentials(dict(secrets.credentials)))

    async def post(self, webhook: Webhook) -> httpx.Response:
        """Posts it."""
        return await self.client.post(webhook.url, content=webhook.body, headers=dict(webhook.headers))

    async def restart_storage(self) -> None:
        """The same rows behind the same address."""
        self.storage, _ = await peers.start(self.peer, self.settings, self.settings.storage_address)

    async def session(self) -> dict[str, str]:
        """Headers of a new web chat session."""
        answer = await self.client.post("/v1/chat/sessions", json={})
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


@asynccontextmanager
async def running(
    folder: Path, *, options: Mapping[str, Mapping[str, str]] | None = None, **more: Any
) -> AsyncIterator[World]:
    """Starts both and stops them. `options` are those that channels' accounts have already."""
    peer = peers.Peer()
    for channel, credentials in CREDENTIALS.items():
        peer.add_account(channel, ADDRESSES[channel], credentials=credentials)
        peer.accounts[f"{channel}/{ADDRESSES[channel]}"].account.options.update((options or {}).get(channel, {}))
    settings = Settings(data_dir=folder, mesh_drain_delay_seconds=0)
    storage, storage_port = await peers.start(peer, settings, f"127.0.0.1:{free_port()}")
    given: dict[str, Any] = {
        "data_dir": folder,
        "storage_address": f"127.0.0.1:{storage_port}",
        "http_drain_seconds": 2,
        **more,
    }
    lifetime = Lifetime()
    socket = listening.bind("127.0.0.1", 0)
    port = socket.getsockname()[1]
    settings = Settings(**given)
    serving = asyncio.create_task(serve(settings, lifetime, listening=socket))
    assert await asyncio.wait_for(lifetime.wait_ready(["gateway"]), PATIENCE_SECONDS)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=PATIENCE_SECONDS
    ) as client:
        try:
            started = World(peer, storage, lifetime, settings, port, client)
            yield started
        finally:
            peer.hold.set()
            lifetime.stop()
            await asyncio.wait_for(serving, PATIENCE_SECONDS)
            await started.storage.drain(0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _running_for_module(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(tmp_path_factory.mktemp("shared")) as started:
        yield started


@pytest.fixture
def shared(_running_for_module: World) -> World:
    """One for all tests of a module, with nothing stored."""
    _running_for_module.peer.submissions.clear()
    return _running_for_module


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One for a test."""
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[World]:
    """One that waits for storage as long as it may: on a busy machine many at once take longer than it has to."""
    async with running(tmp_path, accept_patience_seconds=14) as started:
        yield started
