"""What is remembered of a webhook that came in, whatever became of it?"""

from collections.abc import Sequence
from dataclasses import dataclass

from channels.channel import Channel, HttpAnswer, Webhook
from channels.host import Received, Verdict
from gateway.domain.accounts import Account
from gateway.domain.reception import Outcome
from kit import errors
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage

GONE = 0  # the status of a request whose client left before its body had come
_WEIGHT = 1024  # bytes that an arrival without a body is taken for


@dataclass(frozen=True, slots=True)
class Handled:
    """What the gateway did with a webhook that it read."""

    answer: HttpAnswer
    outcome: Outcome | None = None  # None when it was a handshake, or nothing could be done
    error: errors.ParleyError | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """One request at the webhook routes. `id` is its correlation id; `number` its place in this process."""

    id: str
    channel: str  # as the URL says it
    account_key: str
    webhook: Webhook  # its body is empty when it was not read
    status: int
    result: str  # accepted, duplicate, nothing, answered, unreadable, refused, not_now, unread
    seconds: float = 0.0
    reason: str = ""  # "signature", "stale", "NOT_FOUND", …: see docs/webhooks.md
    account: Account | None = None
    stored: tuple[AcceptedMessage, ...] = ()
    receipts: int = 0
    public: frozenset[str] = frozenset()  # the credentials of its channel that are no secret, by name
    lacks: str = ""  # the header in which the provider proves itself, when there was none
    elsewhere: tuple[str, ...] = ()  # addresses of other accounts to which parts of it belong
    replay_of: str = ""
    number: int = 0

    def __repr__(self) -> str:
        """Neither words nor proof."""
        return f"Arrival({self.id}, {self.result})"

    @property
    def weight(self) -> int:
        """What it takes of the memory, in bytes, about."""
        headers = sum(len(name) + len(value) for name, value in self.webhook.headers.items())
        return _WEIGHT + len(self.webhook.body) + len(self.webhook.url) + headers

    @property
    def is_believed(self) -> bool:
        """Whether it was proven to come from the provider."""
        return self.result in {"accepted", "duplicate", "nothing", "answered", "unreadable"}


def unread(arrival_id: str, webhook: Webhook, *, channel: str, account_key: str, status: int) -> Arrival:
    """A request that was turned away before its body was read, or whose client left."""
    reason = _UNREAD.get(status, "")
    return Arrival(arrival_id, channel, account_key, webhook, status, "unread", reason=reason)


def arrived(
    arrival_id: str, webhook: Webhook, *, channel: Channel, account_key: str, handled: Handled, seconds: float = 0.0
) -> Arrival:
    """A request that was read."""
    outcome = handled.outcome
    received = _NOT_RECEIVED if outcome is None else outcome.received
    result, reason = _became(handled)
    return Arrival(
        arrival_id,
        channel.name,
        account_key,
        webhook,
        handled.answer.status,
        result,
        seconds=seconds,
        reason=reason,
        account=None if outcome is None else outcome.account,
        stored=() if outcome is None else outcome.stored,
        receipts=len(received.receipts),
        public=frozenset(each.name for each in channel.credential_fields if not each.secret),
        lacks=received.lacks,
        elsewhere=tuple(received.elsewhere),
    )


def _became(handled: Handled) -> tuple[str, str]:
    """The result, and the reason of one that is not as it should be."""
    if handled.error is not None:
        return "refused" if isinstance(handled.error, errors.NotFound) else "not_now", handled.error.name
    if handled.outcome is not None:
        received = handled.outcome.received
        result = _result(received.verdict, handled.outcome.stored, receipts=len(received.receipts))
        unread = (each.received.reason for each in handled.outcome.also)
        return result, "unsigned" if received.lacks else received.reason or next(filter(None, unread), "")
    return ("answered", "") if handled.answer.status < 400 else ("refused", "handshake")


def _result(verdict: Verdict, stored: Sequence[AcceptedMessage], *, receipts: int) -> str:
    if verdict is not Verdict.READ:
        return str(verdict.value)
    kept = [each for each in stored if not each.passed_over]
    if kept and all(each.duplicate for each in kept):
        return "duplicate"
    return "accepted" if kept or receipts else "nothing"


_NOT_RECEIVED = Received(Verdict.READ, HttpAnswer(200, "", b""))
_UNREAD = {404: "channel", 405: "method", 413: "too_large", 415: "media_type", GONE: "gone"}
