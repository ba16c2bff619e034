"""What do Twilio's channels have in common? Webhook forms, status callbacks, and POST Messages.json.

https://www.twilio.com/docs/messaging/guides/webhook-request
https://www.twilio.com/docs/messaging/api/message-resource
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode

import orjson

from channels import forms, templates, twilio_errors, twilio_media, twilio_receipts, twilio_signature
from channels.channel import (
    Answer,
    Call,
    Capabilities,
    Credentials,
    Decoded,
    Flow,
    HttpAnswer,
    Imitation,
    Markup,
    Outgoing,
    Sent,
    TextLimit,
    Unauthorized,
    Webhook,
)
from channels.file_kinds import Takes, link
from channels.files import EVERY_KIND
from channels.media import Download, Finding, Wanted, Way, fixed
from channels.payload import Form, content, parse_form, string
from channels.phones import e164, of_ours
from channels.presence import Gesture, SignalKind
from channels.segments import Segmenting
from channels.twilio_account import FIELDS
from parley.chat.v1 import message_pb2 as chat

API_BASE_URL = "https://api.twilio.com"
MESSAGING_BASE_URL = "https://messaging.twilio.com"
TIMEOUT_SECONDS = 15.0
VALIDITY_SECONDS = 600  # a chat reply that leaves the queue hours later is wrong; Twilio's default is ten hours
LONGEST_KIND = 40
LONGEST = 1600
OPTING = {"STOP": True, "START": False}

# Any text/plain body would be texted to the person; an empty TwiML says nothing.
TWIML = HttpAnswer(200, "text/xml", b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>')
STATUS_ANSWER = HttpAnswer(200, "text/xml", b"")

_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TwilioChannel:
    """A channel of Twilio's. `prefix` stands before its addresses; `extend` adds what only this one says."""

    name: str
    prefix: str
    address_environment: str
    markup: Markup
    formatting: str
    window: timedelta | None
    signals: Mapping[SignalKind, float]
    metadata: Mapping[str, str]  # Twilio's field -> our name
    extend: Callable[[chat.ChannelMessage, Form], None]
    capabilities: Capabilities
    media: Takes
    segments: Segmenting | None = None  # where Twilio charges by the segment
    captioned: frozenset[int] = EVERY_KIND

    provider = "twilio"
    credential_fields = FIELDS
    unreadable = TWIML
    takes: tuple[Way, ...] = ("url",)

    @property
    def max_text(self) -> TextLimit:
        """Of one message. https://help.twilio.com/articles/360033806753"""
        return TextLimit(LONGEST, "utf16", self.segments)

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """Twilio signs no time: freshness is the dedupe's business."""
        twilio_signature.verify(webhook, credentials)

    def decode(self, webhook: Webhook) -> Decoded:
        """A message, or a status of one of ours: what the form holds decides, not the URL."""
        form = webhook.parsed.get("form") or parse_form(webhook.body)
        # The oldest callbacks have no MessageStatus; what came in has a body, be it an empty one.
        status = form.first("MessageStatus") or ("" if "Body" in form else form.first("SmsStatus"))
        if status and status != "received":
            return self._status(form, webhook.url, status=status)
        if not form.first("From") and not form.first("To"):  # another product of Twilio's
            return Decoded(answer=STATUS_ANSWER, unread=form.first("EventType")[:LONGEST_KIND] or "no message")
        message = self._message(form, webhook)
        return Decoded(answer=TWIML, messages=(message,), addressed_to=self._bare(form.first("To")) or None)

    def numbered(self, stated: str) -> str:
        """With the prefix where it was stated with it."""
        bare = self._bare(stated)
        return stated.removesuffix(bare) + of_ours(bare)

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """Twilio checks no URL."""
        return None

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """One POST. There is no idempotency key: an answer that is lost stays unknown until its callback."""
        answer = yield self._call(outgoing, credentials)
        return Sent(_sid(answer))

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """One POST about the person's message, which it marks as read, too. Of WhatsApp only.

        https://www.twilio.com/docs/whatsapp/api/typing-indicators-resource
        """
        del kind  # there is one only
        if not _SID.fullmatch(outgoing.reply_to):
            return
        base = (outgoing.api_base_url or MESSAGING_BASE_URL).rstrip("/")
        fields = {"channel": "whatsapp", "messageId": outgoing.reply_to}
        answer = yield _post(f"{base}/v2/Indicators/Typing.json", credentials, fields=fields)
        if not 200 <= answer.status < 300:
            raise twilio_errors.failure(answer)

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """Twilio reads the URL itself. A text of a message with media stands under it. Of what it takes from no URL it
        says so in a receipt only, when it is too late: the link to that is said."""
        file = outgoing.file
        words = link(file, outgoing.text, limit=TextLimit(LONGEST, "utf16")) if file else ""
        if file and words and not self.media.fits(file):
            outgoing = replace(outgoing, text=words, file=None)
        return self.deliver(outgoing, credentials)

    def fetch(self, wanted: Wanted, credentials: Credentials) -> Finding:
        """The webhook's own MediaUrl. It redirects to a store, which is shown no credentials."""
        headers = {"authorization": _basic(credentials)}
        return (yield from fixed(Download(wanted.attachment.url, twilio_media.HOSTS, headers)))

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """As captured: see tests/golden."""
        sid = imitation.message_id
        if not _SID.fullmatch(sid):
            sid = "SM" + sha256(sid.encode()).hexdigest()[:32]
        fields = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": imitation.text,
            "To": self._prefixed(imitation.address),
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": credentials.get("account_sid", ""),
            "From": self._prefixed(imitation.sender),
            "ApiVersion": "2010-04-01",
        }
        form = Form({name: [value] for name, value in fields.items()})
        signature = twilio_signature.sign(imitation.url, form, token=credentials.get("auth_token", ""))
        headers = {"content-type": twilio_signature.FORM_TYPE, twilio_signature.HEADER: signature}
        return Webhook("POST", imitation.url, headers, urlencode(fields).encode(), imitation.now)

    def _message(self, form: Form, webhook: Webhook) -> chat.ChannelMessage:
        sender = self._bare(form.first("From"))
        message = chat.ChannelMessage(
            channel=self.name,
            chat_id=sender,
            sender_id=sender,
            sender_phone=e164(sender),
            text=form.first("Body"),
            provider_message_id=form.first("MessageSid") or form.first("SmsSid"),
            attachments=twilio_media.attachments(form),
        )
        for theirs, ours in self.metadata.items():
            if theirs in form:
                message.metadata[ours] = form.first(theirs)
        retry_token = webhook.headers.get("i-twilio-idempotency-token")
        if retry_token:
            message.metadata["idempotency_token"] = retry_token
        # Twilio has answered it, and the words may be the account's own.
        # https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
        kind = form.first("OptOutType")
        message.no_turn = kind == "HELP"
        if kind in OPTING:
            message.opted_out = OPTING[kind]
        self.extend(message, form)
        return message

    def _status(self, form: Form, url: str, *, status: str) -> Decoded:
        receipt = twilio_receipts.receipt(form, url, status=status)
        if receipt is None:
            return Decoded(answer=STATUS_ANSWER, unread="status")
        # A messaging service sends from any number of its pool. Who sent may also be left out.
        pooled = form.first("MessagingServiceSid")
        return Decoded(
            answer=STATUS_ANSWER,
            receipts=(receipt,),
            addressed_to=None if pooled else self._bare(form.first("From")) or None,
        )

    def _call(self, outgoing: Outgoing, credentials: Credentials) -> Call:
        fields = {"To": self._prefixed(outgoing.chat_id), **self._sender(outgoing), **_content(outgoing)}
        fields["ValidityPeriod"] = _validity(outgoing.options.get("validity_seconds", ""))
        if outgoing.status_url:
            fields["StatusCallback"] = twilio_receipts.url(outgoing)
        base = (outgoing.api_base_url or API_BASE_URL).rstrip("/")
        account = quote(credentials.get("account_sid", ""), safe="")
        return _post(f"{base}/2010-04-01/Accounts/{account}/Messages.json", credentials, fields=fields)

    def _sender(self, outgoing: Outgoing) -> dict[str, str]:
        service = outgoing.options.get("messaging_service_sid")
        if service:
            return {"MessagingServiceSid": service}
        return {"From": self._prefixed(outgoing.address)}

    def _bare(self, address: str) -> str:
        return address.removeprefix(self.prefix)

    def _prefixed(self, address: str) -> str:
        return self.prefix + self._bare(address)


def _post(url: str, credentials: Credentials, *, fields: Mapping[str, str]) -> Call:
    headers = {
        "authorization": _basic(credentials),
        "content-type": twilio_signature.FORM_TYPE,
        "accept": "application/json",
    }
    return Call("POST", url, headers, forms.written(fields), TIMEOUT_SECONDS)


def _basic(credentials: Credentials) -> str:
    account_sid, token = credentials.get("account_sid"), credentials.get("auth_token")
    if not account_sid or not token:
        raise Unauthorized("no credentials")
    return "Basic " + b64encode(f"{account_sid}:{token}".encode()).decode()


def _validity(stated: str) -> str:
    """Twilio takes 1 to 36,000 seconds and refuses the message otherwise."""
    seconds = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 9 else VALIDITY_SECONDS
    return str(min(max(seconds, 1), 36_000))


def _content(outgoing: Outgoing) -> dict[str, str]:
    """Without variables Twilio takes the template's own samples. A template's words in Body are refused outside the
    window since April 2025: https://www.twilio.com/docs/api/errors/63016"""
    if outgoing.file is not None:
        return {"MediaUrl": outgoing.file.url} | ({"Body": outgoing.text} if outgoing.text else {})
    if not outgoing.template:
        return {"Body": outgoing.text}
    values = {name: templates.value(text) for name, text in outgoing.template_values.items()}
    return {"ContentSid": outgoing.template} | ({"ContentVariables": orjson.dumps(values).decode()} if values else {})


def _sid(answer: Answer) -> str:
    sid = string(content(answer.body).get("sid"))
    if not (sid and 200 <= answer.status < 300):
        raise twilio_errors.failure(answer)
    return sid
