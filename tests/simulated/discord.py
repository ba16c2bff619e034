"""What does Discord's REST API say when it is asked to send? Messages, replies to interactions, its ways to refuse.

`python -m tests.simulated.discord --port 8083 --mode ok`. Modes: ok · slow:S · lost (what is new is taken, then the
connection drops) · hang · down (502) · throttled:S · forbidden · gone (no such channel) · ended (of tokens).
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulated.discord_gateway import ME, Gateway
from tests.simulated.standing import main
from tests.simulated.wire import HttpServer, Reply, Request, Send, Sends, answer, mode_of, now

BOT_TOKEN = "discord.bot-token.for-tests-only"
# A key pair of nobody: with it a test plays Discord.
PRIVATE_KEY = "02" * 32
PUBLIC_KEY = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"
LONGEST_TEXT = 2000
THINKING = 1 << 7
_CHANNEL = re.compile(r"/channels/(?P<channel>[0-9]+)/messages")
_MESSAGE = re.compile(r"/channels/(?P<channel>[0-9]+)/messages/(?P<number>[0-9]+)")
_LOOKED_AT = re.compile(r"/channels/(?P<channel>[0-9]+)")
_CALLBACK = re.compile(r"/interactions/(?P<id>[0-9]+)/[^/]+/callback")
_TYPING = re.compile(r"/channels/(?P<channel>[0-9]+)/typing")
_WEBHOOK = re.compile(r"/webhooks/(?P<application>[0-9]+)/(?P<token>[^/]+)(?P<original>/messages/@original)?")
_REFUSALS = {
    "forbidden": (403, 50013, "Missing Permissions"),
    "gone": (404, 10003, "Unknown Channel"),
}

Message = dict[str, Any]


@dataclass
class Discord:
    """One application at Discord. Every token is an interaction's that was answered with "thinking …"."""

    mode: str = "ok"
    port: int = 0
    log: Path | None = None
    bot_token: str = BOT_TOKEN
    public_key: str = "ab" * 32
    endpoint: str | None = None  # where interactions go; taken as it is, where the real one tries it out first
    requests: int = 0
    refused: int = 0
    asked: list[str] = field(default_factory=list)  # method and path of each request, tokens included
    signals: list[str] = field(default_factory=list)  # channels
    kinds: dict[str, int] = field(default_factory=dict)  # of channels; those not named here are of texts
    callbacks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # to interactions
    gateway: Gateway = field(init=False)
    sends: Sends = field(init=False)
    server: HttpServer = field(init=False)
    originals: dict[str, Message] = field(default_factory=dict)  # by interaction's token
    standing: dict[str, dict[str, Message]] = field(default_factory=dict)  # by channel and id, as they stand there now
    edits: list[tuple[str, str]] = field(default_factory=list)  # channel, text
    editable: bool = True
    _by_nonce: dict[tuple[str, str], Message] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sends = Sends(self.log)
        self.server = HttpServer(self._answer, self.port)
        self.gateway = Gateway(self.bot_token)

    async def start(self) -> None:
        await self.server.listen()
        await self.gateway.start()

    async def stop(self) -> None:
        await self.server.refuse()
        await self.gateway.stop()
        self.sends.close()

    def _answer(self, request: Request) -> Reply:
        self.requests += 1
        self.asked.append(f"{request.method} {request.path}")
        word, number = mode_of(self.mode)
        if word == "hang":
            return Reply(0)
        if word == "down":
            return Reply(502, b"<html>")
        if not request.headers.get("user-agent", "").startswith("DiscordBot ("):
            return self._refuse(403, 40333, "set a proper User Agent")
        if word == "throttled":
            return answer(429, {"message": "You are being rate limited.", "retry_after": number, "global": False})
        if request.path == "/applications/@me":
            return self._application(request)
        if callback := _CALLBACK.fullmatch(request.path):
            self.callbacks.append((callback["id"], json.loads(request.body)))
            return Reply(204)
        if request.method == "GET" and (known := self._known(request)):
            return known
        if typing := _TYPING.fullmatch(request.path):
            if request.headers.get("authorization") != f"Bot {self.bot_token}":
                return self._refuse(401, 0, "401: Unauthorized")
            self.signals.append(typing["channel"])
            return Reply(204)
        if message := _MESSAGE.fullmatch(request.path):
            return self._of_message(request, message["channel"], message["number"])
        if channel := _CHANNEL.fullmatch(request.path):
            return self._in_channel(request, channel["channel"])
        if webhook := _WEBHOOK.fullmatch(request.path):
            return self._by_interaction(request, webhook)
        return self._refuse(404, 0, "404: Not Found")

    def shown(self, channel: str) -> list[str]:
        """What people see of us."""
        return [each["content"] for each in list(self.standing.get(channel, {}).values())]

    def _of_message(self, request: Request, channel: str, number: str) -> Reply:
        """Edited, or deleted."""
        if request.headers.get("authorization") != f"Bot {self.bot_token}":
            return self._refuse(401, 0, "401: Unauthorized")
        known = self.standing.get(channel, {}).get(number)
        if known is None:
            return self._refuse(404, 10008, "Unknown Message")
        if request.method == "DELETE":
            del self.standing[channel][number]
            return Reply(204)
        if not self.editable:
            return answer(429, {"message": "You are being rate limited.", "retry_after": 30.0, "global": False})
        body = json.loads(request.body)
        if wrong := self._wrong(body):
            return wrong
        self.edits.append((channel, body["content"]))
        known["content"] = body["content"]
        return self._given(known)

    def _known(self, request: Request) -> Reply | None:
        """What a bot may look up about itself, where it is heard, and channels."""
        channel = _LOOKED_AT.fullmatch(request.path)
        me = {"id": ME, "username": "parley", "discriminator": "0000", "avatar": None, "bot": True}
        limit = {"total": 1000, "remaining": self.gateway.remaining, "reset_after": 1000, "max_concurrency": 1}
        told: dict[str, Any] = {
            "/gateway": {"url": self.gateway.url},
            "/gateway/bot": {"url": self.gateway.url, "shards": 1, "session_start_limit": limit},
            "/users/@me": me,
            "/oauth2/applications/@me": {
                **{"id": ME, "name": "Parley", "icon": None, "description": "", "bot_public": True},
                **{"bot_require_code_grant": False, "verify_key": self.public_key, "flags": 0, "summary": ""},
                "owner": {"id": "42", "username": "ann", "discriminator": "0", "avatar": None},
            },
        }
        if not channel and request.path not in told:
            return None
        if request.headers.get("authorization") != f"Bot {self.bot_token}":
            return self._refuse(401, 0, "401: Unauthorized")
        if channel:
            return answer(200, {"id": channel["channel"], "type": self.kinds.get(channel["channel"], 0)})
        return answer(200, told[request.path])

    def _application(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bot {self.bot_token}":
            return self._refuse(401, 0, "401: Unauthorized")
        if request.method == "PATCH":
            self.endpoint = json.loads(request.body)["interactions_endpoint_url"]
        told = {"id": "1029384756", "name": "Parley", "verify_key": self.public_key}
        return answer(200, {**told, "interactions_endpoint_url": self.endpoint})

    def _in_channel(self, request: Request, channel: str) -> Reply:
        word, _ = mode_of(self.mode)
        if request.headers.get("authorization") != f"Bot {self.bot_token}":
            return self._refuse(401, 0, "401: Unauthorized")
        if word in _REFUSALS:
            return self._refuse(*_REFUSALS[word])
        if request.method == "GET":
            return answer(200, list(self.standing.get(channel, {}).values())[::-1])
        body = json.loads(request.body)
        known = self._by_nonce.get((channel, str(body.get("nonce"))))
        if known and body.get("enforce_nonce") is True:
            return answer(200, known)
        if wrong := self._wrong(body):
            return wrong
        message = self._new(body, to=channel)
        self._by_nonce[channel, str(body.get("nonce"))] = message
        self.standing.setdefault(channel, {})[message["id"]] = message
        return self._given(message)

    def _by_interaction(self, request: Request, webhook: "re.Match[str]") -> Reply:
        word, _ = mode_of(self.mode)
        token = webhook["token"]
        if word == "ended":
            return self._refuse(401, 50027, "Invalid Webhook Token")
        original = self.originals.setdefault(token, {"id": "1", "content": "", "flags": THINKING})
        if request.method == "GET":
            return answer(200, original)
        body = json.loads(request.body)
        if wrong := self._wrong(body):
            return wrong
        if not webhook["original"]:
            return self._given(self._new(body, to=token))
        if original["content"] == body["content"]:
            return answer(200, original)
        self.originals[token] = message = self._new(body, to=token)
        return self._given(message)

    def _new(self, body: dict[str, Any], *, to: str) -> Message:
        number = str(990000000000000000 + len(self.sends.all))
        self.sends.add(Send(now(), to, "bot", body["content"], number))
        known = {"id": number, "content": body["content"], "flags": body.get("flags", 0), "type": 0}
        return known | {"author": {"id": ME, "bot": True}, "message_reference": body.get("message_reference")}

    def _given(self, message: Message) -> Reply:
        """The answer to what is new."""
        word, number = mode_of(self.mode)
        if word == "lost":
            return Reply(0, hangs_up=True)
        return answer(200, message, after_seconds=number if word == "slow" else 0.0)

    def _wrong(self, body: dict[str, Any]) -> Reply | None:
        content = body.get("content") or ""
        if not content.strip():
            return self._refuse(400, 50006, "Cannot send an empty message")
        if len(content) > LONGEST_TEXT or len(str(body.get("nonce", ""))) > 25:
            return self._refuse(400, 50035, "Invalid Form Body")
        return None

    def _refuse(self, status: int, code: int, message: str) -> Reply:
        self.refused += 1
        return answer(status, {"message": message, "code": code})


if __name__ == "__main__":
    main(Discord, about=__doc__, bot_token=BOT_TOKEN)
