"""What does Discord's Gateway say? Hello, sessions that can be resumed, dispatches, and its ways to end a connection.

https://docs.discord.com/developers/events/gateway · A session outlives its connections, and replays what was missed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from channels.payload import content, integer, mapping, string
from sandbox.provider import Line

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
CONTENT, KNOWN_INTENTS = 1 << 15, (1 << 26) - 1
# Of what happens in servers and in direct messages, the intents that it takes to be told.
INTENTS = {
    "MESSAGE_CREATE": (1 << 9, 1 << 12),
    "MESSAGE_UPDATE": (1 << 9, 1 << 12),
    "MESSAGE_DELETE": (1 << 9, 1 << 12),
    "MESSAGE_REACTION_ADD": (1 << 10, 1 << 13),
    "MESSAGE_REACTION_REMOVE": (1 << 10, 1 << 13),
    "GUILD_CREATE": (1 << 0, 1 << 0),
}
MOST_SESSIONS, MOST_REMEMBERED = 100, 1000
RESUMABLE_SECONDS = 120.0  # how long a session waits for its bot; the real ones do for some minutes
ENDS_SESSION = (1000, 1001)

Said = dict[str, Any]


@dataclass
class Session:
    """What one bot was told, and where it listens now."""

    id: str
    intents: int = 0
    told: list[Said] = field(default_factory=list)
    last: int = 0
    place: "Connection | None" = None
    left_at: float = 0.0


@dataclass(eq=False)
class Connection:
    """One WebSocket."""

    line: Line
    session: Session | None = None
    ended_here: bool = False  # then what is heard of the other side's goodbye is nobody's word

    def send(self, operation: int, said: Any, **more: Any) -> None:
        """One message."""
        told = {"op": operation, "d": said, "s": None, "t": None, **more}
        self.line.say(orjson.dumps(told).decode())

    def close(self, code: int) -> None:
        """Ends it, with Discord's word for why."""
        self.ended_here = True
        self.line.close(code)


@dataclass
class Gateway:
    """One bot's."""

    bot_token: str
    me: Mapping[str, Any]  # the bot's user
    clock: Callable[[], float] = lambda: 0.0  # seconds that only rise
    remaining: int = 1000  # sessions that may be begun
    beat_ms: int = 45_000
    acknowledges: bool = True  # False: the connection is a zombie
    may_read: bool = True  # the Message Content Intent is on
    guilds: list[Said] = field(default_factory=list)
    identified: list[Said] = field(default_factory=list)
    resumed: list[Said] = field(default_factory=list)
    beats: list[Any] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)  # with what clients closed
    sessions: dict[str, Session] = field(default_factory=dict)  # the oldest first
    connections: list[Connection] = field(default_factory=list)

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens in a session."""
        return any(each.session and not each.ended_here for each in self.connections)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody listens, or may resume a session and hear what was missed."""
        self._forget()
        return bool(self.sessions)

    def limit(self) -> Said:
        """What it says of how many sessions may be begun: https://docs.discord.com/developers/events/gateway"""
        return {"total": 1000, "remaining": self.remaining, "reset_after": 1000, "max_concurrency": 1}

    def opened(self, line: Line, query: Mapping[str, str]) -> Connection:
        """Somebody connected."""
        connection = Connection(line)
        self.connections.append(connection)
        if query.get("v") != "10" or query.get("encoding", "json") != "json":
            connection.close(4012)
        else:
            connection.send(HELLO, {"heartbeat_interval": self.beat_ms})
        return connection

    def heard(self, connection: Connection, text: str) -> None:
        """They said something."""
        said = content(text.encode())
        operation, told = said.get("op"), mapping(said.get("d"))
        if connection.ended_here:
            return
        if operation == HEARTBEAT:
            self.beats.append(said.get("d"))
            if self.acknowledges:
                connection.send(ACK, None)
        elif operation == IDENTIFY:
            self._begin(connection, told)
        elif operation == RESUME:
            self._go_on(connection, told)
        elif not said:
            connection.close(4002)
        elif connection.session is None:
            connection.close(4003)
        elif operation not in (3, 4, 8):  # presence, voice and members: nothing that is shown here
            connection.close(4001)

    def gone(self, connection: Connection, code: int | None) -> None:
        """They closed, or are not there any more. A session ends with a proper goodbye only."""
        self.closed += [] if connection.ended_here else [code]
        self.connections.remove(connection)
        session = connection.session
        if session and session.place is connection:
            session.place, session.left_at = None, self.clock()
            if code in ENDS_SESSION and not connection.ended_here:
                self.sessions.pop(session.id, None)

    def dispatch(self, name: str, said: Said) -> None:
        """Every session that wants to know is told, now or when it is resumed."""
        for session in self.sessions.values():
            in_server, direct = INTENTS.get(name, (0, 0))
            wanted = in_server if said.get("guild_id") or name == "GUILD_CREATE" else direct
            if not wanted or session.intents & wanted:
                self._tell(session, name, said=said)

    def is_told(self, said: Said) -> bool:
        """Whether a session that somebody listens in was told this."""
        live = [each for each in self.sessions.values() if each.place and not each.place.ended_here]
        return any(each["d"] is said for session in live for each in session.told)

    def ask_to_reconnect(self) -> None:
        """Discord does so now and then."""
        for each in list(self.connections):
            each.send(RECONNECT, None)

    def invalidate(self, *, resumable: bool = False) -> None:
        """The sessions are over, or only look so."""
        for each in list(self.connections):
            if not resumable and each.session:
                self.sessions.pop(each.session.id, None)
            each.send(INVALID, resumable)

    def ask_for_a_beat(self) -> None:
        """A sign of life is wanted at once."""
        for each in list(self.connections):
            each.send(HEARTBEAT, None)

    def close(self, code: int) -> None:
        """Every connection, with this code."""
        for each in list(self.connections):
            each.close(code)

    def _begin(self, connection: Connection, said: Said) -> None:
        self.identified.append(said)
        self.remaining -= 1
        intents = integer(said.get("intents"))
        if connection.session is not None:
            connection.close(4005)
        elif said.get("token") != self.bot_token:
            connection.close(4004)
        elif intents is None or not 0 <= intents <= KNOWN_INTENTS:
            connection.close(4013)
        elif intents & CONTENT and not self.may_read:
            connection.close(4014)
        else:
            self._greet(connection, intents)

    def _greet(self, connection: Connection, intents: int) -> None:
        session = Session(f"session-{len(self.identified)}", intents, place=connection)
        self.sessions[session.id] = connection.session = session
        while len(self.sessions) > MOST_SESSIONS:
            del self.sessions[next(iter(self.sessions))]
        ready = {
            "v": 10,
            "user": dict(self.me),
            "guilds": [{"id": each["id"], "unavailable": True} for each in self.guilds],
            "session_id": session.id,
            "resume_gateway_url": connection.line.url,
            "application": {"id": self.me["id"], "flags": 0},
            "session_type": "normal",
        }
        self._tell(session, "READY", said=ready)
        for guild in self.guilds:
            self._tell(session, "GUILD_CREATE", said=guild)

    def _go_on(self, connection: Connection, said: Said) -> None:
        self.resumed.append(said)
        self._forget()
        session, seq = self.sessions.get(string(said.get("session_id"))), integer(said.get("seq"))
        if session is None or said.get("token") != self.bot_token:
            connection.send(INVALID, False)
        elif seq is None or not 0 <= seq <= session.last:
            connection.close(4007)
        elif session.told and session.told[0]["s"] > seq + 1:  # too long ago
            del self.sessions[session.id]
            connection.send(INVALID, False)
        else:
            self._replay(connection, session, seq=seq)

    def _replay(self, connection: Connection, session: Session, *, seq: int) -> None:
        if session.place and session.place is not connection:
            session.place.session = None
            session.place.close(4000)
        connection.session, session.place = session, connection
        for each in session.told:
            if each["s"] > seq:
                connection.send(DISPATCH, each["d"], s=each["s"], t=each["t"])
        self._tell(session, "RESUMED", said={})

    def _forget(self) -> None:
        """Sessions to which nobody came back."""
        over = self.clock() - RESUMABLE_SECONDS
        for each in [each for each in self.sessions.values() if not each.place and each.left_at < over]:
            del self.sessions[each.id]

    def _tell(self, session: Session, name: str, *, said: Said) -> None:
        session.last += 1
        session.told.append({"s": session.last, "t": name, "d": said})
        del session.told[:-MOST_REMEMBERED]
        if session.place and not session.place.ended_here:
            session.place.send(DISPATCH, said, s=session.last, t=name)


def message(number: str, text: str, *, channel: str, author: str = "42", **more: Any) -> Said:
    """As a person writes it, in a server when one is named."""
    user = {"id": author, "username": "ann", "global_name": "Ann", "discriminator": "0", "avatar": None}
    blank: Said = {
        **{"tts": False, "mention_everyone": False, "mention_roles": [], "mentions": [], "attachments": []},
        **{"embeds": [], "pinned": False, "edited_timestamp": None, "flags": 0, "components": []},
    }
    said = {"id": number, "type": 0, "channel_id": channel, "content": text, "author": user}
    return {**blank, **said, "timestamp": "2026-11-27T18:00:00.000000+00:00", **more}
