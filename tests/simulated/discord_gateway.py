"""What does Discord's Gateway say? Hello, sessions that can be resumed, dispatches, and its ways to end a connection.

https://docs.discord.com/developers/events/gateway · A session outlives its connections, and replays what was missed.
"""

import contextlib
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

ME = "1029384756"
CONTENT = 1 << 15
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11

Said = dict[str, Any]


@dataclass
class Session:
    """What one bot was told, and where it listens now."""

    id: str
    told: list[Said] = field(default_factory=list)
    place: "Connection | None" = None


@dataclass
class Connection:
    """One WebSocket; a client that asked for it is sent everything compressed, as one stream."""

    socket: web.WebSocketResponse
    squeeze: Any = None
    session: Session | None = None
    ended_here: bool = False  # then what aiohttp says of the other side's goodbye is its own invention

    async def send(self, operation: int, content: Any, **more: Any) -> None:
        text = json.dumps({"op": operation, "d": content, "s": None, "t": None, **more})
        if self.squeeze is None:
            await self.socket.send_str(text)
            return
        packed = self.squeeze.compress(text.encode()) + self.squeeze.flush(zlib.Z_SYNC_FLUSH)
        await self.socket.send_bytes(packed)


@dataclass
class Gateway:
    """One bot's."""

    bot_token: str
    remaining: int = 1000  # sessions that may be begun
    beat_ms: int = 45_000
    acknowledges: bool = True  # False: the connection is a zombie
    may_read: bool = True  # the Message Content Intent is on
    guilds: list[Said] = field(default_factory=list)
    identified: list[Said] = field(default_factory=list)
    resumed: list[Said] = field(default_factory=list)
    beats: list[Any] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)  # with what clients closed
    sessions: dict[str, Session] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens in a session."""
        return any(each.session and not each.socket.closed for each in self.connections)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self.close(1001)
        if self._runner is not None:
            await self._runner.cleanup()

    async def dispatch(self, name: str, content: Said) -> None:
        """Every session is told, now or when it is resumed."""
        for session in self.sessions.values():
            await self._tell(session, name, content)

    async def ask_to_reconnect(self) -> None:
        for each in list(self.connections):
            await each.send(RECONNECT, None)

    async def invalidate(self, *, resumable: bool = False) -> None:
        for each in list(self.connections):
            if not resumable and each.session:
                self.sessions.pop(each.session.id, None)
            await each.send(INVALID, resumable)

    async def ask_for_a_beat(self) -> None:
        for each in list(self.connections):
            await each.send(HEARTBEAT, None)

    async def close(self, code: int) -> None:
        for each in list(self.connections):
            each.ended_here = True
            await each.socket.close(code=code)

    async def drop(self) -> None:
        """The network is gone, without a word."""
        for each in list(self.connections):
            transport = each.socket._req.transport if each.socket._req else None  # no public way to break off
            if transport is not None:
                transport.abort()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        assert request.query["v"] == "10"
        assert request.query["encoding"] == "json"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        squeeze = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        connection = Connection(socket, squeeze)
        self.connections.append(connection)
        await connection.send(HELLO, {"heartbeat_interval": self.beat_ms})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._heard(connection, json.loads(message.data))
        self.closed += [] if connection.ended_here else [socket.close_code]
        self.connections.remove(connection)
        if connection.session and connection.session.place is connection:
            connection.session.place = None
            if socket.close_code in (1000, 1001) and not connection.ended_here:
                self.sessions.pop(connection.session.id, None)
        return socket

    async def _heard(self, connection: Connection, said: Said) -> None:
        if said["op"] == HEARTBEAT:
            self.beats.append(said["d"])
            if self.acknowledges:
                await connection.send(ACK, None)
        elif said["op"] == IDENTIFY:
            await self._begin(connection, said["d"])
        elif said["op"] == RESUME:
            await self._go_on(connection, said["d"])

    async def _begin(self, connection: Connection, said: Said) -> None:
        self.identified.append(said)
        self.remaining -= 1
        if said["token"] != self.bot_token:
            await connection.socket.close(code=4004)
            return
        if said["intents"] & CONTENT and not self.may_read:
            await connection.socket.close(code=4014)
            return
        session = Session(f"session-{len(self.identified)}", place=connection)
        self.sessions[session.id] = connection.session = session
        ready = {
            "v": 10,
            "user": {"id": ME, "username": "parley", "discriminator": "0000", "avatar": None, "bot": True},
            "guilds": [{"id": each["id"], "unavailable": True} for each in self.guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "application": {"id": ME, "flags": 0},
            "session_type": "normal",
        }
        await self._tell(session, "READY", ready)
        for guild in self.guilds:
            await self._tell(session, "GUILD_CREATE", guild)

    async def _go_on(self, connection: Connection, said: Said) -> None:
        self.resumed.append(said)
        session = self.sessions.get(said["session_id"])
        if session is None or said["token"] != self.bot_token:
            await connection.send(INVALID, False)
            return
        connection.session, session.place = session, connection
        for each in session.told:
            if each["s"] > said["seq"]:
                await connection.send(DISPATCH, each["d"], s=each["s"], t=each["t"])
        await self._tell(session, "RESUMED", {})

    async def _tell(self, session: Session, name: str, content: Said) -> None:
        said = {"s": len(session.told) + 1, "t": name, "d": content}
        session.told.append(said)
        if session.place and not session.place.socket.closed:
            with contextlib.suppress(ConnectionError):  # it is about to be noticed that nobody is there any more
                await session.place.send(DISPATCH, content, s=said["s"], t=name)


def message(number: str, text: str, *, channel: str, author: str = "42", **more: Any) -> Said:
    """As a person writes it, in a server when one is named."""
    user = {"id": author, "username": "ann", "global_name": "Ann", "discriminator": "0", "avatar": None}
    blank: Said = {
        **{"tts": False, "mention_everyone": False, "mention_roles": [], "mentions": [], "attachments": []},
        **{"embeds": [], "pinned": False, "edited_timestamp": None, "flags": 0, "components": []},
    }
    said = {"id": number, "type": 0, "channel_id": channel, "content": text, "author": user}
    return {**blank, **said, "timestamp": "2026-11-27T18:00:00.000000+00:00", **more}


def me() -> Said:
    """Of a mention."""
    return {"id": ME, "username": "parley", "global_name": None, "bot": True, "discriminator": "0000", "avatar": None}
