"""What is remembered of a webhook that came in, whatever became of it?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from channels.channel import Channel, HttpAnswer, Webhook
from channels.host import Verdict
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


def arrived(arrival_id: str, webhook: Webhook, *, channel: Channel, account_key: str, handled: Handled) -> Arrival:
    """A request that was read."""
    status = handled.answer.status
    public = frozenset(each.name for each in channel.credential_fields if not each.secret)
    arrival = Arrival(arrival_id, channel.name, account_key, webhook, status, "answered", public=public)
    if handled.error is not None:
        refused = isinstance(handled.error, errors.NotFound)
        return replace(arrival, result="refused" if refused else "not_now", reason=handled.error.name)
    if handled.outcome is not None:
        return _understood(arrival, handled.outcome)
    return arrival if status < 400 else replace(arrival, result="refused", reason="handshake")


def _understood(arrival: Arrival, outcome: Outcome) -> Arrival:
    received = outcome.received
    return replace(
        arrival,
        result=_result(received.verdict, outcome.stored, receipts=len(received.receipts)),
        reason="unsigned" if received.lacks else received.reason,
        lacks=received.lacks,
        account=outcome.account,
        stored=outcome.stored,
        receipts=len(received.receipts),
        elsewhere=received.elsewhere,
    )


def _result(verdict: Verdict, stored: Sequence[AcceptedMessage], *, receipts: int) -> str:
    if verdict is not Verdict.READ:
        return str(verdict.value)
    kept = [each for each in stored if not each.passed_over]
    if kept and all(each.duplicate for each in kept):
        return "duplicate"
    return "accepted" if kept or receipts else "nothing"


_UNREAD = {404: "channel", 405: "method", 413: "too_large", 415: "media_type", GONE: "gone"}
