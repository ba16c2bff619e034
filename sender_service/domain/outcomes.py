"""What became of a call to a provider, in the words that storage records?"""

from dataclasses import dataclass, replace
from datetime import timedelta

from channels.channel import DeliveryError, Rejected, Sent, Throttled, Unanswered, Unauthorized, Unavailable, Unknown
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.conversation_change_pb2 import HandOff
from parley.storage.v1.delivery_requests_pb2 import AttemptOutcome, OtherChat
from parley.storage.v1.pacing_pb2 import (
    ACCOUNT_SIGN_ALIVE,
    ACCOUNT_SIGN_FAILING,
    ACCOUNT_SIGN_THROTTLED,
    ACCOUNT_SIGN_UNSPECIFIED,
    AccountSign,
)

MAX_CODE = 64
MAX_PROVIDER_ID = 256

UNANSWERED = "unanswered"  # a part that ends with such attempts may have been taken: storage calls it unknown


class Late(DeliveryError):
    """Its time was over before it could leave: this process stood still, and nothing was written."""


# What each way to fail means for the delivery. Any other fails closed: it may have been sent.
_KINDS: dict[type[DeliveryError], tuple[AttemptOutcome, str]] = {
    Throttled: (pb.ATTEMPT_OUTCOME_RETRY, "throttled"),
    Unavailable: (pb.ATTEMPT_OUTCOME_RETRY, "unavailable"),
    Unanswered: (pb.ATTEMPT_OUTCOME_RETRY, UNANSWERED),
    Late: (pb.ATTEMPT_OUTCOME_RETRY, "late"),
    Rejected: (pb.ATTEMPT_OUTCOME_REJECTED, "rejected"),
    Unauthorized: (pb.ATTEMPT_OUTCOME_UNAUTHORIZED, "unauthorized"),
    Unknown: (pb.ATTEMPT_OUTCOME_UNKNOWN, "unknown"),
}

# What it says of everything else that the account sends. A provider that refuses one message works.
_SIGNS: dict[type[DeliveryError], AccountSign] = {
    Throttled: ACCOUNT_SIGN_THROTTLED,
    Unavailable: ACCOUNT_SIGN_FAILING,
    Unanswered: ACCOUNT_SIGN_FAILING,
    Unknown: ACCOUNT_SIGN_FAILING,
    Rejected: ACCOUNT_SIGN_ALIVE,
    Late: ACCOUNT_SIGN_UNSPECIFIED,
    Unauthorized: ACCOUNT_SIGN_UNSPECIFIED,  # the account pauses anyway
}
UNSTATED = timedelta(seconds=5)  # for one chat that is too fast, where the provider does not say for how long

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
    other_chat: OtherChat | None = None  # where it may be said before anybody must
    sign: AccountSign = ACCOUNT_SIGN_UNSPECIFIED
    hold: timedelta | None = None  # for how long the provider wants nothing of the whole account

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
    named = taken.provider_message_id[:MAX_PROVIDER_ID]
    return Outcome(pb.ATTEMPT_OUTCOME_SENT, provider_message_id=named, sign=ACCOUNT_SIGN_ALIVE)


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
    outcome = Outcome(kind, reason, error.provider_code[:MAX_CODE], sign=_SIGNS.get(type(error), _SIGNS[Unknown]))
    if not isinstance(error, Throttled):
        return outcome
    if error.whole_account:
        return replace(outcome, retry_after=error.retry_after, hold=error.retry_after)
    return replace(outcome, retry_after=error.retry_after or UNSTATED, sign=ACCOUNT_SIGN_ALIVE)
