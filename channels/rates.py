"""How fast does a provider let us send? What its pages say, as values; all senders together keep to them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second in the long run, and how many may go out at once after a pause.

    Within any second there are never more than both together, so the two add up to what a provider allows. Where a
    channel counts segments the rate of an account is of segments: a call of several may begin when one might, and those
    after it wait the longer.
    """

    per_second: float
    burst: int = 1


def alone(_chat_id: str) -> str:
    """A chat that no other conversation shares."""
    return ""


@dataclass(frozen=True, slots=True)
class Rates:
    """What holds for an account, and for one chat of it. An account's options may say otherwise."""

    account: Rate | None = None
    chat: Callable[[str], Rate | None] = lambda _chat_id: None
    # Whom the chat's rate holds for, where several conversations may share it (threads, topics); "" for the chat alone.
    shared: Callable[[str], str] = alone


def each(rate: Rate) -> Callable[[str], Rate | None]:
    """The same rate for every chat."""
    return lambda _chat_id: rate
