"""What does Discord say when an interaction is answered, or a bot writes into a channel?

https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
https://docs.discord.com/developers/resources/message#create-message
Whoever listens at its Gateway hears ordinary messages; where nobody does, what is typed is a command.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from channels.channel import Unreadable, Webhook
from channels.discord import SIGNATURE, TIMESTAMP
from channels.discord_ids import id_at, id_of
from channels.payload import parse_json, string
from sandbox import formatting
from sandbox.files import Attached, File
from sandbox.provider import Account, Ask, Draw, Handset, Kept, Person, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import discord_application, discord_media
from sandbox.providers.discord_application import ME, Application
from sandbox.providers.discord_gateway import Gateway, message

LONGEST_TEXT, LONGEST_NONCE = 2000, 25
THINKING = 1 << 7
FIRST_PERSON = 990_000_000_000_000_001

_CHANNEL = re.compile(r"/channels/(?P<channel>[0-9]{1,19})/messages")
_MESSAGE = re.compile(r"/channels/(?P<channel>[0-9]{1,19})/messages/(?P<number>[0-9]{1,19})")
_TYPING = re.compile(r"/channels/(?P<channel>[0-9]{1,19})/typing")
_WEBHOOK = re.compile(r"/webhooks/(?P<application>[0-9]{1,19})/(?P<token>[^/]+)(?P<original>/messages/@original)?")

Message = dict[str, Any]


def made_up(draw: Draw) -> Mapping[str, str]:
    """An application of which we have both halves of the key, as otherwise Discord alone has."""
    private = draw(64)
    public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)).public_key().public_bytes_raw().hex()
    token = f"{draw(24)}.{draw(6)}.{draw(38)}"
    return {"DISCORD_BOT_TOKEN": token, "DISCORD_PUBLIC_KEY": public, "DISCORD_TEST_PRIVATE_KEY": private}


class Discord:
    """One application. Every interaction was answered with "thinking …", which the first reply takes the place of."""

    name = "discord"
    handsets = (
        Handset(
            channel="discord",
            title="Discord",
            skin=Skin(bar="#4f5bd5", mine="#e0e3ff", mine_dark="#3c45a5", wall="#ffffff", wall_dark="#313338"),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._token = account.values["DISCORD_BOT_TOKEN"]
        self._people: dict[str, str] = {}  # channel, or interaction's token -> person
        self._originals: dict[str, Message] = {}  # by interaction's token
        self._nonces: dict[tuple[str, str], Message] = {}
        self._media = discord_media.Media(account)
        self.socket = Gateway(self._token, ME, lambda: account.now().timestamp())
        self._application = Application(account, self.socket)
        self._ours: dict[tuple[str, str], Message] = {}  # by channel and id, as they stand there

    def person(self, number: int) -> Person:
        """By number."""
        return Person(str(FIRST_PERSON + number))

    def label(self, ask: Ask) -> str:
        """Without the interaction's token."""
        if _CHANNEL.fullmatch(ask.path) or _MESSAGE.fullmatch(ask.path):
            return f"{ask.method} message"
        if _TYPING.fullmatch(ask.path):
            return f"{ask.method} typing"
        if ask.path in discord_application.KINDS:
            return f"{ask.method} {discord_application.KINDS[ask.path]}"
        if ask.path.startswith("/attachments/"):
            return f"{ask.method} a file"
        found = _WEBHOOK.fullmatch(ask.path)
        return f"{ask.method} {'@original' if found and found['original'] else 'follow-up' if found else 'other'}"

    def answer(self, ask: Ask) -> Reply | Taken:
        """Into a channel with the bot's token, or by an interaction, whose token is all the proof that it needs."""
        if of_file := self._media.read(ask):
            return of_file
        if not ask.headers.get("user-agent", "").startswith("DiscordBot ("):
            return refused(403, 40333, message="internal network error")
        channel, webhook = _CHANNEL.fullmatch(ask.path), _WEBHOOK.fullmatch(ask.path)
        ours = _MESSAGE.fullmatch(ask.path)
        typing = _TYPING.fullmatch(ask.path)
        try:
            if ask.path in discord_application.KINDS:
                return self._application.answer(ask) if self._is_ours(ask) else UNAUTHORIZED
            if typing and ask.method == "POST":
                return self._see(ask, typing["channel"])
            if channel and ask.method in ("POST", "GET"):
                return self._in_channel(ask, channel["channel"])
            if ours and ask.method in ("PATCH", "DELETE"):
                return self._change(ask, ours["channel"], number=ours["number"])
            if webhook:
                return self._by_interaction(ask, webhook)
        except Unreadable:
            return refused(400, 50109, message="The request body contains invalid JSON.")
        return refused(404, 0, message="404: Not Found")

    def refuse(self, fault: str, seconds: int) -> Reply:
        """429 says when to come again, in the body and in a header."""
        if fault == "throttled":
            content = {"message": "You are being rate limited.", "retry_after": float(seconds), "global": False}
            return Reply(429, content, {"retry-after": str(seconds)})
        return refused(500, 0, message="500: Internal Server Error")

    def way(self, _channel: str) -> str:
        """A bot that listens hears what people write; commands come to its endpoint."""
        if self.socket.is_awaited:
            return "over the Gateway" if self.socket.is_heard else "over the Gateway, once it is resumed"
        return "by webhook, as the command /chat"

    def say(self, channel: str, words: Words) -> Webhook | Kept:
        """A direct message, or a /chat in one. Its interaction, and its channel, can be answered from now on."""
        if self.socket.is_awaited:
            return self._written(words)
        webhook = imitated(channel, words, account=self._account, message_id=self._account.draw(16))
        if self._application.endpoint or self._account.public_url:
            webhook = replace(webhook, url=self._application.endpoint)
        interaction = parse_json(webhook.body)
        if words.file:
            self._media.add(interaction, words.file, base_url=words.base_url)
            webhook = self._signed(webhook, interaction)
        token = string(interaction.get("token"))
        self._people |= dict.fromkeys((token, string(interaction.get("channel_id"))), words.person.id)
        self._originals[token] = {"id": string(interaction.get("id")), "content": "", "flags": THINKING, "type": 20}
        return webhook

    def _written(self, words: Words) -> Kept:
        """Told to every session, and heard when one is connected that it was told to."""
        channel = id_of(f"dm:{words.person.id}")
        self._people[channel] = words.person.id
        file = [self._media.described(words.file, channel, base_url=words.base_url)] if words.file else []
        said = message(
            id_at(words.now, self._account.draw(16)),
            words.text,
            channel=channel,
            author=words.person.id,
            channel_type=1,
            timestamp=words.now.isoformat(),
            attachments=file,
        )
        return Kept(
            "told over the Gateway",
            lambda: self.socket.dispatch("MESSAGE_CREATE", said),
            lambda: self.socket.is_told(said),
        )

    def receipt(self, _taken: Taken, _state: str, *, url: str) -> Webhook | None:
        """Discord has none."""
        del url
        return None

    def _signed(self, webhook: Webhook, interaction: Mapping[str, Any]) -> Webhook:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self._account.values["DISCORD_TEST_PRIVATE_KEY"]))
        body, stated = orjson.dumps(interaction), webhook.headers[TIMESTAMP]
        signature = key.sign(stated.encode() + body).hex()
        return replace(webhook, body=body, headers={**webhook.headers, SIGNATURE: signature})

    def _refusal(self, ask: Ask, channel: str) -> Reply | None:
        if not self._is_ours(ask):
            return UNAUTHORIZED
        return None if channel in self._people else refused(404, 10003, message="Unknown Channel")

    def _is_ours(self, ask: Ask) -> bool:
        stated = ask.headers.get("authorization", "").encode("latin-1", "replace")
        return hmac.compare_digest(stated, f"Bot {self._token}".encode())

    def _see(self, ask: Ask, channel: str) -> Reply:
        """For ten seconds at most. The real one answers 204."""
        sign = Sign("discord", self._people.get(channel, ""), writes_seconds=10)
        return self._refusal(ask, channel) or Reply(200, {}, sign=sign)

    def _in_channel(self, ask: Ask, channel: str) -> Reply | Taken:
        refusal = self._refusal(ask, channel)
        if refusal:
            return refusal
        if ask.method == "GET":
            here = [sent for (where, _), sent in self._ours.items() if where == channel]
            return Reply(200, here[::-1])
        body, file = discord_media.asked(ask)
        nonce = string(body.get("nonce"))
        known = self._nonces.get((channel, nonce))
        if known and body.get("enforce_nonce") is True:
            return Reply(200, known)
        if wrong := _wrong(body, file):
            return wrong
        sent = self._new(body, channel)
        if file:
            sent["attachments"] = [self._media.described(file, channel, base_url=ask.base_url)]

        def keep() -> None:
            self._nonces[channel, nonce] = self._ours[channel, sent["id"]] = sent
            self.socket.dispatch("MESSAGE_CREATE", sent)  # a bot hears itself, too

        return self._taken(channel, sent, file=file, keep=keep)

    def _change(self, ask: Ask, channel: str, *, number: str) -> Reply | Taken:
        """One of ours says something else, or goes. The real one answers a deletion with 204."""
        refusal, known = self._refusal(ask, channel), self._ours.get((channel, number))
        if refusal or known is None:
            return refusal or refused(404, 10008, message="Unknown Message")
        if ask.method == "DELETE":

            def forget() -> None:
                del self._ours[channel, number]
                self.socket.dispatch("MESSAGE_DELETE", {"id": number, "channel_id": channel})

            return replace(self._taken(channel, known, keep=forget), reply=Reply(200, {}), deletes=True)
        body = parse_json(ask.body)
        changed = known | {"content": body.get("content"), "edited_timestamp": self._account.now().isoformat()}

        def keep() -> None:
            self._ours[channel, number] = changed
            self.socket.dispatch("MESSAGE_UPDATE", changed)

        return _wrong(body, None) or replace(self._taken(channel, changed, keep=keep), edits=True)

    def _by_interaction(self, ask: Ask, webhook: "re.Match[str]") -> Reply | Taken:
        token = webhook["token"]
        original = self._originals.get(token)
        if original is None:
            return refused(401, 50027, message="Invalid Webhook Token")
        if ask.method == "GET" and webhook["original"]:
            return Reply(200, original)
        if ask.method != ("PATCH" if webhook["original"] else "POST"):
            return refused(405, 0, message="405: Method Not Allowed")
        body = parse_json(ask.body)
        wrong = _wrong(body, None)
        if wrong or not webhook["original"]:
            return wrong or self._taken(token, self._new(body, token), keep=lambda: None)
        if original["content"] == body["content"]:
            return Reply(200, original)  # to say the same again changes nothing
        edited = original | {"content": body["content"], "flags": 0}
        return self._taken(token, edited, keep=lambda: self._originals.update({token: edited}))

    def _taken(self, where: str, message: Message, *, keep: Any, file: File | None = None) -> Taken:
        reply, runs = Reply(200, message), formatting.discord(message["content"] or "")
        text, attached = formatting.plain(runs), Attached(file) if file else None
        return Taken(
            "discord", self._people[where], message["id"], text, reply, runs=runs, attached=attached, keep=keep
        )

    def _new(self, body: Message, where: str) -> Message:
        now = self._account.now()
        sent = message(id_at(now, self._account.draw(16)), string(body.get("content")), channel=where)
        sent |= {name: body[name] for name in ("message_reference",) if body.get(name)}
        return sent | {"author": ME, "flags": body.get("flags", 0), "timestamp": now.isoformat()}


def refused(status: int, code: int, *, message: str) -> Reply:
    """Discord's own shape of an error."""
    return Reply(status, {"message": message, "code": code})


UNAUTHORIZED = refused(401, 0, message="401: Unauthorized")


def _wrong(body: Message, file: File | None) -> Reply | None:
    content = body.get("content", "")
    if file and len(file.content) > discord_media.LARGEST:
        return refused(413, 40005, message="Request entity too large")
    if not isinstance(content, str) or not (content.strip() or file):
        return refused(400, 50006, message="Cannot send an empty message")
    if len(content) > LONGEST_TEXT or len(string(body.get("nonce"))) > LONGEST_NONCE:
        return refused(400, 50035, message="Invalid Form Body")
    return None
