"""How are ordinary messages on Discord heard? Over a WebSocket that is kept alive, and resumed where it broke.

https://docs.discord.com/developers/events/gateway · One connection hears all of a bot's servers, up to 2,500; a bot in
more needs several (sharding), which Discord then says and Parley does not do. Everything that waits to be taken in is
kept here, and the cursor stands before it: who resumes with it, in whatever process, hears it again.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from channels import discord_errors
from channels.channel import Call, DeliveryError, Unauthorized, Unavailable
from channels.discord_hearing import Hearing
from channels.discord_ids import is_id
from channels.discord_messages import is_dispatch
from channels.discord_replies import API_BASE_URL, TIMEOUT_SECONDS, USER_AGENT
from channels.discord_session import Session, is_token
from channels.listening import (
    Closed,
    Connect,
    HangUp,
    Hear,
    Heard,
    Listened,
    Note,
    Pause,
    Say,
    Steps,
    Take,
    wait_seconds,
)
from channels.payload import content, integer, mapping, parse_json, string

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, CONTENT = 1 << 0, 1 << 9, 1 << 12, 1 << 15
REACTIONS = 1 << 10 | 1 << 13  # in servers, in direct messages
LEAVES = 4000  # neither 1000 nor 1001, which end the session
HELLO_SECONDS = 20.0
AGAIN_SECONDS = 1.0  # while storage is away
MOST_WAITING = 1000
BETWEEN_IDENTIFIES = 5.0
_NO_CONTENT = "Message Content Intent is off: what does not mention the bot, in a server, is not heard"
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
_FATAL = {
    4004: "Discord does not know this bot_token",
    4010: "Discord refuses the connection (invalid shard)",
    4011: "the bot is in more servers than one connection hears: sharding is needed, which Parley does not do",
    4012: "Discord takes this version of its Gateway no more",
    4013: "Discord refuses the intents",
    4014: "Discord refuses the intents",
}
_DISALLOWED = 4014
_SESSION_IS_OVER = frozenset({4003, 4007, 4009})


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection came to an end."""

    reason: str
    usual: bool = False  # Discord asks for it now and then


class DiscordGateway:
    """A bot's."""

    replaces_webhook = False
    told = "Parley keeps a connection to Discord: messages are heard, and commands need no public address"

    def listen(self, listened: Listened) -> Steps:
        """Connects, listens, resumes, for ever."""
        return _Bot(listened).listen()


class _Bot:
    """One bot's connection, and what waits to be taken in."""

    def __init__(self, listened: Listened) -> None:
        self._listened = listened
        self._token = listened.credentials.get("bot_token", "")
        self._base = (listened.api_base_url or API_BASE_URL).rstrip("/")
        self._session = Session.read(listened.cursor)
        self._hearing = Hearing(listened.options, self._session.me)
        self._waiting: deque[tuple[int, bytes]] = deque()  # number of the dispatch, body
        self._content = CONTENT
        self._identified_at: float | None = None
        self._beat_at = 0.0
        self._interval = 0.0
        self._answered = True
        self._good = False

    def listen(self) -> Steps:
        if not is_token(self._token):
            raise Unauthorized("the bot token is not one")
        failures = 0
        while True:
            self._good = False
            try:
                ended = yield from self._connection()
            except Unauthorized:
                raise
            except DeliveryError as failure:
                ended = Ended(str(failure))
            failures = 0 if self._good else failures + 1
            yield Note("connecting" if ended.usual else "troubled", ended.reason, self._cursor())
            yield Pause(wait_seconds(max(1, failures), self._listened.draw))
            while self._waiting and (yield from self._drained()):
                yield Pause(AGAIN_SECONDS)

    def _connection(self) -> Steps:
        url = self._session.url or (yield from self._door())
        yield Connect(f"{url.rstrip('/')}/?v=10&encoding=json")
        yield from self._greeted()
        while True:
            if self._listened.clock() >= self._beat_at:
                if not self._answered:
                    yield HangUp(LEAVES)
                    return Ended("a sign of life was not answered")
                yield from self._beat()
                self._beat_at = self._listened.clock() + self._interval
                self._answered = False
            full = len(self._waiting) >= MOST_WAITING
            if full:
                yield HangUp(LEAVES)
                return Ended("storage takes nothing now")
            heard = yield Hear(self._patience())
            ended = yield from self._understood(heard)
            if ended is not None:
                yield HangUp(LEAVES)
                return ended
            yield from self._drained()

    def _door(self) -> Steps:
        """Where to begin a session. So many may be begun in a day; a bot that begins more loses its token."""
        answer = yield self._call("GET", "/gateway/bot")
        told = discord_errors.content(answer)
        url = string(told.get("url"))
        if not 200 <= answer.status < 300 or not url:
            raise discord_errors.failure(answer)
        limit = mapping(told.get("session_start_limit"))
        if integer(limit.get("remaining")) == 0:
            seconds = (integer(limit.get("reset_after")) or 60_000) / 1000
            yield Note("troubled", "no session may be begun any more today; Discord says when")
            yield Pause(seconds)
        if self._identified_at is not None:
            yield Pause(max(0.0, self._identified_at + BETWEEN_IDENTIFIES - self._listened.clock()))
        return url

    def _greeted(self) -> Steps:
        """Hello says how often to give a sign of life; then a session is resumed, or begun."""
        heard = yield Hear(HELLO_SECONDS)
        said = _content(heard)
        interval = integer(mapping(said.get("d")).get("heartbeat_interval"))
        if isinstance(heard, Closed) and heard.code in _FATAL:
            raise Unauthorized(_FATAL[heard.code], provider_code=str(heard.code))
        if said.get("op") != HELLO or not interval or interval < 0:
            yield HangUp(LEAVES)
            raise Unavailable("Discord did not say hello")
        self._interval, self._answered = interval / 1000, True
        self._beat_at = self._listened.clock() + self._interval * self._listened.draw()
        if self._session.id:
            resumed = {"token": self._token, "session_id": self._session.id, "seq": self._session.seq}
            yield _say(RESUME, resumed)
            return
        self._identified_at = self._listened.clock()
        yield _say(IDENTIFY, self._identity())

    def _identity(self) -> Mapping[str, Any]:
        return {
            "token": self._token,
            "intents": GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES | REACTIONS | self._content,
            "properties": {"os": "linux", "browser": "parley", "device": "parley"},
        }

    def _understood(self, heard: Heard | Closed | None) -> Steps:
        """What a message, or none, means: Ended, or None to go on."""
        if isinstance(heard, Closed):
            return self._closed(heard.code)
        said = _content(heard)
        operation = said.get("op")
        if operation == DISPATCH:
            yield from self._dispatched(said)
        elif operation == HEARTBEAT:
            yield from self._beat()
        elif operation == ACK:
            self._answered = True
        elif operation == RECONNECT:
            return Ended("Discord asks to connect anew", usual=True)
        elif operation == INVALID:
            if said.get("d") is not True:
                self._session = Session()
            yield Pause(1 + 4 * self._listened.draw())
            return Ended("the session is over", usual=True)
        return None

    def _closed(self, code: int) -> Ended:
        if code == _DISALLOWED and self._content:
            self._content, self._session = 0, Session()
            return Ended(_NO_CONTENT)
        if code in _FATAL:
            raise Unauthorized(_FATAL[code], provider_code=str(code))
        if code in _SESSION_IS_OVER:
            self._session = Session()
        return Ended(f"the connection was closed ({code})")

    def _dispatched(self, said: dict[str, Any]) -> Steps:
        number, name, content = integer(said.get("s")), said.get("t"), mapping(said.get("d"))
        if number is not None:
            self._session = self._session.at(number)
        if name == "READY":
            self._session = self._session.begun(content)
            self._hearing.begin(self._session.me)
        if name in ("READY", "RESUMED"):
            self._good = True
            yield Note("listening", "" if self._content else _NO_CONTENT, self._cursor())
        body = yield from self._hearing.heard(said, self._call)
        if body is not None:
            self._waiting.append((self._session.seq, body))

    def _drained(self) -> Steps:
        """Takes in what waits, in its order. True when storage takes nothing now."""
        while self._waiting:
            taken = yield Take(self._waiting[0][1])
            if taken is None:
                yield Note("listening", "storage takes nothing now", self._cursor())
                return True
            _, body = self._waiting.popleft()
            yield Note("listening" if self._good else "connecting", cursor=self._cursor())
            yield from self._answer(body, taken.answer)
        return False

    def _answer(self, body: bytes, answer: bytes) -> Steps:
        """An interaction wants its answer within three seconds; one that comes too late is none."""
        interaction = parse_json(body)
        number, token = string(interaction.get("id")), string(interaction.get("token"))
        if is_dispatch(interaction) or not answer or not is_id(number):
            return
        place = f"/interactions/{number}/{quote(token, safe='')}/callback"
        try:
            yield self._call("POST", place, body=answer)
        except DeliveryError:
            return

    def _beat(self) -> Steps:
        yield _say(HEARTBEAT, self._session.seq or None)

    def _patience(self) -> float:
        left = max(0.0, self._beat_at - self._listened.clock())
        return min(left, AGAIN_SECONDS) if self._waiting else left

    def _cursor(self) -> str:
        """Before all that waits."""
        return self._session.written(self._waiting[0][0] - 1 if self._waiting else self._session.seq)

    def _call(self, method: str, path: str, *, body: bytes = b"") -> Call:
        headers = {"user-agent": USER_AGENT, "accept": "application/json", "authorization": f"Bot {self._token}"}
        if body:
            headers["content-type"] = "application/json"
        return Call(method, self._base + path, headers, body, TIMEOUT_SECONDS)


def _say(operation: int, content: object) -> Say:
    return Say(orjson.dumps({"op": operation, "d": content}).decode())


def _content(heard: Heard | Closed | None) -> dict[str, Any]:
    """What is no JSON says nothing."""
    return content(heard.text.encode()) if isinstance(heard, Heard) else {}
