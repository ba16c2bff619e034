"""What is a stand-in for a provider? The protocol that its file fills, and the values that pass through it.

Nothing here does I/O: the server reads requests and the switchboard posts webhooks; a stand-in says what they mean.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from channels.channel import Channel, Credentials, Imitation, Webhook
from channels.registry import CHANNELS
from sandbox.files import EVERY_KIND, Attached, File, Kind, Shelf
from sandbox.formatting import Run

Draw = Callable[[int], str]  # so many hexadecimal digits, made at random


@dataclass(frozen=True, slots=True)
class Skin:
    """A phone's colours: the bar on top, our bubbles and the wall behind them, by day and by night."""

    bar: str
    mine: str
    mine_dark: str
    wall: str
    wall_dark: str


@dataclass(frozen=True, slots=True)
class Handset:
    """The phone of one channel."""

    channel: str  # as in the registry of channels
    title: str
    skin: Skin
    receipts: tuple[str, ...] = ()  # what the provider reports of a send, in this order
    faults: tuple[str, ...] = ()  # those that only this channel knows, beside the ones that all have
    captioned: frozenset[Kind] = EVERY_KIND  # of a person's files those under which words can stand


@dataclass(frozen=True, slots=True)
class Person:
    """Who holds the phone."""

    id: str  # the provider's


@dataclass(frozen=True, slots=True, repr=False)
class Ask:
    """A request at the provider's API. The path is what comes after the base URL; it may hold a token."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    query: str = ""
    base_url: str = ""  # of this API, as it was asked


@dataclass(frozen=True, slots=True)
class Sign:
    """What a person sees of us beside messages."""

    channel: str
    to: str  # the person
    writes_seconds: float = 0.0  # that we write, for so long or until our message
    reads: bool = False  # that we read what they wrote
    draft: tuple[Run, ...] = ()  # what we have written so far, where that is no message
    draft_seconds: float = 0.0  # for so long or until our message


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider answers: JSON, or a file."""

    status: int
    content: Any  # an object, and now and then a list
    headers: Mapping[str, str] = field(default_factory=dict)
    sign: Sign | None = None
    file: File | None = None  # in the place of content
    channel: str = ""  # whose phone it is about; "" for all of the provider's


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that waits for something to tell, and at most so many seconds."""

    seconds: float
    is_ready: Callable[[], bool]
    answer: Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a person typed, where the provider calls nobody: it is told to whoever listens, and in what way."""

    way: str  # as it stands on the timeline
    tell: Callable[[], None]  # called once, or once for each copy
    is_heard: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Line:
    """A WebSocket, as a stand-in sees it: what is said is written when there is time."""

    url: str
    say: Callable[[str], None]
    close: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the provider takes, and what it answers when nothing goes wrong on the way."""

    channel: str
    to: str  # the person, as the provider names them
    id: str
    text: str  # as a person reads it
    reply: Reply
    callback: str = ""  # where receipts are wanted; "" for the channel's own webhook
    runs: tuple[Run, ...] = ()  # how it looks, where it is formatted
    detail: str = ""  # what the provider counts of it, in words
    edits: bool = False  # it takes the place of the message with its id
    deletes: bool = False  # the message with its id goes
    attached: Attached | None = None
    keep: Callable[[], object] = lambda: None  # called when nothing went wrong before: what is remembered of it then


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that the provider reads before it answers."""

    url: str
    then: "Callable[[File | None], Reply | Taken]"  # None: it could not be read


@dataclass(frozen=True, slots=True)
class Trying:
    """A webhook that the provider posts before it answers."""

    webhook: Webhook
    then: Callable[[int, str], Reply]  # its status, 0 where nobody answered; and what else is to be said


class Provider(Protocol):
    """One provider's stand-in, with one account whose credentials are made up."""

    @property
    def name(self) -> str:
        """As `Channel.provider`: the API's base URL ends in it."""

    @property
    def handsets(self) -> tuple[Handset, ...]:
        """A phone for each of its channels."""

    def person(self, number: int) -> Person:
        """Who holds a phone: the first, or a later one."""

    def label(self, ask: Ask, /) -> str:
        """What a request is called on the timeline: no part of it that can be a secret."""

    def answer(self, ask: Ask, /) -> Reply | Taken | Reading | Later | Trying:
        """What the API says: a message that it takes, or whatever else it answers, refusals included."""

    def refuse(self, fault: str, seconds: int) -> Reply:
        """How it fails: `throttled` (with Retry-After), `broken` (nothing was taken), or a fault of its own."""

    def say(self, channel: str, words: "Words") -> Webhook | Kept:
        """The webhook for what a person typed, correctly signed, unless somebody listens for it. The person is known to
        the provider from then on.
        """

    def receipt(self, taken: Taken, state: str, *, url: str) -> Webhook | None:
        """The signed word of what became of a send; None when the provider has none or nobody asked."""


@runtime_checkable
class Listenable(Protocol):
    """A provider that may be listened to: it need not post."""

    def way(self, channel: str, /) -> str:
        """How what is typed on that phone travels now, in a few words."""


def way_of(provider: Provider, channel: str) -> str:
    """The same of any provider."""
    return provider.way(channel) if isinstance(provider, Listenable) else "by webhook"


@runtime_checkable
class Socket(Protocol):
    """A provider's side of WebSockets. Whatever `opened` returns names the connection from then on."""

    def opened(self, line: Line, query: Mapping[str, str], /) -> Any:
        """Somebody connected."""

    def heard(self, connection: Any, text: str, /) -> None:
        """They said something."""

    def gone(self, connection: Any, code: int | None, /) -> None:
        """They are not there any more; with this code, if they said goodbye."""


@runtime_checkable
class Socketed(Protocol):
    """A provider that is listened to over a WebSocket, at whatever path below its API its clients are told."""

    @property
    def socket(self) -> Socket:
        """Its side."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a person typed, and the URL that their provider posts it to."""

    text: str
    person: Person
    url: str
    now: datetime
    file: File | None = None  # what they send along; the text, if any, stands under it
    base_url: str = ""  # of the provider's API, as Parley calls it


@dataclass(frozen=True, slots=True)
class Account:
    """The made-up account: what the environment says of it, and what a stand-in draws and reads beside that."""

    values: Mapping[str, str]  # by environment variable
    now: Callable[[], datetime]
    draw: Draw
    public_url: str = ""  # of the gateway: where webhooks go until a program says otherwise
    shelf: Shelf = field(default_factory=Shelf)  # the files that providers keep

    def webhook_url(self, channel: str) -> str:
        """What stands at the provider from the beginning; "" when nobody said where the gateway is."""
        return self.public_url and f"{self.public_url}/webhook/{channel}"

    def credentials(self, channel: Channel) -> Credentials:
        """By the channel's own field names."""
        fields = (each for each in channel.credential_fields if each.environment)
        return Credentials({each.name: self.values.get(each.environment, "") for each in fields})


def imitated(channel: str, words: Words, *, account: Account, message_id: str) -> Webhook:
    """The webhook as the channel itself imitates it."""
    known = CHANNELS[channel]
    said = Imitation(
        text=words.text,
        sender=words.person.id,
        address=account.values.get(known.address_environment, ""),
        url=words.url,
        message_id=message_id,
        now=words.now,
    )
    return known.imitate(said, account.credentials(known))
