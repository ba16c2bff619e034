"""What is a webhook of Slack's, and how is a message posted? Events, slash commands, buttons; chat.postMessage.

https://docs.slack.dev/apis/events-api/ · https://docs.slack.dev/reference/methods/chat.postMessage/
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import orjson

from channels import slack_errors, slack_events, slack_forms, slack_kinds, slack_media, slack_signature
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
    Unauthorized,
    Unreadable,
    Webhook,
)
from channels.failures import error
from channels.files import EVERY_KIND
from channels.media import Finding, Wanted, Way
from channels.payload import mapping, parse_form, parse_json, string
from channels.presence import DraftManners, Drawing, Gesture, SignalKind
from channels.rates import Rate, Rates, each
from channels.slack_drafts import MANNERS, Ask, Thread, carried, take_back, take_the_place

API_BASE_URL = "https://slack.com/api"
TIMEOUT_SECONDS = 10.0
LONGEST_CHALLENGE = 1024
LOOKS = "conversations."
WRITES = "is writing…"  # after the app's name
FORM_TYPE = "application/x-www-form-urlencoded"

# A body would be shown to whoever typed a slash command.
NOTHING = HttpAnswer(200, "text/plain", b"")

_TOKEN = re.compile(r"xox[!-~]{1,500}", re.ASCII)
_CHAT = re.compile(r"([A-Z][A-Z0-9]{1,63})(?::([0-9]{1,12}\.[0-9]{6}))?", re.ASCII)
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{6}", re.ASCII)

# "One message per second per channel", with short bursts; of a workspace "several hundred messages per minute".
# https://docs.slack.dev/apis/web-api/rate-limits
RATES = Rates(account=Rate(5, burst=20), chat=each(Rate(1, burst=4)), shared=lambda chat_id: chat_id.partition(":")[0])

# 40,000 characters, each an escape of six bytes, as text and as blocks; and once more in an edit, as it was before.
LARGEST_BODY = 2 * 1024 * 1024


class Slack:
    """An app in a workspace."""

    name = "slack"
    provider = "slack"
    # Slack advises 4,000 and cuts at 40,000.
    max_text = TextLimit(size=4000, unit="utf16")
    markup: Markup = "slack"
    credential_fields = (
        CredentialField(
            name="bot_token",
            environment="SLACK_BOT_TOKEN",
            secret=True,
            required=True,
            description="Bot User OAuth Token (xoxb-…) of the app in the workspace; posts messages.",
        ),
        CredentialField(
            name="signing_secret",
            environment="SLACK_SIGNING_SECRET",
            secret=True,
            required=True,
            description="Signing Secret of the app's Basic Information; proves each webhook.",
            verifies=True,
        ),
    )
    address_environment = ""  # an account made by the API may have the workspace's id, T…, for its address
    formatting = (
        "This chat shows Markdown: bold, italic, lists, quotes, links, code and small tables. "
        "Keep an answer under 4,000 characters."
    )
    # Nothing is reported as delivered or read. Where the app is told of its own posts, each brings our id back.
    capabilities = Capabilities(
        receipts=False, reconciles=True, rates=RATES, one_url=True, largest_webhook=LARGEST_BODY
    )
    window = None
    # https://docs.slack.dev/reference/methods/assistant.threads.setStatus/: for two minutes, or until the app posts
    signals: Mapping[SignalKind, float] = MappingProxyType({"typing": 120.0})
    takes: tuple[Way, ...] = ("bytes",)
    captioned = EVERY_KIND
    unreadable = NOTHING  # one that is refused comes three times more, and too many end the subscription

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """Signed by the app's secret, within five minutes."""
        slack_signature.verify(webhook, credentials)

    def decode(self, webhook: Webhook) -> Decoded:
        """An event, a command or a pressed button; what we do not handle decodes to nothing."""
        if webhook.headers.get("content-type", "").lower().startswith(FORM_TYPE):
            return _form(webhook.body)
        body = parse_json(webhook.body)
        kind = string(body.get("type"))
        if kind == "url_verification":
            return Decoded(answer=_challenge(body))
        if not kind or kind == "app_rate_limited":
            raise Unreadable(kind or "no type")  # over 30,000 events an hour, people are not heard: worth a look
        if kind != "event_callback":
            return Decoded(answer=NOTHING, unread=kind[: slack_forms.LONGEST_KIND])
        message, receipt = slack_events.read(body), slack_events.receipt(body)
        address, other = slack_events.installation(body)
        return Decoded(
            answer=NOTHING,
            messages=(message,) if message else (),
            receipts=(receipt,) if receipt else (),
            addressed_to=address,
            or_to=other,
            unread=slack_kinds.unread(mapping(body.get("event"))),
            access_ended_at=slack_events.access_ended_at(body),
        )

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """None: the URL is checked by a signed POST."""
        return None

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """One chat.postMessage. There is no idempotency key: the metadata tells later whether a lost one was posted."""
        channel, thread_ts = _place(outgoing)
        metadata = {
            "event_type": slack_events.DELIVERY,
            "event_payload": {"delivery_id": outgoing.delivery_id, "part": outgoing.part},
        }
        body = _message(outgoing, channel=channel, metadata=metadata)
        if _TS.fullmatch(outgoing.draft):
            ask = _asker(outgoing, credentials)
            if (yield from take_the_place(ask, body=body, ts=outgoing.draft)):
                return Sent(outgoing.draft)
        answer = yield _posting(outgoing, credentials, body=body, thread_ts=thread_ts)
        return Sent(_ts(answer))

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """A line under the thread with the assistant. Slack shows it in threads only."""
        del kind  # there is one only
        channel, thread_ts = _place(outgoing)
        if thread_ts:
            body = {"channel_id": channel, "thread_ts": thread_ts, "status": WRITES}
            slack_errors.taken((yield _asking(outgoing, credentials, method="assistant.threads.setStatus", body=body)))

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """The bytes go to a URL that Slack names, and are then shown in the chat."""
        channel, thread_ts = _place(outgoing)
        place = {"channel_id": channel, "thread_ts": thread_ts}
        return (yield from slack_media.give(outgoing, _token(credentials), base_url=API_BASE_URL, place=place))

    def fetch(self, wanted: Wanted, credentials: Credentials) -> Finding:
        """The event's own URL, with the token; files.info knows it where the event holds only an id."""
        return slack_media.find(wanted, credentials.get("bot_token", ""), base_url=API_BASE_URL)

    def draft_manners(self, _outgoing: Outgoing) -> DraftManners:
        """The same everywhere."""
        return MANNERS

    def draft(self, outgoing: Outgoing, credentials: Credentials, *, turn_id: str) -> Drawing:
        """Posted once, and edited from then on."""
        channel, thread_ts = _place(outgoing)
        body = _message(outgoing, channel=channel, metadata=carried(turn_id))
        if not outgoing.draft:
            return _ts((yield _posting(outgoing, credentials, body=body, thread_ts=thread_ts)))
        edited = {**body, "ts": outgoing.draft}
        return _ts((yield _asking(outgoing, credentials, method="chat.update", body=edited)))

    def retract(self, outgoing: Outgoing, credentials: Credentials, *, turn_id: str) -> Gesture:
        """Deleted."""
        channel, thread_ts = _place(outgoing)
        thread = Thread(thread_ts, outgoing.reply_to if _TS.fullmatch(outgoing.reply_to) else "")
        ask = _asker(outgoing, credentials)
        yield from take_back(ask, channel=channel, turn_id=turn_id, ts=outgoing.draft, thread=thread)

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """A direct message to the app: see tests/golden."""
        body = orjson.dumps(slack_events.imitate(imitation))
        at = int(imitation.now.timestamp())
        proof = slack_signature.sign(body, secret=credentials.get("signing_secret", ""), at=at)
        return Webhook("POST", imitation.url, {"content-type": "application/json", **proof}, body, imitation.now)


def _form(body: bytes) -> Decoded:
    form = parse_form(body)
    if "payload" in form:
        payload = parse_json(form.first("payload").encode())
        message, (address, other) = slack_forms.acted(payload), slack_forms.pressed_in(payload)
        said, unread = (message,) if message else (), slack_forms.unread(payload)
        return Decoded(answer=NOTHING, messages=said, addressed_to=address, or_to=other, unread=unread)
    if "command" in form:
        address, other = slack_forms.commanded_in(form)
        return Decoded(answer=NOTHING, messages=(slack_forms.command(form),), addressed_to=address, or_to=other)
    if form.first("ssl_check") == "1":
        return Decoded(answer=NOTHING)
    raise Unreadable("neither a command nor a payload")


def _challenge(body: Mapping[str, Any]) -> HttpAnswer:
    """Slack sends this once, when the URL is entered: whoever can read and answer it owns the URL."""
    challenge = string(body.get("challenge"))
    if not challenge or len(challenge) > LONGEST_CHALLENGE:
        raise Unreadable("no challenge")
    return HttpAnswer(200, "application/json", orjson.dumps({"challenge": challenge}))


def _asked_in(outgoing: Outgoing) -> str:
    """The thread of a direct message in which the question was asked: there the answer is looked for."""
    thread_ts = outgoing.reply_metadata.get("thread_ts", "")
    return thread_ts if _TS.fullmatch(thread_ts) else ""


def _place(outgoing: Outgoing) -> tuple[str, str]:
    """The channel, and the thread in it; "" where there is none."""
    chat = _CHAT.fullmatch(outgoing.chat_id)
    if not chat:
        raise error("recipient", provider_code="chat_id")
    return chat[1], chat[2] or _asked_in(outgoing)


def _message(outgoing: Outgoing, *, channel: str, metadata: Mapping[str, object]) -> dict[str, object]:
    """What is posted, and what a draft becomes."""
    return {
        "channel": channel,
        "text": outgoing.text,  # mrkdwn, escaped
        "metadata": metadata,
    }


def _posting(outgoing: Outgoing, credentials: Credentials, *, body: Mapping[str, object], thread_ts: str) -> Call:
    """A preview makes Slack fetch whatever URL the model wrote; an edit makes none."""
    posted = {**body, "unfurl_links": False, "unfurl_media": False} | ({"thread_ts": thread_ts} if thread_ts else {})
    return _asking(outgoing, credentials, method="chat.postMessage", body=posted)


def _asker(outgoing: Outgoing, credentials: Credentials) -> Ask:
    return lambda method, body: _asking(outgoing, credentials, method=method, body=body)


def _asking(outgoing: Outgoing, credentials: Credentials, *, method: str, body: Mapping[str, object]) -> Call:
    base = (outgoing.api_base_url or API_BASE_URL).rstrip("/")
    headers = {
        "authorization": f"Bearer {_token(credentials)}",
        "content-type": "application/json; charset=utf-8",  # without the charset each answer holds a warning
        "accept": "application/json",
    }
    if method.startswith(LOOKS):  # what only reads takes no JSON
        return Call("GET", f"{base}/{method}?{urlencode(body)}", headers, b"", TIMEOUT_SECONDS)
    return Call("POST", f"{base}/{method}", headers, orjson.dumps(body), TIMEOUT_SECONDS)


def _token(credentials: Credentials) -> str:
    token = credentials.get("bot_token", "")
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the bot token is not one")
    return token


def _ts(answer: Answer) -> str:
    """The posted message's id."""
    ts = string(slack_errors.taken(answer).get("ts"))
    if _TS.fullmatch(ts):
        return ts
    raise slack_errors.failure(answer)
