"""What does Twilio say when it is asked to send, and how does it report what became of it? WhatsApp and SMS.

https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/api/errors
"""

import base64
import hmac
import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from channels import segments, twilio_signature
from channels.channel import Webhook
from channels.payload import Form, parse_form
from sandbox import formatting
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import twilio_checks, twilio_media
from sandbox.providers.twilio_checks import PREFIX

WHATSAPP, SMS = "whatsapp", "sms"

# What our word for a receipt is at Twilio: MessageStatus and ErrorCode.
STATUSES = {
    "sent": ("sent", ""),
    "delivered": ("delivered", ""),
    "read": ("read", ""),
    "refused": ("undelivered", "63016"),  # WhatsApp is asked, and says no: the send itself was taken
}
# code -> (HTTP status, what it says)
CODES = {
    20001: (400, "The request is not a valid form."),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number is not a valid, SMS-capable number of your account."),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit."),
    21619: (400, "A text message body or media urls must be specified."),
    21620: (400, "Invalid media URL(s)"),
    21623: (400, "Number of media files exceeds allowed limit"),
    21910: (400, "Invalid From and To pair. From and To should be of the same channel"),
    63007: (400, "Twilio could not find a Channel with the specified From address"),
}
FAULTS = {"throttled": 20429, "broken": 20500, "opted_out": 21610}

TYPING = "/v2/Indicators/Typing.json"
_PATH = re.compile(
    r"/2010-04-01/Accounts/(?P<account>[^/.]+)(?P<rest>/Messages|/IncomingPhoneNumbers)?(?:/(?P<sid>[^/.]+))?\.json"
)


def made_up(draw: Draw) -> Mapping[str, str]:
    """An account that nobody has, by environment variable."""
    return {
        "TWILIO_ACCOUNT_SID": f"AC{draw(32)}",
        "TWILIO_AUTH_TOKEN": draw(32),
        "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886",
        "TWILIO_PHONE_NUMBER": "+15005550006",
    }


class Twilio:
    """One account at Twilio."""

    name = "twilio"
    handsets = (
        Handset(
            channel=WHATSAPP,
            title="WhatsApp",
            skin=Skin(bar="#075e54", mine="#d9fdd3", mine_dark="#005c4b", wall="#efeae2", wall_dark="#0b141a"),
            receipts=("sent", "delivered", "read"),
            faults=("window",),
            captioned=frozenset({"image", "video", "file"}),
        ),
        Handset(
            channel=SMS,
            title="SMS",
            skin=Skin(bar="#0b57d0", mine="#d3e3fd", mine_dark="#004a77", wall="#ffffff", wall_dark="#131314"),
            receipts=("sent", "delivered"),
            faults=("opted_out",),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._sid = account.values["TWILIO_ACCOUNT_SID"]
        self._token = account.values["TWILIO_AUTH_TOKEN"]
        self._messages: dict[str, dict[str, Any]] = {}
        self._heard: dict[str, str] = {}  # what people wrote on WhatsApp -> who
        self._media = twilio_media.Media(account)
        self.numbers = {
            PREFIX + account.values["TWILIO_WHATSAPP_NUMBER"].removeprefix(PREFIX),
            account.values["TWILIO_PHONE_NUMBER"],
        }

    def person(self, number: int) -> Person:
        """Numbers of the block that is kept for films."""
        return Person(f"+1202555{100 + number % 100:04d}")

    def label(self, ask: Ask) -> str:
        """The resource, without the account."""
        if ask.path == TYPING:
            return f"{ask.method} Typing.json"
        if "/Media/" in ask.path or ask.path.startswith("/store/"):
            return f"{ask.method} Media"
        path = _PATH.fullmatch(ask.path)
        return (
            f"{ask.method} {(path['rest'] or '/Account').strip('/')}.json" if path else f"{ask.method} something else"
        )

    def answer(self, ask: Ask) -> Reply | Taken:
        """POST Messages.json, GET of one message, of a person's file, of the account and its numbers."""
        if stored := self._media.stored(ask):
            return stored
        path, media_of = _PATH.fullmatch(ask.path), self._media.account_of(ask)
        if not path and not media_of and ask.path != TYPING:
            return refused(20404)
        if not self._is_ours(ask, media_of or (path["account"] if path else self._sid)):
            return refused(20003)
        if not path:
            return (self._media.shown(ask) or refused(20404)) if media_of else self._see(ask)
        if path["rest"] != "/Messages":
            return self._looked_up(ask, path["rest"] or "")
        if path["sid"]:
            found = self._messages.get(path["sid"]) if ask.method == "GET" else None
            return Reply(200, found) if found else refused(20404)
        return self._send(ask) if ask.method == "POST" else refused(20004)

    def _is_ours(self, ask: Ask, account: str) -> bool:
        expected = b"Basic " + base64.b64encode(f"{self._sid}:{self._token}".encode())
        stated = ask.headers.get("authorization", "").encode("latin-1", "replace")
        return account == self._sid and hmac.compare_digest(stated, expected)

    def _see(self, ask: Ask) -> Reply:
        """Of WhatsApp: the message was read, and is being answered."""
        form = parse_form(ask.body)
        to = self._heard.get(form.first("messageId"))
        if ask.method != "POST" or form.first("channel") != "whatsapp" or not to:
            return refused(20404)
        return Reply(200, {"success": True}, sign=Sign(WHATSAPP, to, writes_seconds=25, reads=True))

    def refuse(self, fault: str, seconds: int) -> Reply:
        """429 says when to come again, in a header."""
        return refused(FAULTS[fault], {"retry-after": str(seconds)} if fault == "throttled" else {})

    def say(self, channel: str, words: Words) -> Webhook:
        """As captured. What has a file is signed anew."""
        sid = f"{'MM' if words.file else 'SM'}{self._account.draw(32)}"
        if channel == WHATSAPP:
            self._heard[sid] = words.person.id
        webhook = imitated(channel, words, account=self._account, message_id=sid)
        if not words.file:
            return webhook
        fields = {name: values[0] for name, values in parse_form(webhook.body).items()}
        fields |= self._media.said(channel, words.file, sid=sid, base_url=words.base_url, text=words.text)
        return self._signed(webhook.url, fields)

    def _signed(self, url: str, fields: Mapping[str, str]) -> Webhook:
        form = Form({name: [value] for name, value in fields.items()})
        signature = twilio_signature.sign(url, form, token=self._token)
        headers = {"content-type": twilio_signature.FORM_TYPE, twilio_signature.HEADER: signature}
        return Webhook("POST", url, headers, urlencode(fields).encode(), self._account.now())

    def receipt(self, taken: Taken, state: str, *, url: str) -> Webhook | None:
        """A status callback, where one was asked for: `url` is not where Twilio posts them."""
        del url
        status, code = twilio_media.STATUSES.get((taken.channel, state)) or STATUSES[state]
        message = self._messages[taken.id]
        message.update(status=status, error_code=int(code) if code else None)
        if not taken.callback:
            return None
        fields = {
            "ChannelToAddress": message["to"].removeprefix(PREFIX),
            "SmsSid": taken.id,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": message["to"],
            "MessageSid": taken.id,
            "AccountSid": self._sid,
            "From": message["from"],
            "ApiVersion": "2010-04-01",
            **({"ErrorCode": code} if code else {}),
            **({"MessagingServiceSid": message["messaging_service_sid"]} if message["messaging_service_sid"] else {}),
        }
        return self._signed(taken.callback, fields)

    def _looked_up(self, ask: Ask, rest: str) -> Reply:
        """The account, or its numbers with their webhooks. A WhatsApp sender is none of them, as at Twilio."""
        if ask.method != "GET":
            return refused(20004)
        at = format_datetime(self._account.now())
        uri = f"/2010-04-01/Accounts/{self._sid}{rest}.json"
        if not rest:
            told = {"sid": self._sid, "friendly_name": "Sandbox", "status": "active", "type": "Full", "uri": uri}
            return Reply(200, told | {"owner_account_sid": self._sid, "date_created": at, "date_updated": at})
        wanted = parse_form(ask.query).first("PhoneNumber")
        own = self._account.values["TWILIO_PHONE_NUMBER"]
        url = self._account.webhook_url(SMS)
        number: dict[str, Any] = {"sid": f"PN{'0' * 32}", "account_sid": self._sid, "phone_number": own}
        number |= {"friendly_name": own, "capabilities": {"sms": True, "mms": True, "voice": False}}
        number |= {"sms_url": url, "sms_method": "POST"}
        number |= {"date_created": at, "date_updated": at, "sms_application_sid": "", "uri": uri}
        listed = [number] if wanted in ("", own) else []
        page: dict[str, Any] = {"page": 0, "page_size": 50, "start": 0, "end": 0, "uri": uri, "first_page_uri": uri}
        return Reply(200, page | {"next_page_uri": None, "previous_page_uri": None, "incoming_phone_numbers": listed})

    def _send(self, ask: Ask) -> Reply | Taken:
        if not ask.headers.get("content-type", "").startswith(twilio_signature.FORM_TYPE):
            return refused(20001)
        form = parse_form(ask.body)
        wrong = twilio_checks.wrong(form, self.numbers)
        if wrong:
            return refused(wrong)
        message = self._message(form)
        channel = WHATSAPP if message["to"].startswith(PREFIX) else SMS
        runs = formatting.whatsapp(message["body"]) if channel == WHATSAPP else (formatting.Run(message["body"]),)
        return Taken(
            channel=channel,
            to=message["to"].removeprefix(PREFIX),
            id=message["sid"],
            text=formatting.plain(runs),
            reply=Reply(201, dict(message)),
            callback=form.first("StatusCallback"),
            runs=runs if message["body"] else (),
            detail=_counted(message) if channel == SMS and message["num_media"] == "0" else "",
            attached=twilio_media.attached(form, channel),
        )

    def _message(self, form: Form) -> dict[str, Any]:
        """The resource. Nobody learns its sid before it is taken."""
        sid, to = f"{'MM' if form.first('MediaUrl') else 'SM'}{self._account.draw(32)}", form.first("To")
        pooled = next(each for each in self.numbers if each.startswith(PREFIX) == to.startswith(PREFIX))
        now = format_datetime(self._account.now())
        uri = f"/2010-04-01/Accounts/{self._sid}/Messages/{sid}"
        self._messages[sid] = {
            "account_sid": self._sid,
            "api_version": "2010-04-01",
            "body": form.first("Body"),
            "date_created": now,
            "date_sent": None,
            "date_updated": now,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": form.first("From") or pooled,
            "messaging_service_sid": form.first("MessagingServiceSid") or None,
            "num_media": str(len(form.get("MediaUrl", []))),
            "num_segments": str(segments.cost(form.first("Body")).segments),
            "price": None,
            "price_unit": None,
            "sid": sid,
            "status": "queued",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": to,
            "uri": f"{uri}.json",
        }
        return self._messages[sid]


def refused(code: int, headers: Mapping[str, str] | None = None) -> Reply:
    """Twilio's own shape of an error."""
    status, message = CODES[code]
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply(status, {"code": code, "message": message, "more_info": more, "status": status}, headers or {})


def _counted(message: Mapping[str, Any]) -> str:
    """As Twilio's own page of a message puts it."""
    count, encoding = message["num_segments"], segments.cost(message["body"]).encoding
    return f"{count} segment{'' if count == '1' else 's'}, {encoding}"
