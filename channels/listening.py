"""How is a provider heard that does not call us? The protocol of a `<name>_listening.py`, and what passes through it.

Pure, as a channel is: a generator yields what is to be done, one step after the other, and is sent what came of it. The
gateway does the steps, for one account in one process of the mesh, and stops it between two of them. What is heard goes
where webhooks go; a step that has taken it in has made it durable.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from channels.channel import Call, Credentials

ListeningState = Literal["connecting", "listening", "troubled"]
LONGEST_WAIT_SECONDS = 60.0
FIRST_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, repr=False)
class Listened:
    """The account that is listened for."""

    address: str
    credentials: Credentials
    options: Mapping[str, str] = field(default_factory=dict)  # the account's, not secret
    api_base_url: str = ""  # stands in for the provider's own, for a sandbox or a proxy
    cursor: str = ""  # as noted last, perhaps by another process
    clock: Callable[[], float] = float  # seconds that only rise
    draw: Callable[[], float] = float  # from 0 up to 1, at random

    def __repr__(self) -> str:
        """Neither address nor secret."""
        return f"Listened({self.credentials!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Take:
    """Takes in what was heard, as one webhook's body. Sent back: Taken, or None when it could not be stored now."""

    body: bytes

    def __repr__(self) -> str:
        """Never what a person wrote."""
        return f"Take({len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class Taken:
    """It is durable, or nobody needs it."""

    answer: bytes  # what a webhook with it would have been answered


@dataclass(frozen=True, slots=True)
class Pause:
    """Waits. Sent back: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Note:
    """Says how it goes, and from where another process would go on. Sent back: None."""

    state: ListeningState
    reason: str = ""  # why it is troubled, in a few words that hold no secret
    cursor: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Connect:
    """Opens a WebSocket, in the place of the one before. Sent back: None; raises Unavailable."""

    url: str

    def __repr__(self) -> str:
        """Whatever a URL may hold."""
        return "Connect()"


@dataclass(frozen=True, slots=True, repr=False)
class Say:
    """Writes into the WebSocket; what is lost on the way shows when it is listened to. Sent back: None."""

    text: str

    def __repr__(self) -> str:
        """It may hold the token."""
        return f"Say({len(self.text)} characters)"


@dataclass(frozen=True, slots=True)
class Hear:
    """Waits for the WebSocket. Sent back: Heard, Closed, or None when nothing came."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Closes the WebSocket. Sent back: None."""

    code: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is gone."""

    code: int  # 1006 when nobody said why


Step = Call | Take | Pause | Note | Connect | Say | Hear | HangUp
# A Call is sent its Answer. Like every step that fails, it raises a DeliveryError at its yield.
Steps = Generator[Step, Any, Any]


class Listening(Protocol):
    """How one channel's accounts are heard."""

    @property
    def replaces_webhook(self) -> bool:
        """Whether the provider calls nobody meanwhile."""

    @property
    def told(self) -> str:
        """What is done, for the person who adds such an account."""

    def listen(self, listened: Listened, /) -> Steps:
        """Goes on for ever. Raises Unauthorized when only a person can help; whatever else it raises begins it anew."""


def wait_seconds(failures: int, draw: Callable[[], float]) -> float:
    """How long to wait after so many failures in a row: doubled each time, by chance a little less."""
    doubled: float = FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 10)
    return min(LONGEST_WAIT_SECONDS, doubled) * (0.5 + draw() / 2)
