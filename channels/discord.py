"""What is a Discord bot's webhook, and how is it believed? Interactions: commands, buttons, menus and forms.

https://docs.discord.com/developers/interactions/overview#setting-up-an-endpoint
Discord sends forged ones on purpose, and takes the URL away from whoever believes them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from channels import discord_drafts, discord_interactions, discord_messages, discord_replies
from channels.channel import (
    BadSignature,
    Capabilities,
    CredentialField,
    Credentials,
    Decoded,
    Flow,
    HttpAnswer,
    Imitation,
    Markup,
    Outgoing,
    Sent,
    Stale,
    Unauthorized,
    Webhook,
)
from channels.discord_ids import is_id
from channels.failures import error
from channels.files import EVERY_KIND, File
from channels.media import Download, Finding, Wanted, Way, fixed
from channels.payload import parse_json
from channels.presence import DraftManners, Drawing, Gesture, SignalKind
from channels.proof import Unsigned
from channels.rates import Rate, Rates, each

SIGNATURE, TIMESTAMP = "x-signature-ed25519", "x-signature-timestamp"
MEDIA_HOSTS = ("cdn.discordapp.com", "media.discordapp.net")
FRESH_SECONDS = 300  # Discord names no bound; it waits 3 seconds for an answer

_KEY = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_SIGNED = re.compile(r"[0-9a-fA-F]{128}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)

# 50 a second for the bot; a channel's own bucket, five in five seconds today, is Discord's to change.
# https://docs.discord.com/developers/topics/rate-limits#global-rate-limit
RATES = Rates(account=Rate(40, burst=10), chat=each(Rate(1, burst=5)))


class Discord:
    """A bot, by its interactions endpoint."""

    name = "discord"
    provider = "discord"
    max_text = discord_replies.MAX_TEXT  # "characters"; code points are never more than these
    markup: Markup = "discord"
    credential_fields = (
        CredentialField(
            name="bot_token",
            environment="DISCORD_BOT_TOKEN",
            secret=True,
            required=True,
            description="Token of the application's bot; sends messages.",
        ),
        CredentialField(
            name="public_key",
            environment="DISCORD_PUBLIC_KEY",
            secret=False,
            required=True,
            description="Public key of the application, 64 hexadecimal digits; proves each interaction.",
            verifies=True,
        ),
        CredentialField(
            name="test_private_key",
            environment="DISCORD_TEST_PRIVATE_KEY",
            secret=True,
            required=False,
            description="Private half of a public key that you made, for `parley send`. Discord's own nobody has.",
        ),
    )
    address_environment = ""
    formatting = (
        "This chat shows Markdown: bold, italic, lists, quotes, links, code and small tables, and no images. "
        "Keep an answer under 2,000 characters."
    )
    # A send whose answer was lost is made again with its nonce. Further parts by an interaction have none.
    capabilities = Capabilities(receipts=False, reconciles=True, rates=RATES)
    window = None  # an interaction's token lives for 15 minutes: after it the reply goes into the channel
    # https://docs.discord.com/developers/resources/channel#trigger-typing-indicator
    signals: Mapping[SignalKind, float] = MappingProxyType({"typing": 10.0})
    takes: tuple[Way, ...] = ("bytes",)
    captioned = EVERY_KIND
    unreadable = discord_interactions.NOTHING

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """The key is one application's, so a good signature says whose it is, too."""
        key, signature = credentials.get("public_key", "").strip(), webhook.headers.get(SIGNATURE, "")
        stated = webhook.headers.get(TIMESTAMP, "")
        if not signature:
            raise Unsigned(SIGNATURE)
        if not _KEY.fullmatch(key) or not _SIGNED.fullmatch(signature) or not _SECONDS.fullmatch(stated):
            raise BadSignature
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            public.verify(bytes.fromhex(signature), stated.encode() + webhook.body)
        except InvalidSignature:
            raise BadSignature from None
        if abs(int(stated) - webhook.received_at.timestamp()) > FRESH_SECONDS:
            raise Stale

    def decode(self, webhook: Webhook) -> Decoded:
        """One interaction; or what was heard on the Gateway."""
        body = parse_json(webhook.body)
        read = discord_messages.read if discord_messages.is_dispatch(body) else discord_interactions.read
        return read(body)

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """Discord checks the URL with a signed PING, which is an interaction."""
        return None

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """In the place of its draft, by the interaction that is answered, else into the channel."""
        token = _proven(outgoing, credentials)
        if is_id(outgoing.draft) and (yield from discord_drafts.take_the_place(outgoing, token)):
            return Sent(outgoing.draft)
        return (yield from discord_replies.deliver(outgoing, token))

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """One POST for the channel. What answers an interaction says "thinking …" by itself."""
        del kind  # there is one only
        return discord_replies.signal(outgoing, _proven(outgoing, credentials))

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """Into the channel, with the words under it."""
        return (yield from discord_replies.give(outgoing, _proven(outgoing, credentials)))

    def links(self, file: File) -> bool:
        """What a server without boosts does not take. https://docs.discord.com/developers/reference#uploading-files"""
        return len(file.content) > discord_replies.LARGEST_FILE

    def fetch(self, wanted: Wanted, _credentials: Credentials) -> Finding:
        """The interaction's own URL, which is signed and ends after a day."""
        return fixed(Download(wanted.attachment.url, MEDIA_HOSTS))

    def draft_manners(self, outgoing: Outgoing) -> DraftManners | None:
        """A message that is edited, where an ordinary one is answered."""
        return discord_drafts.manners(outgoing)

    def draft(self, outgoing: Outgoing, credentials: Credentials, *, turn_id: str) -> Drawing:
        """Posted once, and edited from then on."""
        return (yield from discord_drafts.draw(outgoing, _proven(outgoing, credentials), turn_id=turn_id))

    def retract(self, outgoing: Outgoing, credentials: Credentials, *, turn_id: str) -> Gesture:
        """Deleted."""
        del turn_id  # the question is enough to find it by
        yield from discord_drafts.take_back(outgoing, _proven(outgoing, credentials))

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """Only whoever has the private key can sign, which for an application of Discord's is Discord alone."""
        key = _test_key(credentials)
        stated = str(int(imitation.now.timestamp()))
        body = orjson.dumps(discord_interactions.imitate(imitation))
        headers = {
            "content-type": "application/json",
            TIMESTAMP: stated,
            SIGNATURE: key.sign(stated.encode() + body).hex(),
        }
        return Webhook("POST", imitation.url, headers, body, imitation.now)


def _proven(outgoing: Outgoing, credentials: Credentials) -> str:
    """The bot's token, for a chat that may be one."""
    token = credentials.get("bot_token", "")
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the bot token is not one")
    if not is_id(outgoing.chat_id):
        raise error("recipient", provider_code="chat_id")
    return token


def _test_key(credentials: Credentials) -> Ed25519PrivateKey:
    stated = credentials.get("test_private_key", "").strip()
    if not _KEY.fullmatch(stated):
        raise ValueError("only Discord can sign for its public key, and DISCORD_TEST_PRIVATE_KEY is not set to another")
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stated))
    if key.public_key().public_bytes_raw().hex() != credentials.get("public_key", "").strip().lower():
        raise ValueError("DISCORD_TEST_PRIVATE_KEY is not the private half of DISCORD_PUBLIC_KEY")
    return key
