"""How does Parley speak on LINE? As an official account, by its Messaging API.

https://developers.line.biz/en/reference/messaging-api/
LINE takes a key with each message: sent again with the same one it is the same message, so no lost answer doubles one.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid5

import orjson

from channels import line_events
from channels.channel import (
    Answer,
    BadSignature,
    Call,
    Capabilities,
    CredentialField,
    Credentials,
    Decoded,
    DeliveryError,
    Flow,
    HttpAnswer,
    Imitation,
    Markup,
    Outgoing,
    Sent,
    TextLimit,
    Unanswered,
    Unauthorized,
    Unknown,
    Webhook,
)
from channels.failures import Failure, by_status, error, retry_after
from channels.file_kinds import MEGABYTE, Takes, link
from channels.media import Download, Finding, Gone, Wanted, Way, fixed
from channels.payload import content, items, mapping, parse_json, string
from channels.presence import Gesture, SignalKind
from channels.proof import Unsigned
from channels.rates import Rate, Rates
from parley.chat.v1.message_pb2 import ATTACHMENT_KIND_IMAGE, AttachmentKind

API_BASE_URL, CONTENT_HOST = "https://api.line.me", "api-data.line.me"
HEADER = "x-line-signature"
TIMEOUT_SECONDS = 10.0
LOADING_SECONDS = 20

# https://developers.line.biz/en/reference/messaging-api/#image-message
_PICTURES = Takes(frozenset({"image/jpeg", "image/png"}), 10 * MEGABYTE)
_RETRY_KEYS = UUID("6f0f3f7c-7f5b-4d7e-9a53-1c2a0f8b6d10")  # under which each part has a key of its own
_TOKEN = re.compile(r"[!-~]{1,2000}", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_ACCEPTED = 409  # with the same key it was taken before: https://developers.line.biz/en/docs/messaging-api/retrying-api-request/
# A status, and a word that the answer must hold.
_BY_WORDS: tuple[tuple[int, str, Failure], ...] = (
    (400, "'to'", "recipient"),
    (400, "failed to send messages", "recipient"),  # nobody has that id, or not any more
    (403, "", "unauthorized"),
    (404, "", "unavailable"),
    (_ACCEPTED, "", "unknown"),  # taken before, and LINE does not say as what
    (429, "monthly limit", "unauthorized"),  # until the month ends, or somebody pays for more
)
# https://developers.line.biz/en/reference/messaging-api/#rate-limits has 2,000 pushes a second for an account; of one
# chat it says nothing.
RATES = Rates(account=Rate(500, burst=100), chat=lambda _chat_id: Rate(2, burst=5))


class Line:
    """An official account."""

    name = "line"
    provider = "line"
    max_text = TextLimit(size=5000, unit="utf16")
    markup: Markup = "plain"
    credential_fields = (
        CredentialField(
            name="channel_secret",
            environment="LINE_CHANNEL_SECRET",
            secret=True,
            required=True,
            description="Channel secret of the Messaging API; signs webhooks.",
            verifies=True,
        ),
        CredentialField(
            name="access_token",
            environment="LINE_CHANNEL_ACCESS_TOKEN",
            secret=True,
            required=True,
            description="Long-lived channel access token; sends messages.",
        ),
    )
    address_environment = ""  # the bot's user id, U…, as webhooks name it; an account without one takes all
    formatting = "This chat shows plain text: no Markdown and no tables. Keep an answer under 2,000 characters."
    capabilities = Capabilities(receipts=False, reconciles=True, rates=RATES, one_talk=True)
    window = None
    signals: Mapping[SignalKind, float] = MappingProxyType({"typing": float(LOADING_SECONDS)})
    unreadable = line_events.OK
    takes: tuple[Way, ...] = ("url",)
    captioned: frozenset[AttachmentKind] = frozenset()

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """The HMAC of the raw body, in base64. No time is signed: freshness is the dedupe's business."""
        secret, stated = credentials.get("channel_secret", ""), webhook.headers.get(HEADER, "").encode("latin-1")
        if not stated:
            raise Unsigned(HEADER)
        if not secret or not hmac.compare_digest(stated, sign(webhook.body, secret).encode()):
            raise BadSignature

    def decode(self, webhook: Webhook) -> Decoded:
        """Every event; one that cannot be read loses no other. Without any it is LINE's check of the URL."""
        return line_events.read(parse_json(webhook.body))

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """None: the URL is checked by a signed POST without events."""
        return None

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """One push, not a reply: a reply's token ends after a minute, and takes no key."""
        return self._push(outgoing, credentials, message={"type": "text", "text": outgoing.text})

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """A picture by its URL, which LINE's app reads. Of films and sounds LINE wants what we do not know of them (a
        preview, a length), and it has no files: their link is said, as that of a picture which LINE does not show.

        https://developers.line.biz/en/reference/messaging-api/#image-message
        """
        file = outgoing.file
        if file is None or not file.url:
            raise error("payload", provider_code="no_file")
        message = {"type": "text", "text": link(file, limit=self.max_text) or file.url}
        if file.kind == ATTACHMENT_KIND_IMAGE and _PICTURES.fits(file):
            message = {"type": "image", "originalContentUrl": file.url, "previewImageUrl": file.url}
        return self._push(outgoing, credentials, message=message)

    def _push(self, outgoing: Outgoing, credentials: Credentials, *, message: Mapping[str, str]) -> Flow:
        body = {"to": outgoing.chat_id, "messages": [message]}
        call = _asking(outgoing, credentials, path="/v2/bot/message/push", body=body)
        lost: DeliveryError
        try:
            answer = yield call
        except Unknown as unknown:
            lost = unknown
        else:
            if answer.status < 500:
                return Sent(_sent(answer))
            lost = failure(answer)
        try:
            answer = yield call  # the same key: once at most
        except DeliveryError:
            raise _safe_to_repeat(lost) from None
        if answer.status >= 500:
            raise _safe_to_repeat(lost)
        return Sent(_sent(answer))

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """The loading animation, which LINE has in chats with one person."""
        if kind == "typing" and outgoing.chat_id.startswith("U"):
            body = {"chatId": outgoing.chat_id, "loadingSeconds": LOADING_SECONDS}
            answer = yield _asking(outgoing, credentials, path="/v2/bot/chat/loading/start", body=body)
            if not 200 <= answer.status < 300:
                raise failure(answer)

    def fetch(self, wanted: Wanted, credentials: Credentials) -> Finding:
        """LINE keeps what was sent for a while, under the message's id."""
        file_id = wanted.attachment.provider_file_id
        if not _NUMBER.fullmatch(file_id):
            raise Gone("no_reference")
        base = (wanted.api_base_url or f"https://{CONTENT_HOST}").rstrip("/")
        url = f"{base}/v2/bot/message/{file_id}/content"
        return fixed(Download(url, (CONTENT_HOST,), {"authorization": f"Bearer {token_of(credentials)}"}))

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """As described by LINE: see tests/golden."""
        body = orjson.dumps(line_events.imitate(imitation))
        headers = {"content-type": "application/json", HEADER: sign(body, credentials.get("channel_secret", ""))}
        return Webhook("POST", imitation.url, headers, body, imitation.now)


def sign(body: bytes, secret: str) -> str:
    """The header that LINE would send."""
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def _asking(outgoing: Outgoing, credentials: Credentials, *, path: str, body: Mapping[str, Any]) -> Call:
    if not line_events.CHAT.fullmatch(outgoing.chat_id):
        raise error("recipient", provider_code="chat_id")
    headers = {"authorization": f"Bearer {token_of(credentials)}", "content-type": "application/json"}
    if path.endswith("/push"):
        headers["x-line-retry-key"] = str(uuid5(_RETRY_KEYS, f"{outgoing.delivery_id}.{outgoing.part}"))
    base = (outgoing.api_base_url or API_BASE_URL).rstrip("/")
    return Call("POST", f"{base}{path}", headers, orjson.dumps(body), TIMEOUT_SECONDS)


def token_of(credentials: Credentials) -> str:
    """The channel access token, where it may be one. Raises Unauthorized."""
    token = credentials.get("access_token", "")
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the access token is not one")
    return token


def _safe_to_repeat(lost: DeliveryError) -> Unanswered:
    """For a day: the part keeps its key, and LINE takes no key twice."""
    return Unanswered(provider_code=lost.provider_code)


def _sent(answer: Answer) -> str:
    """The message's id. Of what was taken before with the same key LINE tells it again."""
    sent = string(mapping(next(iter(items(content(answer.body).get("sentMessages"))), None)).get("id"))
    if sent and (answer.status == _ACCEPTED or 200 <= answer.status < 300):
        return sent
    raise failure(answer)


def failure(answer: Answer) -> DeliveryError:
    """LINE says what is wrong in words; its codes are those of HTTP."""
    words = string(content(answer.body).get("message")).lower()
    told = next((meaning for status, word, meaning in _BY_WORDS if status == answer.status and word in words), None)
    # Of a 5xx LINE says itself that the message may have been delivered.
    meaning = told or ("unknown" if answer.status >= 500 else by_status(answer.status))
    return error(meaning, provider_code=str(answer.status), retry_after=retry_after(answer))
