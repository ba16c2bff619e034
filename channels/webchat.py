"""What is a message of our own web chat? JSON under a signed session, from the session's own page.

The gateway gives out sessions, stores what `decode` returns and streams the answers: delivering calls nobody.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import jwt
import orjson

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
    Rejected,
    Sent,
    Stale,
    TextLimit,
    Unreadable,
    Webhook,
)
from channels.files import EVERY_KIND
from channels.media import Way
from channels.payload import integer, mapping, parse_json, string
from parley.chat.v1.message_pb2 import ChannelMessage

MAX_CHARACTERS = 8000
SHORTEST_KEY_BYTES = 32  # RFC 7518 3.2: at least as long as the hash
_ALGORITHM = "HS256"
_PREFIX = "Bearer "
_MESSAGE_ID = re.compile(r"[!-~]{1,200}", re.ASCII)
_IMITATED_CHATS = UUID("8f1f4b52-9c1e-4a53-9a8e-4d2f8c8d0c11")


@dataclass(frozen=True, slots=True)
class Session:
    """Who may write into which chat, until when, from which page ("" for programs)."""

    tenant_id: str
    account_id: str
    chat_id: str
    expires_at: datetime
    origin: str = ""


def issue_session(session: Session, key: str) -> str:
    """The session as a signed token. Raises ValueError when the key is too short to sign with."""
    if len(key.encode()) < SHORTEST_KEY_BYTES:
        raise ValueError(f"a session key has {SHORTEST_KEY_BYTES} bytes or more")
    claims = {
        "tenant": session.tenant_id,
        "account": session.account_id,
        "chat": session.chat_id,
        "origin": session.origin,
        "exp": int(session.expires_at.timestamp()),
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM)


def verify_session(token: str, key: str, *, now: datetime) -> Session:
    """The session that the token proves. Raises BadSignature, or Stale when it has ended."""
    if len(key.encode()) < SHORTEST_KEY_BYTES:
        raise BadSignature("no session key")
    try:
        claims = jwt.decode(token, key, algorithms=[_ALGORITHM], options={"verify_exp": False, "require": ["exp"]})
        session = _session(claims)
    except (jwt.InvalidTokenError, ValueError, OverflowError, RecursionError):
        raise BadSignature from None
    if now >= session.expires_at:
        raise Stale
    return session


def origins(allowed_origins: str) -> frozenset[str]:
    """The origins that an account's option names, as browsers write them; "*" for all."""
    return frozenset(each.rstrip("/").lower() for each in re.split(r"[,\s]+", allowed_origins) if each)


def origin_allowed(origin: str, allowed_origins: str, *, own_origin: str) -> bool:
    """True for our own page, for the account's `allowed_origins` (separated by commas or spaces; "*" for all), and
    for programs, which send no Origin and hold a token all the same."""
    if not origin:
        return True
    allowed = origins(allowed_origins)
    return origin.lower() in allowed or origin.lower() == own_origin.rstrip("/").lower() or "*" in allowed


def is_message_id(stated: str) -> bool:
    """Whether a message may be known by it."""
    return _MESSAGE_ID.fullmatch(stated) is not None


class Webchat:
    """The page, and any program that holds a session."""

    name = "webchat"
    provider = ""
    max_text = TextLimit(size=65_536, unit="characters")  # the contract's limit of a text: never split
    markup: Markup = "as_written"  # what the page builds of it is in channels/markup/page.py
    credential_fields = (
        CredentialField(
            name="session_key",
            environment="",
            secret=True,
            required=True,
            description="Signs the sessions of the web chat; made together with the account.",
            verifies=True,
            generated=True,
        ),
    )
    address_environment = ""
    formatting = "This chat shows Markdown: headings, bold, italic, lists, quotes, links, code and tables."
    capabilities = Capabilities(receipts=False, reconciles=False, repeats=True)
    takes: tuple[Way, ...] = ("url", "bytes")
    captioned = EVERY_KIND
    window = None
    unreadable = HttpAnswer(400, "application/json", b'{"error":"unreadable"}')  # our own client: tell it

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """The session must be signed by the account's key, live, and used from the page that it was made for."""
        session = verify_session(_token(webhook), credentials.get("session_key", ""), now=webhook.received_at)
        webhook.parsed["session"] = session
        origin = webhook.headers.get("origin", "")
        if origin and session.origin and origin.lower() != session.origin.lower():
            raise BadSignature("another origin")

    def decode(self, webhook: Webhook) -> Decoded:
        """One message. Who writes, and where, comes from the session and from nowhere else."""
        session: Session = webhook.parsed.get("session") or _session(_unverified(_token(webhook)))
        body = parse_json(webhook.body)
        text, client_id = string(body.get("text")), string(body.get("client_msg_id"))
        message_id = webhook.headers.get("idempotency-key") or client_id
        if not text.strip() or len(text) > MAX_CHARACTERS or not is_message_id(message_id):
            raise Unreadable("text or message id")
        message = ChannelMessage(
            channel=self.name,
            chat_id=session.chat_id,
            sender_id=session.chat_id,
            text=text,
            provider_message_id=message_id,
            metadata={"client_msg_id": client_id} if client_id else None,
        )
        answer = HttpAnswer(202, "application/json", b"{}")
        return Decoded(answer=answer, messages=(message,), addressed_to=session.account_id)

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """None."""
        return None

    def give(self, outgoing: Outgoing, _credentials: Credentials) -> Flow:
        """Already given, if it has a URL: it is read with the conversation. A visitor has no way to our bytes."""
        yield from ()
        if outgoing.file is not None and not outgoing.file.url:
            raise Rejected(kind="payload", provider_code="file_needs_url")
        return Sent(f"{outgoing.delivery_id}.{outgoing.part}")

    def deliver(self, outgoing: Outgoing, _credentials: Credentials) -> Flow:
        """Already delivered: the page streams the conversation."""
        yield from ()
        return Sent(f"{outgoing.delivery_id}.{outgoing.part}")

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """What the page would post, under a session of five minutes. Two senders are two chats."""
        session = Session(
            tenant_id="default",
            account_id=imitation.address,
            chat_id=str(uuid5(_IMITATED_CHATS, imitation.sender)),
            expires_at=imitation.now + timedelta(minutes=5),
        )
        headers = {
            "content-type": "application/json",
            "authorization": _PREFIX + issue_session(session, credentials.get("session_key", "")),
            "idempotency-key": imitation.message_id,
        }
        body = orjson.dumps({"text": imitation.text, "client_msg_id": imitation.message_id})
        return Webhook("POST", imitation.url, headers, body, imitation.now)


def _token(webhook: Webhook) -> str:
    stated = webhook.headers.get("authorization", "")
    if not stated.startswith(_PREFIX):
        raise BadSignature("no session")
    return stated.removeprefix(_PREFIX)


def _unverified(token: str) -> dict[str, Any]:
    try:
        return mapping(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise Unreadable("not a session") from None


def _session(claims: dict[str, Any]) -> Session:
    """Raises ValueError when a claim is missing or of another type."""
    expires, chat_id, account_id = integer(claims.get("exp")), string(claims.get("chat")), string(claims.get("account"))
    if expires is None or not chat_id or not account_id:
        raise ValueError("claims")
    return Session(
        tenant_id=string(claims.get("tenant")),
        account_id=account_id,
        chat_id=chat_id,
        expires_at=datetime.fromtimestamp(expires, UTC),
        origin=string(claims.get("origin")),
    )
