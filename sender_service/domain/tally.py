"""Where is this attempt, or this end, counted? Found once: finding a series by its labels costs more than counting."""

from collections.abc import Callable

from kit import metrics

Observe = Callable[[float], None]


class Tally:
    """The series of every channel and outcome that was met."""

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, str], Callable[[], None]] = {}
        self._deliveries: dict[tuple[str, str], Callable[[], None]] = {}
        self._replies: dict[str, Observe] = {}

    def attempt(self, channel: str, outcome: str) -> None:
        """One call to a provider ended."""
        count = self._attempts.get((channel, outcome))
        if count is None:
            count = metrics.attempts.labels(channel=channel, outcome=outcome).inc
            self._attempts[channel, outcome] = count
        count()

    def delivery(self, channel: str, outcome: str) -> None:
        """One delivery ended."""
        count = self._deliveries.get((channel, outcome))
        if count is None:
            count = metrics.deliveries.labels(channel=channel, outcome=outcome).inc
            self._deliveries[channel, outcome] = count
        count()

    def reply(self, channel: str, waited_seconds: float) -> None:
        """Somebody has an answer."""
        observe = self._replies.get(channel)
        if observe is None:
            observe = self._replies[channel] = metrics.accept_to_reply_seconds.labels(channel=channel).observe
        observe(waited_seconds)
