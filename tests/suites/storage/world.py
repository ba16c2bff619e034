"""Five services of storage over real gRPC, on one database, as __main__ wires them; and who may call them."""

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from kit.errors import ParleyError, from_rpc
from kit.ids import new_id
from kit.moments import utc_now
from kit.serving import Server
from kit.settings import Settings
from parley.storage.v1 import conversation_service_pb2_grpc as conversation_grpc
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1 import directory_service_pb2_grpc as directory_grpc
from parley.storage.v1 import listener_service_pb2_grpc as listener_grpc
from parley.storage.v1 import media_service_pb2_grpc as media_grpc
from parley.storage.v1 import privacy_service_pb2_grpc as privacy_grpc
from storage_service.backends.account_health import AccountHealth
from storage_service.backends.accounts import Accounts
from storage_service.backends.agents import Agents
from storage_service.backends.api_keys import ApiKeys, StoredKeys
from storage_service.backends.contacts import Contacts
from storage_service.backends.conversations import Conversations
from storage_service.backends.engines import open_engine
from storage_service.backends.erasure import Erasure
from storage_service.backends.export import Export
from storage_service.backends.hand_offs import HandOffs
from storage_service.backends.hot import open_hot
from storage_service.backends.listeners import Listeners
from storage_service.backends.media import StoredMedia
from storage_service.backends.ownership import Ownership
from storage_service.backends.prompts import Prompts
from storage_service.backends.repeats import Repeats
from storage_service.backends.retention import Retention
from storage_service.backends.sessions import Sessions
from storage_service.backends.tenants import Tenants
from storage_service.backends.vault import Vault
from storage_service.domain.awaiting import Awaiting
from storage_service.domain.contexts import Contexts
from storage_service.domain.database import Database, HotRows, Kind
from storage_service.domain.events import Events
from storage_service.domain.fetches import Fetches
from storage_service.domain.sealing import Keyring, parse_keys
from storage_service.domain.sharing import Shares
from storage_service.domain.tombstones import Tombstones
from storage_service.domain.wakeups import Wakeups
from storage_service.domain.watching import Watching
from storage_service.servicers import conversations, listeners, media, privacy
from storage_service.servicers import directory as directory_servicer
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import fresh

DATABASES = ("sqlite", "postgres")
MESH_TOKEN = "mesh-token-of-the-tests"
KEYS = "k1:" + "A" * 43 + "="
EVERY_SCOPE = (
    *("conversations.read", "conversations.write", "directory.admin", "directory.read"),
    *("directory.write", "outbox.write", "privacy"),
)


class Client:
    """The five services, called with one credential. A failure is raised as what it means."""

    def __init__(self, channel: grpc.aio.Channel, credential: str) -> None:
        self._metadata = (("authorization", f"Bearer {credential}"),)
        self._stubs = (
            directory_grpc.DirectoryServiceStub(channel),
            conversation_grpc.ConversationServiceStub(channel),
            privacy_grpc.PrivacyServiceStub(channel),
            listener_grpc.ListenerServiceStub(channel),
            media_grpc.MediaServiceStub(channel),
        )

    def rpc(self, name: str) -> Any:
        return next(getattr(stub, name) for stub in self._stubs if hasattr(stub, name))

    async def call(self, name: str, request: Message) -> Any:
        """Calls a unary rpc, or reads a stream to its end."""
        call = self.rpc(name)(request, timeout=PATIENCE_SECONDS, metadata=self._metadata)
        try:
            return [each async for each in call] if hasattr(call, "__aiter__") else await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None

    def stream(self, name: str, request: Message, timeout_seconds: float = PATIENCE_SECONDS) -> Any:
        return self.rpc(name)(request, timeout=timeout_seconds, metadata=self._metadata)

    async def refusal(self, name: str, request: Message) -> ParleyError:
        try:
            answer = await self.call(name, request)
        except ParleyError as error:
            return error
        raise AssertionError(f"{name} was answered: {answer!r}")


@dataclass(frozen=True)
class World:
    """One storage, and how to reach into it."""

    url: str
    sessions: Sessions
    keyring: Keyring
    vault: Vault
    accounts: Accounts
    wakeups: Wakeups
    stopping: asyncio.Event
    mesh: Client
    client: Callable[[str], Client]

    async def tenant(self, tenant_id: str) -> str:
        await self.mesh.call(
            "CreateTenant", pb.CreateTenantRequest(tenant_id=tenant_id, request_id="1", name=tenant_id)
        )
        return tenant_id

    async def account(self, tenant_id: str, **fields: Any) -> directory.ChannelAccount:
        credentials = fields.pop("credentials", {"auth_token": f"secret of {tenant_id}"})
        account = directory.ChannelAccount(**{"channel": "whatsapp", "address": "+14155238886", **fields})
        request = pb.PutChannelAccountRequest(
            tenant_id=tenant_id, request_id=new_id(), account=account, credentials=credentials
        )
        response: pb.PutChannelAccountResponse = await self.mesh.call("PutChannelAccount", request)
        return response.account

    async def key_client(self, tenant_id: str, *scopes: str) -> Client:
        """A caller with an API key of the tenant."""
        request = requests.CreateApiKeyRequest(
            tenant_id=tenant_id, request_id=new_id(), name="test", scopes=scopes or EVERY_SCOPE
        )
        return self.client((await self.mesh.call("CreateApiKey", request)).secret)


@contextlib.asynccontextmanager
async def open_world(database: str, folder: Path, postgres: Postgres, keys: str = KEYS) -> AsyncIterator[World]:
    """A fresh database with its services. A url in place of a database's kind is opened as it is."""
    url = database if "://" in database else fresh(database, folder, postgres)
    sessions = Sessions(open_engine(url), now=utc_now, new_id=new_id)
    keyring = Keyring(parse_keys(keys), random_bytes=secrets.token_bytes)
    repeats = Repeats(sessions, keyring)
    wakeups, stopping = Wakeups(), asyncio.Event()
    vault = Vault(sessions, keyring, monotonic=time.monotonic)
    accounts = Accounts(sessions, repeats, vault=vault, wakeups=wakeups, random_bytes=secrets.token_bytes)
    api_keys = ApiKeys(sessions, repeats, random_bytes=secrets.token_bytes)
    settings = Settings(data_dir=folder, mesh_token=MESH_TOKEN, mesh_drain_delay_seconds=0)
    server = Server("storage", "127.0.0.1:0", settings=settings, keys=StoredKeys(api_keys))
    _mount_directory(server, sessions, repeats, accounts=accounts, vault=vault, api_keys=api_keys)
    hot = WhenNeeded(open_hot(url, replica_id=new_id(), events=Events(wakeups)).database)
    _mount_conversations(server, sessions, repeats, wakeups=wakeups, stopping=stopping, hot=hot)
    _mount_privacy(server, sessions, repeats, tombstones=Tombstones(keyring), wakeups=wakeups)
    servicer = listeners.ListenerServicer(Listeners(sessions, vault=vault))
    server.add(listener_grpc.add_ListenerServiceServicer_to_server, servicer, service=listeners.SERVICE)
    fetches = Fetches(hot, wakeups=wakeups)
    files = media.MediaServicer(fetches, StoredMedia(sessions), shares=Shares(keyring, utc_now), secrets=vault.secrets)
    server.add(media_grpc.add_MediaServiceServicer_to_server, files, service=media.SERVICE)
    port = await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = functools.partial(Client, channel)
            yield World(url, sessions, keyring, vault, accounts, wakeups, stopping, client(MESH_TOKEN), client)
    finally:
        stopping.set()
        await server.drain(1)
        await hot.close()
        await sessions.close()


class WhenNeeded:
    """A database for hot work that is opened by its first use: few of these tests have any."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_open = False

    async def run(self, kind: Kind, work: Callable[[HotRows], Awaitable[Any]]) -> Any:
        if not self._is_open:
            await self._database.open()
            self._is_open = True
        return await self._database.run(kind, work)

    async def close(self) -> None:
        if self._is_open:
            await self._database.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def _mount_directory(
    server: Server, sessions: Sessions, repeats: Repeats, *, accounts: Accounts, vault: Vault, api_keys: ApiKeys
) -> None:
    held = directory_servicer.Directory(
        tenants=Tenants(sessions),
        accounts=accounts,
        vault=vault,
        agents=Agents(sessions, repeats),
        prompts=Prompts(sessions, repeats),
        contacts=Contacts(sessions),
        api_keys=api_keys,
        health=AccountHealth(sessions, opens=vault.opens),
    )
    servicer = directory_servicer.DirectoryServicer(held)
    server.add(directory_grpc.add_DirectoryServiceServicer_to_server, servicer, service=directory_servicer.SERVICE)


def _mount_conversations(
    server: Server, sessions: Sessions, repeats: Repeats, *, wakeups: Wakeups, stopping: asyncio.Event, hot: Database
) -> None:
    reads, ownership = Conversations(sessions), Ownership(sessions, repeats, events=Events(wakeups))
    watching = Watching(reads, wakeups, stopping=stopping, monotonic=time.monotonic)
    awaiting = Awaiting(reads.outcomes, wakeups, stopping=stopping, monotonic=time.monotonic)
    held = conversations.Held(reads, ownership, HandOffs(sessions), watching, awaiting, Contexts(hot))
    servicer = conversations.ConversationServicer(held)
    server.add(conversation_grpc.add_ConversationServiceServicer_to_server, servicer, service=conversations.SERVICE)


def _mount_privacy(
    server: Server, sessions: Sessions, repeats: Repeats, *, tombstones: Tombstones, wakeups: Wakeups
) -> None:
    erasure = Erasure(sessions, repeats, tombstones=tombstones, events=Events(wakeups))
    servicer = privacy.PrivacyServicer(Export(sessions), erasure, retention=Retention(sessions))
    server.add(privacy_grpc.add_PrivacyServiceServicer_to_server, servicer, service=privacy.SERVICE)
