"""Constructs the gateway and runs it: the only place that makes what the rooms need."""

import asyncio
import os
import random
import socket
import time
from datetime import timedelta

from channels.listening_registry import LISTENING
from channels.registry import CHANNELS
from gateway.addresses import Addresses
from gateway.backends.conversations import Conversations
from gateway.backends.desk import Desk
from gateway.backends.directory import Directory
from gateway.backends.inbox import Inbox
from gateway.backends.leases import Leases
from gateway.backends.media import Media
from gateway.backends.neighbours import Neighbours
from gateway.backends.outside import Outside
from gateway.domain import lines
from gateway.domain.accounts import Accounts
from gateway.domain.first_words import FirstWords
from gateway.domain.inspection.diagnosis import Diagnosis
from gateway.domain.inspection.inspector import Inspector
from gateway.domain.limits import Places, RateLimit
from gateway.domain.reception import Reception
from gateway.domain.sessions import Sessions
from gateway.domain.siblings import Siblings
from gateway.domain.signs import Signs
from gateway.heard import Hearing
from gateway.listening import Listener, bind, listener
from gateway.opening import Opening
from gateway.reporting import UNKNOWN_CHANNEL, Reports
from gateway.routes.inspector import Inspection
from gateway.server import Rooms, application
from gateway.settings import Settings
from gateway.telling import keep_telling, tell
from kit import logs, process
from kit.calling import Mesh
from kit.credentials import has_mesh_token, inspector_token, mesh_token
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.moments import utc_now
from kit.proxies import proxies
from kit.settings import SettingsError

MINUTE = timedelta(minutes=1)
LARGEST_WEBHOOK = max(each.capabilities.largest_webhook for each in CHANNELS.values())
STREAMS_PER_SESSION = 5

log = logs.get("gateway")


async def serve(settings: Settings, lifetime: Lifetime, *, listening: socket.socket | None = None) -> None:
    """Runs the gateway until the process stops, on a socket that is open already or on one that the settings name."""
    listening = listening or bind(settings.http_host, settings.http_port)
    mesh = Mesh(settings)
    await mesh.open()
    inbox = Inbox(mesh.channel("storage"), timeout=_patience(settings))
    directory = Directory(mesh.channel("storage"), timeout=_patience(settings))
    rooms = _rooms(settings, lifetime, mesh=mesh, inbox=inbox, directory=directory)
    server = _listener(settings, rooms)
    opening = asyncio.create_task(Opening(directory, rooms.neighbours, given=settings.given_accounts()).open(lifetime))
    serving = asyncio.create_task(server.serve([listening]))
    outside = Outside(proxies(settings, service="gateway"))
    hearing = asyncio.create_task(_lines(settings, mesh, rooms=rooms, outside=outside).run(lifetime.stopping))
    telling = asyncio.create_task(keep_telling(rooms.reports.signs, directory))
    host, port = listening.getsockname()[:2]
    log.info("service.listening", listening=f"{host}:{port}", service="gateway")
    try:
        told = asyncio.create_task(lifetime.wait_stopping())
        await asyncio.wait([serving, hearing, told], return_when="FIRST_COMPLETED")
    finally:
        server.should_exit = True
        opening.cancel()
        if not lifetime.stopping.is_set():
            hearing.cancel()  # the server, or a fault of ours, has ended it all
        telling.cancel()
        await asyncio.gather(serving, opening, hearing, telling, return_exceptions=True)
        await outside.close()
        await tell(rooms.reports.signs, directory)
        await inbox.close()
        await mesh.close()
    if not hearing.cancelled() and (fault := hearing.exception()):
        raise fault  # one of ours: it ends the process, and the log shows it


def main() -> None:
    """`python -m gateway`."""
    process.alone("gateway", Settings, serve=serve)


def _rooms(settings: Settings, lifetime: Lifetime, *, mesh: Mesh, inbox: Inbox, directory: Directory) -> Rooms:
    accounts = Accounts(directory.resolve, clock=time.monotonic)
    siblings = Siblings(accounts, directory.accounts, clock=time.monotonic)
    diagnosis = Diagnosis(CHANNELS, accounts, listed=directory.accounts, public_base_url=settings.public_base_url)
    per_chat = RateLimit(settings.chat_messages_per_minute, MINUTE, clock=time.monotonic)
    return Rooms(
        channels=CHANNELS,
        reception=Reception(accounts, inbox.accept, siblings=siblings, limit=per_chat, patience=_patience(settings)),
        sessions=Sessions(accounts, now=utc_now, new_id=new_id),
        conversations=Conversations(mesh.channel("storage"), timeout=_patience(settings)),
        media=Media(mesh.channel("storage")),
        desk=Desk(mesh.channel("storage"), timeout=_patience(settings)),
        neighbours=Neighbours(mesh.channel, clock=time.monotonic),
        addresses=Addresses(settings.public_base_url, settings.trusted_proxies()),
        session_limit=RateLimit(settings.chat_sessions_per_minute, MINUTE, clock=time.monotonic),
        places=Places(settings.chat_max_streams, STREAMS_PER_SESSION),
        first_words=FirstWords(),
        is_open=lambda: lifetime.is_ready("gateway"),
        stopping=lifetime.stopping,
        reports=Reports(clock=time.monotonic, signs=Signs(utc_now)),
        now=utc_now,
        most_body_bytes=settings.http_max_body_bytes,
        most_stream_seconds=settings.chat_stream_seconds,
        inspection=_inspection(settings, diagnosis) if settings.webhook_inspector == "on" else None,
    )


def check(settings: Settings) -> None:
    """Raises SettingsError where the gateway would not start with these. Makes nothing."""
    if settings.webhook_inspector == "on" and not has_mesh_token(settings):
        raise SettingsError("WEBHOOK_INSPECTOR=on needs MESH_TOKEN, too: it is opened with it")


def _inspection(settings: Settings, diagnosis: Diagnosis) -> Inspection:
    check(settings)
    token = mesh_token(settings)
    name = f"{socket.gethostname()}:{os.getpid()}"
    return Inspection(Inspector(clock=time.monotonic), diagnosis, (inspector_token(token), token), name)


def _lines(settings: Settings, mesh: Mesh, *, rooms: Rooms, outside: Outside) -> lines.Lines:
    lease = timedelta(seconds=settings.listener_lease_seconds)
    world = lines.World(
        channels=CHANNELS,
        listening=LISTENING,
        api_base_urls=settings.api_base_urls(),
        wire=outside.wire,
        take=Hearing(rooms.reception, rooms.reports, now=utc_now),
        clock=time.monotonic,
        draw=random.random,
    )
    leases = Leases(
        mesh.channel("storage"),
        worker_id=new_id(),
        channels=sorted(LISTENING),
        timeout=timedelta(seconds=lines.beat_seconds(lease)),
    )
    return lines.Lines(leases, world, lease=lease, most=settings.listener_max_accounts)


def _listener(settings: Settings, rooms: Rooms) -> Listener:
    return listener(
        application(rooms),
        receive_seconds=settings.http_receive_seconds,
        most_bytes=max(16 * settings.http_max_body_bytes, 2 * LARGEST_WEBHOOK),
        idle_seconds=settings.http_keep_alive_seconds,
        drain_seconds=settings.http_drain_seconds,
        on_refused=lambda status: rooms.reports.turned_away(UNKNOWN_CHANNEL, status),
    )


def _patience(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.accept_patience_seconds)


if __name__ == "__main__":
    main()
