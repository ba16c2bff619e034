"""Constructs the sender and runs it: `python -m sender_service`."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING

from channels.registry import CHANNELS
from kit import process
from kit.api_keys import AskedKeys
from kit.calling import Mesh
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.moments import utc_now
from kit.proxies import proxies
from kit.serving import Server
from parley.sender.v1.sender_service_pb2_grpc import add_SenderServiceServicer_to_server
from parley.storage.v1.media_service_pb2_grpc import MediaServiceStub
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceStub
from parley.storage.v1.signal_requests_pb2 import DraftRecord, DraftResult
from sender_service.backends.downloads import Downloads
from sender_service.backends.media import Media
from sender_service.backends.outbox import Outbox
from sender_service.backends.provider import Provider
from sender_service.backends.signals import listen, record_draft
from sender_service.domain.addresses import Addresses
from sender_service.domain.courier import Clocks, Courier
from sender_service.domain.deliveries import Deliveries
from sender_service.domain.drafts import Drafts
from sender_service.domain.fetches import Fetches
from sender_service.domain.fetching import Bounds, Fetcher
from sender_service.domain.files import Files
from sender_service.domain.pacing import Pacing, pacing
from sender_service.domain.presence import MOST_AT_ONCE, Presence
from sender_service.domain.retries import Retries
from sender_service.server import SenderServicer
from sender_service.settings import Settings

if TYPE_CHECKING:
    from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceAsyncStub

SERVICE = "parley.sender.v1.SenderService"
FETCH_GRACE_SECONDS = 15.0  # of a lease, beyond the fetch itself: for the record of its end


async def serve(settings: Settings, lifetime: Lifetime) -> None:
    """Delivers until the process is told to stop, then lets what is under way end."""
    mesh = Mesh(settings)
    await mesh.open()
    stub = OutboxServiceStub(mesh.channel("storage"))
    worker_id = new_id()
    outbox = Outbox(
        stub,
        worker_id,
        lease_seconds=settings.sender_lease_seconds,
        wait_seconds=settings.sender_wait_seconds,
        random=random.random,
    )
    server = _server(settings, mesh)
    server.add(add_SenderServiceServicer_to_server, SenderServicer(stub, CHANNELS), service=SERVICE)
    await server.start()
    ways, tls = proxies(settings, service="sender"), ssl.create_default_context()  # made once: it takes 0.1 s
    # Connections of their own: signals must not keep a reply waiting for one.
    async with (
        Provider(settings.sender_concurrency, ways, tls=tls) as provider,
        Provider(MOST_AT_ONCE, ways, tls=tls) as beside,
        Downloads(ways, tls=tls) as downloads,
    ):
        presence = _presence(settings, beside, stub=stub, worker_id=worker_id)
        hearing = listen(stub, worker_id, channels=CHANNELS, show=presence.show, random=random.random)
        listening = asyncio.create_task(hearing)
        files = _files(settings, (media := _media(settings, mesh)), downloads=downloads)
        deliveries = _deliveries(settings, outbox, provider=provider, presence=presence, files=files)
        fetches = _fetches(settings, media, provider=provider, downloads=downloads)
        fetching = asyncio.create_task(fetches.run(lifetime.stopping))
        running = asyncio.create_task(deliveries.run(lifetime.stopping))
        server.set_serving(True)
        lifetime.ready("sender")
        await asyncio.gather(running, fetching)  # until told to stop; a fault of ours ends the process
        listening.cancel()
        await presence.close()
        await server.drain(settings.sender_drain_seconds)
        await deliveries.drain(settings.sender_drain_seconds)
        await outbox.close()
    await mesh.close()


def _server(settings: Settings, mesh: Mesh) -> Server:
    return Server("sender", settings.sender_address, settings=settings, keys=AskedKeys(mesh.channel("storage")))


def _addresses(settings: Settings) -> Addresses:
    return Addresses(settings.public_base_url, settings.api_base_urls())


def _pacing(settings: Settings) -> Pacing:
    return pacing(settings.sender_tenant_per_second, paced=settings.sender_paced)


def _presence(settings: Settings, beside: Provider, *, stub: "OutboxServiceAsyncStub", worker_id: str) -> Presence:
    def record(draft: DraftRecord) -> Awaitable[DraftResult]:
        return record_draft(stub, worker_id, record=draft)

    drafts = Drafts(beside.call, record, monotonic=time.monotonic)
    return Presence(CHANNELS, beside.call, _addresses(settings), time.monotonic, drafts, _pacing(settings))


def _deliveries(
    settings: Settings, outbox: Outbox, *, provider: Provider, presence: Presence, files: Files
) -> Deliveries:
    courier = Courier(
        channels=CHANNELS,
        record=outbox.record,
        provider=provider.call,
        retries=Retries(
            settings.sender_max_attempts, timedelta(seconds=settings.sender_give_up_seconds), random.random
        ),
        pacing=_pacing(settings),
        addresses=_addresses(settings),
        clocks=Clocks(utc_now, time.monotonic),
        files=files,
        lease_seconds=settings.sender_lease_seconds,
        settle=presence.settle,
        rest=presence.rest,
    )
    return Deliveries(outbox.lease, courier.deliver, concurrency=settings.sender_concurrency, random=random.random)


def _media(settings: Settings, mesh: Mesh) -> Media:
    return Media(
        MediaServiceStub(mesh.channel("storage")),
        new_id(),
        lease_seconds=settings.media_fetch_seconds + FETCH_GRACE_SECONDS,
        wait_seconds=settings.sender_wait_seconds,
    )


def _files(settings: Settings, media: Media, *, downloads: Downloads) -> Files:
    async def link(tenant_id: str, media_id: str) -> str:
        return f"{settings.public_base_url.rstrip('/')}/media/{await media.share(tenant_id, media_id)}"

    reachable = link if settings.public_base_url else None
    return Files(media.read, downloads, settings.media_max_bytes, settings.media_fetch_seconds, reachable)


def _fetches(settings: Settings, media: Media, *, provider: Provider, downloads: Downloads) -> Fetches:
    fetcher = Fetcher(
        channels=CHANNELS,
        provider=provider.call,
        reading=downloads,
        storing=media,
        addresses=_addresses(settings),
        bounds=Bounds(settings.media_max_bytes, settings.media_fetch_seconds, settings.media_max_attempts),
        random=random.random,
    )
    return Fetches(media.lease, fetcher.fetch, concurrency=settings.media_concurrency, random=random.random)


def main() -> None:
    process.alone("sender", Settings, serve=serve)


if __name__ == "__main__":
    main()
