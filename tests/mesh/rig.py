"""How does a test get a real mesh? Five processes or one, SQLite or Postgres, free ports, a folder of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import httpx

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_service_pb2 as directory
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from parley.storage.v1.directory_pb2 import ChannelAccount, Delivery
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub
from parley.storage.v1.inbox_service_pb2_grpc import InboxServiceStub
from parley.storage.v1.listener_service_pb2_grpc import ListenerServiceStub
from parley.storage.v1.media_service_pb2_grpc import MediaServiceStub
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceStub
from parley.storage.v1.privacy_service_pb2_grpc import PrivacyServiceStub
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS

TENANT = "default"
TOKEN = "mesh-token-of-the-mesh-tests"
WHATSAPP = "whatsapp:+14155238886"
SMS = "+14155550100"
TELEGRAM_SECRET = "telegram-webhook-secret-for-tests-only"
SETTINGS = {
    "MESH_TOKEN": TOKEN,
    "TWILIO_WHATSAPP_NUMBER": WHATSAPP,
    "TWILIO_PHONE_NUMBER": SMS,
    "TELEGRAM_WEBHOOK_SECRET": TELEGRAM_SECRET,
    "MESH_DRAIN_DELAY_SECONDS": "0",
    "CHAT_SESSIONS_PER_MINUTE": "600",
    "AGENT_LEASE_SECONDS": "3",  # short, so that what a dead process held is soon another's
    "SENDER_LEASE_SECONDS": "3",
    "LISTENER_LEASE_SECONDS": "3",
    "LLM_BREAKER_SECONDS": "0.001",  # so that a model that was ill for one test is asked in the next
    "LOG_LEVEL": "debug",  # what must never be logged is looked for in these logs
}
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
QUIET_MS = 1200  # of phone channels, off the shelf
START_SECONDS = PATIENCE_SECONDS
STOP_SECONDS = 20.0

ONE = "parley"  # the process of `parley up`
COMMANDS: dict[str, tuple[str, ...]] = {
    "storage": ("-m", "storage_service"),
    "llm": ("-m", "llm_service"),
    "agent": ("-m", "agent_service"),
    "sender": ("-m", "sender_service"),
    "gateway": ("-m", "gateway"),
    ONE: ("-m", "kit.command", "up"),
}
FIVE = ("storage", "llm", "agent", "sender", "gateway")
REPLICAS = ("agent2", "sender2", "gateway2")  # a second process of a service


@dataclass(frozen=True, slots=True)
class Plan:
    """What mesh is wanted."""

    folder: Path
    database_url: str
    services: tuple[str, ...] = FIVE  # each a process, or ONE for all
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of services that are run in another way


class Mesh:
    """A running mesh. A second gateway is a process of its own in either topology."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.ports = {name: free_port() for name in (*FIVE, *REPLICAS)}
        self.metrics = {name: free_port() for name in FIVE if name != "gateway"}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.base_url = f"http://127.0.0.1:{self.ports['gateway']}"
        self.second_url = f"http://127.0.0.1:{self.ports['gateway2']}"

    def __enter__(self) -> Self:
        for name in self.plan.services:
            self.start(name)
        try:
            self.wait_ready(self.base_url)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.running)):
            self.running[name].send_signal(signal.SIGCONT)
            self.running[name].terminate()
        for name in list(self.running):
            self._reap(name)

    def start(self, name: str) -> None:
        """Starts one process; its log goes on where the one before ended."""
        commands = {**COMMANDS, **self.plan.commands}
        command = [sys.executable, *commands[name.removesuffix("2")]]
        with self.log_path(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                env=self._environment(name),
                cwd=self.plan.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """kill -9."""
        self.running[name].kill()
        self.running.pop(name).wait(PATIENCE_SECONDS)

    def kill_all(self) -> None:
        """For who has seen enough: no drain, nobody waits for anybody."""
        for name in list(self.running):
            self.kill(name)

    def died(self) -> list[str]:
        """Who ended without being told to; they no longer count as running."""
        dead = [name for name, process in self.running.items() if process.poll() is not None]
        for name in dead:
            self.running.pop(name)
        return dead

    def pause(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def second_gateway(self) -> Iterator[str]:
        """One more gateway of the same mesh."""
        with self.one_more("gateway"):
            self.wait_ready(self.second_url)
            yield self.second_url

    @contextlib.contextmanager
    def one_more(self, service: str) -> Iterator[str]:
        """A second process of a service; its name here."""
        name = f"{service}2"
        self.start(name)
        try:
            yield name
        finally:
            self.running[name].terminate()
            self._reap(name)

    def wait_ready(self, base_url: str, within_seconds: float = START_SECONDS) -> None:
        """Waits until every dependency serves and the accounts are there; a process that died meanwhile is shown."""
        deadline = time.monotonic() + within_seconds
        with httpx.Client(timeout=10, trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = client.get(f"{base_url}/readyz?verbose")
                    whole = answer.status_code == 200 and answer.json()["status"] == "ready"
                    if whole and client.get(f"{base_url}/webhook/whatsapp").status_code != 404:
                        return
                dead = [name for name, process in self.running.items() if process.poll() is not None]
                assert not dead, f"{dead[0]} died:\n{self.log(dead[0])[-3000:]}"
                assert time.monotonic() < deadline, f"not ready in time:\n{self._last_lines()}"
                time.sleep(0.05)

    def log_path(self, name: str) -> Path:
        return self.plan.folder / f"{name}.log"

    def log(self, name: str) -> str:
        return self.log_path(name).read_text(errors="replace")

    def logs(self) -> dict[str, str]:
        """What every process said so far."""
        return {path.stem: path.read_text(errors="replace") for path in self.plan.folder.glob("*.log")}

    def storage(self) -> "Storage":
        """Storage's own contract, as an operator's program would use it."""
        return Storage(f"127.0.0.1:{self.ports['storage']}")

    def _environment(self, name: str) -> dict[str, str]:
        ports = {**self.ports, name.removesuffix("2"): self.ports.get(name, 0)}
        addresses = {f"{each.upper()}_ADDRESS": f"127.0.0.1:{ports[each]}" for each in FIVE if each != "gateway"}
        watched = {"METRICS_PORT": str(self.metrics[name])} if name in self.metrics else {}
        own = {
            "DATA_DIR": str(self.plan.folder / "data"),
            "DATABASE_URL": self.plan.database_url,
            "HTTP_PORT": str(ports["gateway"]),
            "PUBLIC_BASE_URL": self.base_url,
        }
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        return {**inherited, **SETTINGS, **own, **addresses, **watched, **self.plan.environment}

    def _reap(self, name: str) -> None:
        process = self.running.pop(name)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_SECONDS)

    def _last_lines(self) -> str:
        return "\n".join(f"--- {name}\n{text[-800:]}" for name, text in self.logs().items())


class Storage:
    """A caller with the mesh's credential."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.metadata = (("authorization", f"Bearer {TOKEN}"),)

    async def __aenter__(self) -> Self:
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
        self._channel = grpc.aio.insecure_channel(self._address, options=options)
        self.directory = DirectoryServiceStub(self._channel)
        self.outbox = OutboxServiceStub(self._channel)
        self.conversations = ConversationServiceStub(self._channel)
        self.inbox = InboxServiceStub(self._channel)
        self.listeners = ListenerServiceStub(self._channel)
        self.media = MediaServiceStub(self._channel)
        self.privacy = PrivacyServiceStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def until_delivered(self, provider_message_id: str) -> None:
        """Waits until the provider's receipt has raised that delivery."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                delivered = await self.deliveries(chat.DELIVERY_STATE_DELIVERED)
                if provider_message_id in {each.provider_message_id for each in delivered}:
                    return
                await asyncio.sleep(0.05)

    async def deliveries(
        self, state: chat.DeliveryState, *, timeout_seconds: float = PATIENCE_SECONDS
    ) -> list[Delivery]:
        """The newest ones in this state."""
        listing = outbox.ListDeliveriesRequest(tenant_id=TENANT, state=state, page_size=500)
        listed = await self.outbox.ListDeliveries(listing, metadata=self.metadata, timeout=timeout_seconds)
        return list(listed.deliveries)

    async def rest(self, within_seconds: float) -> None:
        """Waits until no turn is open and nothing waits to be sent."""
        async with asyncio.timeout(within_seconds):
            while await self._busy():
                await asyncio.sleep(0.25)

    async def accounts(self) -> list[ChannelAccount]:
        listing = directory.ListChannelAccountsRequest(tenant_id=TENANT, page_size=100)
        listed = await self.directory.ListChannelAccounts(listing, metadata=self.metadata, timeout=PATIENCE_SECONDS)
        return list(listed.accounts)

    @contextlib.asynccontextmanager
    async def quiet_window(self, milliseconds: int) -> AsyncIterator[None]:
        """For a while; whatever becomes of the test, the next one finds what it expects."""
        await self.set_quiet_window(milliseconds)
        try:
            yield
        finally:
            await self.set_quiet_window(QUIET_MS)

    @contextlib.asynccontextmanager
    async def progressive(self) -> AsyncIterator[None]:
        """Replies of every account are shown while they are written, for a while."""
        async with self.option("progressive", "on"):
            yield

    @contextlib.asynccontextmanager
    async def option(self, name: str, value: str) -> AsyncIterator[None]:
        """Every account says so, for a while."""
        await self._set_option(name, value)
        try:
            yield
        finally:
            await self._set_option(name, "")

    async def _set_option(self, name: str, value: str) -> None:
        for account in await self.accounts():
            account.options[name] = value
            if not value:
                del account.options[name]
            request_id = f"{name}-{value}-{account.version}-{account.id}"[:64]
            put = directory.PutChannelAccountRequest(tenant_id=TENANT, request_id=request_id, account=account)
            await self.directory.PutChannelAccount(put, metadata=self.metadata, timeout=PATIENCE_SECONDS)

    async def set_quiet_window(self, milliseconds: int) -> None:
        """Of every account of the tenant: bursts are one thing to test, single turns another."""
        for account in await self.accounts():
            account.quiet_window_ms = milliseconds
            request_id = f"{milliseconds}-{account.version}-{account.id}"[:64]
            put = directory.PutChannelAccountRequest(tenant_id=TENANT, request_id=request_id, account=account)
            await self.directory.PutChannelAccount(put, metadata=self.metadata, timeout=PATIENCE_SECONDS)

    async def _busy(self) -> bool:
        turns = conversations.ListTurnsRequest(tenant_id=TENANT, page_size=1)
        try:
            if (await self.conversations.ListTurns(turns, metadata=self.metadata, timeout=5)).turns:
                return True
            return bool(await self.deliveries(chat.DELIVERY_STATE_QUEUED, timeout_seconds=5)) or bool(
                await self.deliveries(chat.DELIVERY_STATE_SENDING, timeout_seconds=5)
            )
        except grpc.aio.AioRpcError:
            return True
