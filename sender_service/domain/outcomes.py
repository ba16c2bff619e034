"""What became of a call to a provider, in the words that storage records?"""

from dataclasses import dataclass
from datetime import timedelta

from channels.channel import DeliveryError, Rejected, Sent, Throttled, Unauthorized, Unavailable, Unknown
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.conversation_change_pb2 import HandOff
from parley.storage.v1.delivery_requests_pb2 import AttemptOutcome

MAX_CODE = 64
MAX_PROVIDER_ID = 256

# What each way to fail means for the delivery. Any other fails closed: it may have been sent.
_KINDS: dict[type[DeliveryError], tuple[AttemptOutcome, str]] = {
    Throttled: (pb.ATTEMPT_OUTCOME_RETRY, "throttled"),
    Unavailable: (pb.ATTEMPT_OUTCOME_RETRY, "unavailable"),
    Rejected: (pb.ATTEMPT_OUTCOME_REJECTED, "rejected"),
    Unauthorized: (pb.ATTEMPT_OUTCOME_UNAUTHORIZED, "unauthorized"),
    Unknown: (pb.ATTEMPT_OUTCOME_UNKNOWN, "unknown"),
}

_NAMES = {kind: name.removeprefix("ATTEMPT_OUTCOME_").lower() for name, kind in AttemptOutcome.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended."""

    kind: AttemptOutcome
    reason: str = ""
    provider_code: str = ""
    provider_message_id: str = ""
    retry_after: timedelta | None = None
    window_closed: bool = False  # the provider refused free text for its reply window: decide anew
    hand_off: HandOff | None = None  # who must say it now

    @property
    def name(self) -> str:
        """As in logs and metrics: "sent", "retry", …"""
        return _NAMES[self.kind]

    @property
    def sent(self) -> bool:
        """True when the provider took the part."""
        return bool(self.kind == pb.ATTEMPT_OUTCOME_SENT)


def sent(taken: Sent) -> Outcome:
    """The provider took it."""
    return Outcome(pb.ATTEMPT_OUTCOME_SENT, provider_message_id=taken.provider_message_id[:MAX_PROVIDER_ID])


def rejected(reason: str, provider_code: str = "") -> Outcome:
    """It will never be taken."""
    return Outcome(pb.ATTEMPT_OUTCOME_REJECTED, reason, provider_code)


def unknown(reason: str) -> Outcome:
    """It may have been taken."""
    return Outcome(pb.ATTEMPT_OUTCOME_UNKNOWN, reason)


def failed(error: DeliveryError) -> Outcome:
    """The provider, or the way to it, failed as the channel says."""
    kind, reason = _KINDS.get(type(error), _KINDS[Unknown])
    if isinstance(error, Rejected):
        reason = error.kind
    asked = error.retry_after if isinstance(error, Throttled) else None
    return Outcome(kind, reason, error.provider_code[:MAX_CODE], retry_after=asked)
