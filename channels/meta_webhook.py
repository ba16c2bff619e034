"""What do Meta's webhooks have in common? A handshake, a signature over the raw body, and many items in one body.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from channels.channel import BadSignature, CredentialField, Credentials, Decoded, HttpAnswer, Unreadable, Webhook
from channels.limits import fit_message, fit_receipt
from channels.payload import integer, parse_form, parse_json, seconds
from channels.proof import Unsigned
from parley.chat.v1.message_pb2 import ChannelMessage, Receipt

HEADER = "x-hub-signature-256"  # X-Hub-Signature, without the 256, is SHA-1 and is not looked at
SECRETS = ("app_secret", "app_secret_secondary")
ANSWER = HttpAnswer(200, "application/json", b"{}")  # anything but 200 is repeated, for up to seven days
LONGEST_KIND = 40
# After an outage bodies grow up to 3 MB: https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks
LARGEST_BODY = 3_500_000
LATEST_IN_SECONDS = 99_999_999_999  # a larger number counts milliseconds

FIELDS = (
    CredentialField(
        name="app_secret",
        environment="META_APP_SECRET",
        secret=True,
        required=True,
        description="App secret of the Meta app; signs each webhook.",
        verifies=True,
    ),
    CredentialField(
        name="verify_token",
        environment="META_VERIFY_TOKEN",
        secret=True,
        required=True,
        description="Any long random text, entered beside the webhook's URL; proves Meta's check of it.",
    ),
)

# Echoed to whoever knows the token: nothing that a browser could take for a page.
_CHALLENGE = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)

Item = dict[str, Any]
Said = ChannelMessage | Receipt | None


def verify(webhook: Webhook, credentials: Credentials) -> None:
    """Raises BadSignature unless a secret of the app signed exactly these bytes, escapes and all."""
    stated = webhook.headers.get(HEADER, "").encode("latin-1")
    if not stated:
        raise Unsigned(HEADER)
    secrets = [credentials[name] for name in SECRETS if name in credentials]
    if not any(hmac.compare_digest(stated, sign(webhook.body, secret).encode()) for secret in secrets):
        raise BadSignature


def sign(body: bytes, secret: str) -> str:
    """The header that Meta would send."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def handshake(webhook: Webhook, credentials: Credentials) -> HttpAnswer | None:
    """The challenge, for who knows the token that was entered beside the URL; None refuses."""
    query = parse_form(urlsplit(webhook.url).query)
    token, challenge = credentials.get("verify_token", "").encode(), query.first("hub.challenge")
    known = hmac.compare_digest(query.first("hub.verify_token").encode(), token)
    if not token or not known or query.first("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        return None
    return HttpAnswer(200, "text/plain", challenge.encode())


def content(webhook: Webhook, *, of: str) -> Item:
    """The body. Raises Unreadable when it is none, or of another product of Meta's."""
    body = parse_json(webhook.body)
    if body.get("object") != of:
        raise Unreadable("another object")
    return body


def moment(stated: object) -> float:
    """Seconds since 1970: Meta writes them as a number or as digits, in milliseconds too, and its test button ISO."""
    if isinstance(stated, str):
        if not _DIGITS.fullmatch(stated):
            return _iso(stated)
        stated = int(stated)
    number = integer(stated) or 0
    return number / 1000 if number > LATEST_IN_SECONDS else float(number)


def date(message: ChannelMessage | Receipt, stated: object) -> None:
    """Notes when it was written, where that can be read."""
    at = moment(stated)
    if seconds(int(at)):
        message.provider_at.seconds = int(at)
        message.provider_at.nanos = round(at * 1000) % 1000 * 1_000_000


def _iso(stated: str) -> float:
    try:
        return max(datetime.fromisoformat(stated).timestamp(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


@dataclass(slots=True)
class _Part:
    """What was sent to one account."""

    messages: list[ChannelMessage] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What one webhook carries, by the account that it is for. An item that cannot be read loses no other."""

    _parts: dict[str, _Part] = field(default_factory=dict)
    _unread: int = 0
    _unknown: set[str] = field(default_factory=set)

    def take(self, address: str, item: object, *, read: Callable[[Item], Said]) -> None:
        """Reads one item; what holds nothing for us is left out, what is malformed is counted."""
        try:
            self._put(address, read(item) if address and isinstance(item, dict) else _malformed())
        except Unreadable:
            self._unread += 1

    def skip(self, kind: str) -> None:
        """Leaves out what nobody here reads, by its kind: it stays in the body, which is kept."""
        self._unknown.add(kind[:LONGEST_KIND])

    def decoded(self) -> Decoded:
        """All of it, oldest first. Raises Unreadable when there was something, and nothing of it could be read."""
        if self._unread and not any(part.messages or part.receipts for part in self._parts.values()):
            raise Unreadable("no item could be read")
        first, *others = [_decoded(address, part) for address, part in self._parts.items()] or [Decoded(ANSWER)]
        kinds = sorted(self._unknown | ({"malformed"} if self._unread else set()))
        return replace(first, also=tuple(others), unread=" ".join(kinds))

    def _put(self, address: str, said: Said) -> None:
        part = self._parts.setdefault(address, _Part())
        if isinstance(said, ChannelMessage):
            fit_message(said)
            part.messages.append(said)
        elif isinstance(said, Receipt):
            fit_receipt(said)
            part.receipts.append(said)


def _malformed() -> Said:
    raise Unreadable("not an item")


def _decoded(address: str, part: _Part) -> Decoded:
    """Meta keeps no order, so the messages are put in that of their times."""
    messages = sorted(part.messages, key=lambda each: (each.provider_at.seconds, each.provider_at.nanos))
    return Decoded(ANSWER, tuple(messages), tuple(part.receipts), addressed_to=address)
