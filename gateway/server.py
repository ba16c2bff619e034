"""The front door: which URL leads to which room. Everything that a room needs is made elsewhere and passed in."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from channels.channel import Channel
from gateway import body as bodies
from gateway import envelope
from gateway.addresses import Addresses
from gateway.backends.conversations import Conversations
from gateway.backends.desk import Desk
from gateway.backends.media import Media
from gateway.backends.neighbours import Neighbours
from gateway.domain.first_words import FirstWords
from gateway.domain.limits import Places, RateLimit
from gateway.domain.reception import Reception
from gateway.domain.sessions import Sessions
from gateway.front import Front
from gateway.reporting import Reports
from gateway.routes import channel_accounts, chat, deliveries, described, desk, inspector, media, page, probes, turns
from gateway.routes.inspector import Inspection
from gateway.routes.stream import Stream
from gateway.routes.visitors import Door
from gateway.routes.webhooks import Webhooks
from kit import errors


@dataclass(frozen=True, slots=True)
class Rooms:
    """What stands behind the doors."""

    channels: Mapping[str, Channel]
    reception: Reception
    sessions: Sessions
    conversations: Conversations
    neighbours: Neighbours
    addresses: Addresses
    session_limit: RateLimit
    places: Places
    first_words: FirstWords
    is_open: Callable[[], bool]
    stopping: asyncio.Event
    reports: Reports
    now: Callable[[], datetime]
    most_body_bytes: int
    most_stream_seconds: float
    media: Media
    desk: Desk
    inspection: Inspection | None = None


def application(rooms: Rooms) -> ASGIApp:
    """The application that uvicorn runs."""
    app = FastAPI(
        title="Parley",
        version="1",
        description=described.ABOUT,
        docs_url=None,  # the framework's own page loads its scripts from another host
        redoc_url=None,
        openapi_url="/openapi.json",
        exception_handlers={
            errors.ParleyError: envelope.on_parley_error,
            HTTPException: envelope.on_http_error,
            RequestValidationError: envelope.on_invalid,
            bodies.Gone: envelope.on_gone,
            Exception: envelope.on_fault,
        },
    )
    app.router.routes.extend(
        [
            *page.routes(rooms.sessions.embedders),
            *probes.routes(rooms.neighbours, rooms.is_open),
            *media.routes(rooms.media),
            _events(rooms),
        ]
    )
    app.include_router(chat.router(_chat(rooms)))
    app.include_router(desk.router(desk.Opened(rooms.desk)))
    app.include_router(deliveries.router(deliveries.Opened(rooms.desk)))
    app.include_router(channel_accounts.router(channel_accounts.Opened(rooms.desk)))
    app.include_router(turns.router(turns.Opened(rooms.desk)))
    webhooks = _webhooks(rooms)
    if rooms.inspection is not None:
        _add_inspector(app, rooms.inspection, rooms=rooms, webhooks=webhooks)
    described.complete(app)
    return Front(app, webhooks)


def _webhooks(rooms: Rooms) -> Webhooks:
    return Webhooks(
        rooms.reception,
        rooms.channels,
        addresses=rooms.addresses,
        most_body_bytes=rooms.most_body_bytes,
        now=rooms.now,
        reports=rooms.reports,
        inspector=rooms.inspection.inspector if rooms.inspection else None,
    )


def _add_inspector(app: FastAPI, inspection: Inspection, *, rooms: Rooms, webhooks: Webhooks) -> None:
    app.router.routes.extend(page.inspector_routes())
    opened = inspector.Opened(inspection, webhooks, rooms.addresses, rooms.channels, rooms.stopping)
    app.include_router(inspector.router(opened))


def _chat(rooms: Rooms) -> chat.Chat:
    channel = rooms.channels["webchat"]
    return chat.Chat(
        _door(rooms), channel, rooms.conversations, rooms.neighbours, rooms.reports, first_words=rooms.first_words
    )


def _events(rooms: Rooms) -> Route:
    stream = Stream(
        _door(rooms),
        rooms.conversations,
        places=rooms.places,
        first_words=rooms.first_words,
        most_seconds=rooms.most_stream_seconds,
        stopping=rooms.stopping,
    )
    return Route("/v1/chat/events", stream, methods=["GET"], include_in_schema=False)


def _door(rooms: Rooms) -> Door:
    complaints = RateLimit(1, timedelta(hours=1), clock=time.monotonic)
    return Door(rooms.sessions, rooms.reception, rooms.addresses, rooms.session_limit, complaints, rooms.now)
