"""How does Parley speak with people on Instagram? With Business Login for Instagram, as its professional account.

https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import orjson

from channels import instagram_webhook, meta_errors, meta_graph, meta_media, meta_webhook
from channels.channel import (
    Answer,
    Call,
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
    TextLimit,
    Webhook,
)
from channels.failures import error
from channels.file_kinds import MEGABYTE, Taken, Takes, link
from channels.files import File
from channels.media import Download, Finding, Wanted, Way, fixed
from channels.payload import string
from channels.presence import Gesture, SignalKind
from channels.rates import Rate, Rates
from parley.chat.v1 import message_pb2 as chat

API_BASE_URL = "https://graph.instagram.com"
# https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api#attachments
_TYPES = {
    chat.ATTACHMENT_KIND_IMAGE: "image",
    chat.ATTACHMENT_KIND_AUDIO: "audio",
    chat.ATTACHMENT_KIND_VIDEO: "video",
}
# https://developers.facebook.com/documentation/business-messaging/instagram-messaging/features/attachment-upload
_TAKEN: Taken = {
    chat.ATTACHMENT_KIND_IMAGE: Takes(frozenset({"image/jpeg", "image/png", "image/gif"}), 8 * MEGABYTE),
    chat.ATTACHMENT_KIND_AUDIO: Takes(frozenset({"audio/aac", "audio/mp4", "audio/wav", "video/mp4"}), 25 * MEGABYTE),
    chat.ATTACHMENT_KIND_VIDEO: Takes(
        frozenset({"video/mp4", "video/ogg", "video/avi", "video/quicktime", "video/webm"}), 25 * MEGABYTE
    ),
    chat.ATTACHMENT_KIND_FILE: Takes(frozenset({"application/pdf"}), 25 * MEGABYTE),
}
_PERSON = re.compile(r"[0-9]{1,32}", re.ASCII)


class Instagram:
    """A professional account."""

    name = "instagram"
    provider = "instagram"
    max_text = TextLimit(size=1000, unit="bytes")
    markup: Markup = "plain"
    credential_fields = (
        *meta_webhook.FIELDS,
        CredentialField(
            name="app_secret_secondary",
            environment="INSTAGRAM_APP_SECRET",
            secret=True,
            required=False,
            description="Instagram app secret, where it is not META_APP_SECRET; accepted on webhooks too.",
        ),
        CredentialField(
            name="access_token",
            environment="INSTAGRAM_ACCESS_TOKEN",
            secret=True,
            required=True,
            description="Access token of the professional account; sends messages. It lasts 60 days.",
        ),
    )
    address_environment = "INSTAGRAM_ACCOUNT_ID"
    formatting = "This chat shows plain text: no Markdown and no tables. Keep an answer under 900 characters."
    # "Read" only. A send whose answer was lost is known by its echo, which storage tells from a human's words.
    # The Send API takes 100 texts a second of an account.
    # https://developers.facebook.com/docs/instagram-platform/overview#messaging-rate-limits
    # It takes the URL away that fails for an hour, so what comes in is not refused for what waits to go out.
    capabilities = Capabilities(
        receipts=True,
        reconciles=True,
        rates=Rates(account=Rate(80, burst=20)),
        one_url=True,
        largest_webhook=meta_webhook.LARGEST_BODY,
        human_window=timedelta(days=7),
    )
    # Seven days are for humans only, and by a feature that Meta must grant; there are no templates.
    # https://developers.facebook.com/docs/messenger-platform/policy/policy-overview#standard_messaging
    window = timedelta(hours=24)
    # https://developers.facebook.com/docs/messenger-platform/send-messages/sender-actions: for 20 s
    signals: Mapping[SignalKind, float] = MappingProxyType({"read": 0.0, "typing": 20.0})
    unreadable = meta_webhook.ANSWER
    takes: tuple[Way, ...] = ("url",)
    captioned: frozenset[chat.AttachmentKind] = frozenset()

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """Meta signs no time: freshness is the dedupe's business."""
        meta_webhook.verify(webhook, credentials)

    def decode(self, webhook: Webhook) -> Decoded:
        """All that the body carries, by the account that it was sent to."""
        return instagram_webhook.read(meta_webhook.content(webhook, of=instagram_webhook.OBJECT)).decoded()

    def handshake(self, webhook: Webhook, credentials: Credentials) -> HttpAnswer | None:
        """Sent when the URL or the token is entered at Meta."""
        return meta_webhook.handshake(webhook, credentials)

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """One POST. There is no idempotency key: an answer that is lost stays unknown until the echo comes."""
        answer = yield _call(outgoing, credentials, what={"message": {"text": outgoing.text}})
        return Sent(_sent_id(answer))

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """Meta reads the URL itself, and shows no words under it. The link is said of what Instagram does not take."""
        if outgoing.file is None:
            raise error("payload", provider_code="no_file")
        answer = yield _call(outgoing, credentials, what={"message": _given(outgoing.file, limit=self.max_text)})
        return Sent(_sent_id(answer))

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """One POST for the chat."""
        action = "mark_seen" if kind == "read" else "typing_on"
        meta_graph.taken((yield _call(outgoing, credentials, what={"sender_action": action})))

    def fetch(self, wanted: Wanted, _credentials: Credentials) -> Finding:
        """The webhook's own URL, which is signed and ends."""
        return fixed(Download(wanted.attachment.url, meta_media.HOSTS))

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """As described by Meta: see tests/golden."""
        body = orjson.dumps(instagram_webhook.imitate(imitation))
        signature = meta_webhook.sign(body, credentials.get("app_secret", ""))
        headers = {"content-type": "application/json", meta_webhook.HEADER: signature}
        return Webhook("POST", imitation.url, headers, body, imitation.now)


def _given(file: File, *, limit: TextLimit) -> dict[str, object]:
    kind = chat.ATTACHMENT_KIND_IMAGE if file.kind == chat.ATTACHMENT_KIND_STICKER else file.kind
    is_taken = _TAKEN.get(kind, _TAKEN[chat.ATTACHMENT_KIND_FILE]).fits(file)
    said = "" if is_taken else link(file, limit=limit)
    if said:
        return {"text": said}
    return {"attachment": {"type": _TYPES.get(kind, "file"), "payload": {"url": file.url}}}


def _call(outgoing: Outgoing, credentials: Credentials, *, what: Mapping[str, object]) -> Call:
    if not _PERSON.fullmatch(outgoing.chat_id):
        raise error("recipient", provider_code="chat_id")
    tag = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"} if outgoing.as_human else {}
    body = {"recipient": {"id": outgoing.chat_id}, **tag, **what}
    return meta_graph.send(outgoing, credentials.get("access_token", ""), base_url=API_BASE_URL, body=body)


def _sent_id(answer: Answer) -> str:
    sent = string(meta_graph.sent(answer).get("message_id"))
    if not sent:
        raise meta_errors.failure(answer)
    return sent
