"""How does Parley speak WhatsApp with Meta itself? https://developers.facebook.com/docs/whatsapp/cloud-api"""

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import orjson

from channels import meta_errors, meta_graph, meta_media, meta_webhook, templates, whatsapp_webhook
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
from channels.files import File
from channels.media import Finding, Wanted, Way
from channels.payload import items, mapping, string
from channels.presence import Gesture, SignalKind
from channels.rates import Rate, Rates, each
from channels.whatsapp_items import own_id

API_BASE_URL = "https://graph.facebook.com"
TEMPLATE_LANGUAGE = "en_US"

# A number has digits only; who hides theirs has an id that begins with a country; a group's is longer than both.
_NUMBER = re.compile(r"[0-9]{5,20}", re.ASCII)
_USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,140}", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9+/=_-]{20,200}", re.ASCII)

# 80 messages a second of a number, those that come in counted too; to one person one in 6 seconds, 45 of them at once.
# https://developers.facebook.com/docs/whatsapp/cloud-api/overview#throughput
RATES = Rates(account=Rate(40, burst=20), chat=each(Rate(1 / 6, burst=45)))


class WhatsAppCloud:
    """A number at Meta."""

    name = "whatsapp_cloud"
    provider = "whatsapp"
    max_text = TextLimit(size=4096, unit="utf16")
    markup: Markup = "whatsapp"
    credential_fields = (
        *meta_webhook.FIELDS,
        CredentialField(
            name="access_token",
            environment="WHATSAPP_ACCESS_TOKEN",
            secret=True,
            required=True,
            description="Permanent token of a system user of the same app; sends messages.",
        ),
    )
    address_environment = "WHATSAPP_PHONE_NUMBER_ID"
    formatting = (
        "This chat shows Markdown: bold, italic, lists, quotes, code and small tables; links are written out. "
        "Keep an answer under 4,000 characters."
    )
    # Every status carries our id.
    capabilities = Capabilities(
        receipts=True,
        reconciles=True,
        templates=True,
        rates=RATES,
        repeats=True,
        one_url=True,
        largest_webhook=meta_webhook.LARGEST_BODY,
    )
    # https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages#customer-service-windows
    window = timedelta(hours=24)
    # https://developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators: for 25 s, and it marks as read, too
    signals: Mapping[SignalKind, float] = MappingProxyType({"read": 0.0, "typing": 25.0})
    unreadable = meta_webhook.ANSWER
    takes: tuple[Way, ...] = ("url", "bytes")
    captioned = meta_media.CAPTIONED

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """Meta signs no time: freshness is the dedupe's business."""
        meta_webhook.verify(webhook, credentials)

    def decode(self, webhook: Webhook) -> Decoded:
        """All that the body carries, by the number that it was sent to."""
        return whatsapp_webhook.read(meta_webhook.content(webhook, of=whatsapp_webhook.OBJECT)).decoded()

    def handshake(self, webhook: Webhook, credentials: Credentials) -> HttpAnswer | None:
        """Sent when the URL or the token is entered at Meta."""
        return meta_webhook.handshake(webhook, credentials)

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """One POST. There is no idempotency key: an answer that is lost stays unknown until a status names our id."""
        answer = yield _call(outgoing, credentials)
        return Sent(_wamid(answer))

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """Meta reads the URL, or is given the bytes first."""
        token, secret = credentials.get("access_token", ""), credentials.get("app_secret", "")
        content = yield from meta_media.content(outgoing, token, base_url=API_BASE_URL, app_secret=secret)
        answer = yield _call(outgoing, credentials, content=content)
        return Sent(_wamid(answer))

    def links(self, file: File) -> bool:
        """What Meta does not take as bytes."""
        return not meta_media.uploads(file)

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """One POST about the person's message: it and all before it were read."""
        asked = own_id(outgoing.reply_to)
        if not asked:
            return
        body: dict[str, object] = {"messaging_product": "whatsapp", "status": "read", "message_id": asked}
        if kind == "typing":
            body["typing_indicator"] = {"type": "text"}
        meta_graph.taken((yield _post(outgoing, credentials, body=body)))

    def fetch(self, wanted: Wanted, credentials: Credentials) -> Finding:
        """The id's URL lives for five minutes, and wants the token."""
        return meta_media.by_id(wanted, credentials, base_url=API_BASE_URL)

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """As described by Meta: see tests/golden."""
        body = orjson.dumps(whatsapp_webhook.imitate(imitation))
        signature = meta_webhook.sign(body, credentials.get("app_secret", ""))
        headers = {"content-type": "application/json", meta_webhook.HEADER: signature}
        return Webhook("POST", imitation.url, headers, body, imitation.now)


def _wamid(answer: Answer) -> str:
    sent = mapping(next(iter(items(meta_graph.sent(answer).get("messages"))), None))
    if not string(sent.get("id")):
        raise meta_errors.failure(answer)
    return string(sent.get("id"))


def _call(outgoing: Outgoing, credentials: Credentials, *, content: Mapping[str, object] | None = None) -> Call:
    body: dict[str, object] = {
        "messaging_product": "whatsapp",
        **_recipient(outgoing.chat_id),
        **(content or (_template(outgoing) if outgoing.template else _text(outgoing))),
        "biz_opaque_callback_data": f"{outgoing.delivery_id}.{outgoing.part}",
    }
    if outgoing.part == 0 and outgoing.reply_to:
        body["context"] = {"message_id": own_id(outgoing.reply_to)}
    return _post(outgoing, credentials, body=body)


def _post(outgoing: Outgoing, credentials: Credentials, *, body: Mapping[str, object]) -> Call:
    token, secret = credentials.get("access_token", ""), credentials.get("app_secret", "")
    return meta_graph.send(outgoing, token, base_url=API_BASE_URL, body=body, app_secret=secret)


def _text(outgoing: Outgoing) -> dict[str, object]:
    """A preview makes Meta fetch whatever URL the model wrote."""
    return {"type": "text", "text": {"body": outgoing.text, "preview_url": False}}


def _template(outgoing: Outgoing) -> dict[str, object]:
    """A variable that is no number has its name in the template, and must have it here.

    https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates
    """
    content: dict[str, object] = {
        "name": outgoing.template,
        "language": {"policy": "deterministic", "code": outgoing.options.get("template_language") or TEMPLATE_LANGUAGE},
    }
    if outgoing.template_values:
        filled = [_parameter(name, text) for name, text in outgoing.template_values.items()]
        content["components"] = [{"type": "body", "parameters": filled}]
    return {"type": "template", "template": content}


def _parameter(name: str, text: str) -> dict[str, str]:
    value = {"type": "text", "text": templates.value(text)}
    return value if name.isdigit() else value | {"parameter_name": name}


def _recipient(chat_id: str) -> dict[str, object]:
    number = chat_id.removeprefix("+")
    if _NUMBER.fullmatch(number):
        return {"recipient_type": "individual", "to": number}
    if _USER_ID.fullmatch(chat_id):
        return {"recipient_type": "individual", "recipient": chat_id}
    if _GROUP.fullmatch(chat_id):
        return {"recipient_type": "group", "to": chat_id}
    raise error("recipient", provider_code="chat_id")
