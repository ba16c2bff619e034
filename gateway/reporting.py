"""What is said about webhooks? Everything is counted; refusals are logged now and then, since anyone can cause them."""

from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter, Histogram

from channels.host import Verdict
from gateway.domain.limits import RateLimit
from gateway.domain.reception import Outcome
from gateway.domain.signs import Signs
from kit import errors, logs, metrics
from parley.chat.v1.message_pb2 import ChannelMessage, DeliveryState
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage

UNKNOWN_CHANNEL = "unknown"  # a label must not grow with what strangers put into a URL
REFUSALS_A_MINUTE = 5  # per channel and reason

log = logs.get("gateway")


class Reports:
    """Metrics and log lines of what came in."""

    def __init__(self, *, clock: Callable[[], float], signs: Signs) -> None:
        """`signs` gathers how accounts stand."""
        self.signs = signs
        self._refusals = RateLimit(REFUSALS_A_MINUTE, timedelta(minutes=1), clock=clock)
        self._answers: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, channel: str, status: int, *, seconds: float) -> None:
        """A request was answered."""
        series = self._answers.get((channel, status))
        if series is None:
            counted = metrics.webhooks.labels(channel=channel, status=str(status))
            series = self._answers[channel, status] = counted, metrics.webhook_seconds.labels(channel=channel)
        series[0].inc()
        series[1].observe(seconds)

    def turned_away(self, channel: str, status: int) -> None:
        """A request was answered, or its connection closed, without being read."""
        metrics.webhooks.labels(channel=channel, status=str(status)).inc()
        self._refused(channel, reason="request", status=status)

    def not_taken(self, channel: str, error: errors.ParleyError) -> None:
        """Nothing was stored, for a reason of ours or because nobody knows the account."""
        metrics.messages_accepted.labels(channel=channel, result="rejected").inc()
        self._refused(channel, reason=error.name, status=error.http_status)

    def taken(self, outcome: Outcome) -> None:
        """It was understood; what became of each message, whichever account of the tenant it was for."""
        for each in (outcome, *outcome.also):
            self._taken(each)

    def _taken(self, outcome: Outcome) -> None:
        received, account = outcome.received, outcome.account
        self.signs.note(outcome)
        if received.verdict is Verdict.REFUSED:
            metrics.messages_accepted.labels(channel=account.channel, result="rejected").inc()
            self._refused(account.channel, reason=received.reason, status=received.answer.status)
        elif received.verdict is Verdict.UNREADABLE:
            metrics.messages_accepted.labels(channel=account.channel, result="unreadable").inc()
            log.warning("webhook.unreadable", channel=account.channel, tenant=account.tenant_id, reason=received.reason)
        else:
            self._stored(outcome)

    def _stored(self, outcome: Outcome) -> None:
        account = outcome.account
        for receipt in outcome.received.receipts:
            state = DeliveryState.Name(receipt.state).removeprefix("DELIVERY_STATE_").lower()
            state = "opted_out" if receipt.opted_out else state  # no dead letter: nobody is to reach them
            metrics.receipts.labels(channel=account.channel, state=state).inc()
        for message, stored in zip(outcome.received.messages, outcome.stored, strict=False):
            result = _became(message, stored)
            metrics.messages_accepted.labels(channel=account.channel, result=result).inc()
            log.info(
                f"message.{result}",
                channel=account.channel,
                tenant=account.tenant_id,
                account_id=account.known.id,
                conversation_id=stored.conversation_id,
                message_id=stored.message_id,
                turn_id=stored.turn_id,
            )

    def _refused(self, channel: str, *, reason: str, status: int) -> None:
        if self._refusals.take(f"{channel}/{reason}") is None:
            log.warning("webhook.refused", channel=channel, reason=reason, status=status)


def _became(message: ChannelMessage, stored: AcceptedMessage) -> str:
    if stored.passed_over:
        return "taken_back" if message.takes_back and stored.conversation_id else "passed_over"
    return "duplicate" if stored.duplicate else "accepted"
