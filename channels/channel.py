"""What is a channel? The protocol that one provider's file fills, and the values that pass through it, without I/O."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from channels.credentials import CredentialField, Credentials
from channels.files import File
from channels.outcomes import (
    DeliveryError,
    Rejected,
    RejectedKind,
    Sent,
    Throttled,
    Unanswered,
    Unauthorized,
    Unavailable,
    Unknown,
)
from channels.rates import Rates
from channels.segments import Segmenting
from parley.chat.v1.message_pb2 import ChannelMessage, Receipt

# Passed on, so that a channel imports all of the protocol from one place.
__all__ = [
    "CredentialField",
    "Credentials",
    "DeliveryError",
    "Rejected",
    "RejectedKind",
    "Sent",
    "Throttled",
    "Unanswered",
    "Unauthorized",
    "Unavailable",
    "Unknown",
]

TextUnit = Literal["characters", "utf16", "bytes"]
WebhookKind = Literal["message", "status"]
Markup = Literal["as_written", "plain", "telegram", "whatsapp", "slack", "discord"]  # channels/markup/styles.py


@dataclass(frozen=True, slots=True)
class TextLimit:
    """How long one part of a reply may be, and what is counted."""

    size: int
    unit: TextUnit
    segments: Segmenting | None = None  # beside it, where each segment of a text message is paid for


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the provider can do beside taking a text, what it tells us after a send, and how fast it takes them."""

    receipts: bool  # it reports delivery
    reconciles: bool  # a send whose answer was lost can be found out later
    templates: bool = False  # an approved template can be sent in the place of free text
    rates: Rates | None = None  # None: nobody is called, and nothing is paced
    repeats: bool = False  # it brings a webhook again for hours that was answered 503
    waits_once: timedelta | None = None  # it brings a webhook once, and a good answer may take so long
    human_window: timedelta | None = None  # what a human may still say after `window`, where the account has that right
    one_url: bool = False  # of all accounts of an app, which loses it by refusals: what is a stranger's is thanked for
    one_talk: bool = False  # a group is one conversation for ever: what is said in it to others is kept, not answered
    largest_webhook: int = 0  # bytes of the largest body that it posts, where that is more than HTTP_MAX_BODY_BYTES


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """A request as the provider made it, before anything is believed."""

    method: str
    url: str  # exactly what the provider requested: public base, raw path, raw query
    headers: Mapping[str, str]  # names in lower case, values decoded as latin-1
    body: bytes
    received_at: datetime
    kind: WebhookKind = "message"
    # Scratch of the channel's own code, so that a body is parsed once.
    parsed: dict[str, Any] = field(default_factory=dict, compare=False, init=False)

    def __repr__(self) -> str:
        """Neither URL nor body: the one names the account, the other is a person's words."""
        return f"Webhook({self.method} {self.kind}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the provider wants to hear."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a verified webhook means. Both tuples may be empty: an update that nobody needs is no error."""

    answer: HttpAnswer
    messages: tuple[ChannelMessage, ...] = field(default=(), repr=False)  # a person's words
    receipts: tuple[Receipt, ...] = ()
    addressed_to: str | None = None  # the account's address (or id) as the body names it; None when it does not
    or_to: str = ""  # another address that the same account may have
    unread: str = ""  # kinds of what nobody here reads: for their sake the body is kept as it came
    access_ended_at: datetime | None = None  # when the provider took the account's credentials back, if it did
    # The rest of a body that speaks to several accounts; only the account's own counts.
    also: tuple["Decoded", ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Outgoing:
    """One part of a reply, on its way to one chat."""

    delivery_id: str
    part: int
    text: str  # formatted as the channel's `markup` says
    chat_id: str
    address: str  # of the account that sends
    plain: str = ""  # the same part unformatted, where the provider may refuse formatting
    reply_to: str = ""  # the provider's id of the message that this answers
    reply_metadata: Mapping[str, str] = field(default_factory=dict)
    status_url: str = ""  # where receipts should be posted; "" asks for none
    api_base_url: str = ""  # stands in for the provider's own, for a sandbox or a proxy
    options: Mapping[str, str] = field(default_factory=dict)  # the account's, not secret
    template: str = ""  # the provider's id of an approved template that goes out in the place of text; "": none does
    draft: str = ""  # the provider's id of a draft of ours that this takes the place of, with all of its text; "": none
    template_values: Mapping[str, str] = field(default_factory=dict)  # of its variables; the channel makes them fit
    as_human: bool = False  # a human says it in their own, longer window
    file: File | None = None  # the part is a file, for `give`; its caption stands in `text`

    def __repr__(self) -> str:
        """Who and what part, never the words."""
        return f"Outgoing({self.delivery_id}.{self.part}, {len(self.text)} characters)"


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """An HTTP request that the sender makes. The URL may hold a token: log `str(call)`, never its parts."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float

    def __repr__(self) -> str:
        """The host at most."""
        return f"Call({self.method} {urlsplit(self.url).hostname}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came back from a call."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def __repr__(self) -> str:
        """The status only: providers quote our text back at us."""
        return f"Answer({self.status}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Imitation:
    """What a person would say on a channel, for a webhook made by ourselves."""

    text: str
    sender: str
    address: str  # of the account that it is said to; the account's id on web chat
    url: str
    message_id: str
    now: datetime


class BadSignature(Exception):
    """The webhook does not prove that it comes from the provider."""


class Stale(Exception):
    """The proof is right but too old, where the provider signs a time."""


class Unreadable(Exception):
    """The webhook is the provider's, and we cannot read it."""


Flow = Generator[Call, Answer, Sent]


class Channel(Protocol):
    """One provider's body of knowledge. Stateless and pure: bytes in, values out."""

    @property
    def name(self) -> str:
        """As in the URL, in metrics and in ChannelMessage.channel."""

    @property
    def provider(self) -> str:
        """Names `<PROVIDER>_API_BASE_URL`; "" when nothing is called."""

    @property
    def max_text(self) -> TextLimit:
        """Longest text of one part."""

    @property
    def markup(self) -> Markup:
        """What a model's Markdown becomes before `deliver` is given it; "as_written" leaves it."""

    @property
    def credential_fields(self) -> tuple[CredentialField, ...]:
        """What an account must know."""

    @property
    def address_environment(self) -> str:
        """The variable with the default account's address; "" when there is none."""

    @property
    def formatting(self) -> str:
        """What it can show, told to the model that writes on it; "" when there is nothing to say."""

    @property
    def capabilities(self) -> Capabilities:
        """What is heard after a send, and whether a template can stand in for text."""

    @property
    def window(self) -> timedelta | None:
        """How long after the person's last message free text may be sent to them; None: always."""

    @property
    def unreadable(self) -> HttpAnswer:
        """The answer to a verified webhook that cannot be read: what keeps the provider from repeating it."""

    def authenticate(self, webhook: Webhook, credentials: Credentials, /) -> None:
        """Is it really them, and fresh? Raises BadSignature or Stale."""

    def decode(self, webhook: Webhook, /) -> Decoded:
        """What does it say? Called after authenticate only. Raises Unreadable."""

    def handshake(self, webhook: Webhook, credentials: Credentials, /) -> HttpAnswer | None:
        """The answer to a GET by which a provider checks the URL; None refuses it."""

    def deliver(self, outgoing: Outgoing, credentials: Credentials, /) -> Flow:
        """How is this part sent? Yields calls, is sent their answers, returns Sent or raises a DeliveryError.

        A call without an answer raises at its yield, Unknown when it may have been taken: who can find out catches it.
        """

    def imitate(self, imitation: Imitation, credentials: Credentials, /) -> Webhook:
        """The webhook that the provider would send, correctly signed. ValueError when these credentials cannot sign."""
