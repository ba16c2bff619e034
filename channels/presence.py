"""How does a chat show that it was read and that somebody writes? What a channel may know beside the protocol.

All of it is a courtesy: it is tried once, nobody waits for it, and no reply depends on it.
"""

from collections.abc import Generator, Mapping
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
