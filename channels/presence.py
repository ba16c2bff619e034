"""How does a chat show that it was read, that somebody writes, and what? What a channel may know beside the protocol.

All of it is a courtesy: it is tried once, nobody waits for it, and no reply depends on it.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from channels.channel import Answer, Call, Credentials, Outgoing

SignalKind = Literal["read", "typing"]
Gesture = Generator[Call, Answer, None]


@runtime_checkable
class Signals(Protocol):
    """A channel whose provider shows that we read, or that we write."""

    @property
    def signals(self) -> Mapping[SignalKind, float]:
        """What it can show, and for how many seconds it stays without being shown again; 0: for good."""

    def signal(self, outgoing: Outgoing, credentials: Credentials, /, *, kind: SignalKind) -> Gesture:
        """How is it shown, in answer to the message that `outgoing` names? It has no text.

        Yields calls and is sent their answers; yields none where it means nothing there. Raises a DeliveryError.
        """


@dataclass(frozen=True, slots=True)
class DraftManners:
    """How drafts are shown on a channel, within the limits of its provider."""

    chat_seconds: float  # from one to the next in one chat, at least
    account_seconds: float  # from one to the next of an account, in all of its chats together, at least
    stay: bool  # a draft is a message, which becomes the reply or must be taken back; else it fades by itself
    counted: bool = False  # each counts among the messages that the provider allows in a chat: replies go first


Drawing = Generator[Call, Answer, str]


@runtime_checkable
class Drafts(Protocol):
    """A channel that can show a reply while it is being written."""

    def draft_manners(self, outgoing: Outgoing, /) -> DraftManners | None:
        """How often in the chat that `outgoing` names, and whether they stay. None where it shows none."""

    def draft(self, outgoing: Outgoing, credentials: Credentials, /, *, turn_id: str) -> Drawing:
        """How is a reply shown as far as it goes, in the place of the draft `outgoing.draft`, if there is one?

        Returns the provider's id of it, "" where it has none. Raises a DeliveryError.
        """

    def retract(self, outgoing: Outgoing, credentials: Credentials, /, *, turn_id: str) -> Gesture:
        """How is the draft `outgoing.draft` taken back? Without an id it is looked for by the turn.

        What is not there is as good as taken back. Raises a DeliveryError when it may still be there.
        """
