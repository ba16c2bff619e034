"""How are the bytes of an attachment had? What a channel that keeps files says of the way to them, without I/O."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from channels.channel import Answer, Call, Credentials, Flow, Outgoing
from channels.files import File
from parley.chat.v1.message_pb2 import Attachment, AttachmentKind

Way = Literal["url", "bytes"]


class Gone(Exception):
    """The file cannot be had. `reason` is a word of docs/media.md; the message never holds a URL or a token."""

    def __init__(self, reason: str) -> None:
        """`reason`: "not_found", "too_large", "unauthorized", "no_reference" …"""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attachment to fetch, and the account that it came to."""

    attachment: Attachment = field(repr=False)
    address: str
    api_base_url: str = ""  # stands in for the provider's own, for a sandbox or a proxy
    options: Mapping[str, str] = field(default_factory=dict)  # the account's, not secret


@dataclass(frozen=True, slots=True, repr=False)
class Download:
    """Where the bytes are. The host reads them; it takes no header further than `hosts`."""

    url: str
    hosts: tuple[str, ...]  # the provider's own: "api.example.com", or ".example.com" for all below
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""  # of the bytes, in hexadecimal, where the provider says so

    def __repr__(self) -> str:
        """The host at most: a URL may hold a token."""
        return f"Download({urlsplit(self.url).hostname})"


Finding = Generator[Call, Answer, Download]


@runtime_checkable
class Keeps(Protocol):
    """A channel whose provider keeps files for us."""

    def fetch(self, wanted: Wanted, credentials: Credentials, /) -> Finding:
        """Where is this file? Yields calls, is sent their answers, returns a Download; raises Gone or a DeliveryError.

        Nothing that it needs may be believed: the attachment holds what a webhook said.
        """


@runtime_checkable
class Gives(Protocol):
    """A channel on which files can be sent."""

    @property
    def takes(self) -> tuple[Way, ...]:
        """How a file may come to it, the best way first."""

    @property
    def captioned(self) -> frozenset[AttachmentKind]:
        """The kinds under which a text can stand."""

    def give(self, outgoing: Outgoing, credentials: Credentials, /) -> Flow:
        """How is this file (`outgoing.file`) sent? As `deliver`."""


@runtime_checkable
class Links(Protocol):
    """A channel that sends some files, whose bytes it could be given, by their URL."""

    def links(self, file: File, /) -> bool:
        """Whether this one, whose bytes are here, needs its URL beside them. `give` finds none where nobody has one."""


def is_of(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a host is one of these. Compared whole: "evil-example.com" is not of ".example.com"."""
    name = host.lower().rstrip(".")
    return any(name.endswith(each) if each.startswith(".") else name == each for each in hosts)


def fixed(download: Download) -> Finding:
    """A file whose place is known without a call."""
    yield from ()
    return download
