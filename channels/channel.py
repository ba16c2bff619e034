"""What is a channel? The protocol that one provider's file fills, and the values that pass through it, without I/O."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from parley.chat.v1.message_pb2 import ChannelMessage, Receipt

TextUnit = Literal["characters", "utf16", "bytes"]
WebhookKind = Literal["message", "status"]
Markup = Literal["as_written", "plain", "telegram", "whatsapp", "slack", "discord"]  # channels/markup/styles.py
RejectedKind = Literal["recipient", "window", "policy", "payload"]


class Credentials(Mapping[str, str]):
    """What an account proves itself with, by name. Its repr shows the names only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        """Copies the values; a blank one counts as not given."""
        self._values = {name: value for name, value in values.items() if value.strip()}

    def __getitem__(self, name: str) -> str:
        """The value; KeyError when it was not given or is blank."""
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        """Whether it was given."""
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def __repr__(self) -> str:
        """Names only, so that no log line can hold a secret."""
        return f"Credentials({', '.join(sorted(self._values))})"


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One credential that a channel's accounts have."""

    name: str
    environment: str  # the variable that sets it for the default tenant; "" when there is none
    secret: bool
    required: bool
    description: str
    verifies: bool = False  # webhooks are checked with it: while it is empty every webhook is refused
    generated: bool = False  # made at random (32 bytes or more) together with the account


@dataclass(frozen=True, slots=True)
class TextLimit:
    """How long one part of a reply may be, and what is counted."""

    size: int
    unit: TextUnit


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the provider can do beside taking a text, and tells us after a send."""

    receipts: bool  # it reports delivery
    reconciles: bool  # a send whose answer was lost can be found out later
    templates: bool = False  # an approved template can be sent in the place of free text


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
    template_values: Mapping[str, str] = field(default_factory=dict)  # of its variables; the channel makes them fit

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
class Sent:
    """The provider took the part and calls it this."""

    provider_message_id: str


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


class DeliveryError(Exception):
    """A part was not sent, or perhaps was. The message never holds text, address or token."""

    def __init__(self, message: str = "", *, provider_code: str = "") -> None:
        """`provider_code` is the provider's own name of the failure."""
        super().__init__(message or type(self).__doc__ or "")
        self.provider_code = provider_code


class Throttled(DeliveryError):
    """Too fast; not sent, repeat after a while."""

    def __init__(self, message: str = "", *, provider_code: str = "", retry_after: timedelta | None = None) -> None:
        """`retry_after` is what the provider asks for; None when it does not say."""
        super().__init__(message, provider_code=provider_code)
        self.retry_after = retry_after


class Unavailable(DeliveryError):
    """The provider could not; not sent, repeat later."""


class Rejected(DeliveryError):
    """The provider will never take it; `kind` says what is wrong."""

    def __init__(self, message: str = "", *, kind: RejectedKind, provider_code: str = "") -> None:
        """`kind`: the recipient, the reply window, a policy (opt-out, block), or what we sent."""
        super().__init__(message, provider_code=provider_code)
        self.kind = kind


class Unauthorized(DeliveryError):
    """The provider refuses our credentials; the account must pause."""


class Unknown(DeliveryError):
    """It may have been sent; repeating could send it twice."""


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
