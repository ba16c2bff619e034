"""What does Parley count and measure? The one table of every metric; the services import their objects from here."""

from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)
Observe = Callable[[str, float], None]  # the status of a call, and how many seconds it took

# From a millisecond (a call on one machine) to the two minutes that a turn may take.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_RATES = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
_SHARES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def _counter(name: str, about: str, *labels: str) -> Counter:
    return _remembering(Counter(f"parley_{name}", about, labels))


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return _remembering(Gauge(f"parley_{name}", about, labels))


def _seconds(name: str, about: str, *labels: str) -> Histogram:
    return _remembering(Histogram(f"parley_{name}", about, labels, buckets=_SECONDS))


def _sizes(name: str, about: str, *labels: str) -> Histogram:
    return _remembering(Histogram(f"parley_{name}", about, labels, buckets=_SIZES))


def _rates(name: str, about: str, *labels: str) -> Histogram:
    return _remembering(Histogram(f"parley_{name}", about, labels, buckets=_RATES))


def _shares(name: str, about: str, *labels: str) -> Histogram:
    return _remembering(Histogram(f"parley_{name}", about, labels, buckets=_SHARES))


def _remembering(metric: Metric) -> Metric:
    """Finds the series of given labels once: the library checks, sorts and locks each time that it is asked."""
    find = metric.labels
    found: dict[tuple[tuple[str, str], ...], Any] = {}

    def labels(**named: str) -> Any:
        key = tuple(named.items())
        series = found.get(key)
        if series is None:
            series = found[key] = find(**named)
        return series

    metric.labels = labels  # type: ignore[method-assign, assignment]  # for this one object
    return metric


def observer(calls: Histogram, path: str) -> Observe:
    """Counts calls of one method; finding the series of a code is done once."""
    found: dict[str, Callable[[float], None]] = {}

    def observe(code: str, took_seconds: float) -> None:
        series = found.get(code)
        if series is None:
            series = found[code] = calls.labels(method=path, code=code).observe
        series(took_seconds)

    return observe


# In: what providers sent, and what became of it (accepted, duplicate, passed_over, taken_back, rejected, unreadable).
messages_accepted = _counter("messages_accepted", "Messages from outside, by what became of them", "channel", "result")
webhooks = _counter("webhooks", "Webhooks by the status they were answered with", "channel", "status")
accounts = _gauge("accounts", "Channel accounts, by how they stand: ok, or what is wrong", "channel", "health")
webhook_seconds = _seconds("webhook_seconds", "From a webhook's last byte to its answer", "channel")
accept_to_reply_seconds = _seconds(
    "accept_to_reply_seconds", "From the accept of a message until a provider took its reply", "channel"
)
accept_to_commit_seconds = _seconds(
    "accept_to_commit_seconds", "The same until storage had the reply: all that a web chat and the API wait", "channel"
)
# Providers that do not call are listened to: by one process for each account.
listeners = _gauge("listeners", "Accounts that this process listens for", "channel", "state")
listener_connects = _counter("listener_connects", "Times that a provider was heard, anew after each trouble", "channel")
listener_troubles = _counter("listener_troubles", "Times that a provider was not heard any more", "channel")

# Turns: every accepted message ends in one of the outcomes.
turns = _counter("turns", "Turns ended, by outcome and reason", "outcome", "reason")
queue_depth = _gauge("queue_depth", "Items waiting in a queue", "queue")
accounts_full = _gauge("accounts_full", "Accounts with so much to send that nothing more is taken for them")
accounts_stopped = _gauge("accounts_stopped", "Accounts that send nothing now: throttled, or failing", "why")
queue_oldest_seconds = _gauge("queue_oldest_seconds", "Age of the oldest item that waits in a queue", "queue")

# The model. Names of models are those that are configured or that a server lists, so there are few.
llm_seconds = _seconds("llm_seconds", "Time of one call to a model server", "backend", "model")
llm_first_text_seconds = _seconds("llm_first_text_seconds", "Time until a stream's first text", "backend", "model")
llm_tokens_per_second = _rates("llm_tokens_per_second", "Tokens written per second of a call", "backend", "model")
llm_tokens = _counter("llm_tokens", "Tokens read and written", "model", "direction")
llm_cost_micros = _counter("llm_cost_micros", "Cost by the prices of models.toml, in millionths", "model")
llm_failures = _counter("llm_failures", "Calls to model servers that failed", "backend", "model", "reason")
llm_retries = _counter("llm_retries", "Attempts after the first one", "backend", "model")
llm_retries_denied = _counter("llm_retries_denied", "Retries that the retry budget did not allow", "backend")
llm_fallbacks = _counter("llm_fallbacks", "Models passed over, for the next of the chain or the text", "model", "to")
llm_breaker_state = _gauge("llm_breaker_state", "0 closed, 1 half open, 2 open", "backend", "model")
llm_breaker_transitions = _counter("llm_breaker_transitions", "Changes of a breaker's state", "backend", "model", "to")
llm_calls_waiting = _gauge("llm_calls_waiting", "Calls that wait for a place at a backend", "backend")
llm_queue_seconds = _seconds("llm_queue_seconds", "Time that calls waited for a place at a backend", "backend")
llm_estimate_error = _shares("llm_estimate_error", "How wrong the estimate of a prompt's tokens was", "model")
llm_reloads = _counter("llm_reloads", "Times that models.toml was read again", "result")

# Guardrails: rules are those of the rule files, so there are few.
guard_violations = _counter("guard_violations", "Texts that met a rule of the guardrails", "rule", "action", "side")
guard_alerts = _counter("guard_alerts", "Times that a tenant had more than ten violations in an hour")

# Out: deliveries are replies, attempts are calls to a provider.
deliveries = _counter("deliveries", "Deliveries ended", "channel", "outcome")
deliveries_abandoned = _counter(
    "deliveries_abandoned", "Deliveries whose sender was gone during a call, so that nobody knows what came of it"
)
attempts = _counter("attempts", "Calls to providers", "channel", "outcome")
segments = _counter("segments", "Segments of text messages that a provider took, each of which it charges", "channel")
sender_window_decisions = _counter(
    "sender_window_decisions", "What became of texts on channels with a reply window", "channel", "decision"
)
signals = _counter("signals", "Read marks and signs of writing, shown or failed", "channel", "kind", "outcome")
sender_paced = _counter("sender_paced", "Calls that were too early, and whose deliveries wait", "channel")
media_fetches = _counter("media_fetches", "Tries to fetch attachments", "channel", "outcome")
drafts = _counter("drafts", "Replies shown while they were written: shown, taken back or failed", "channel", "outcome")
receipts = _counter("receipts", "Receipts from providers", "channel", "state")

# The mesh itself.
rpc_server_seconds = _seconds("rpc_server_seconds", "Calls served, by method and status code", "method", "code")
rpc_client_seconds = _seconds("rpc_client_seconds", "Calls made, by method and status code", "method", "code")
certificate_ends = _gauge(
    "certificate_ends_timestamp_seconds", "When the certificate of the mesh ends that a setting names", "setting"
)
frame_size = _sizes("frame_size", "Items per frame", "frames")
commit_group_size = _sizes("commit_group_size", "Items per transaction", "kind")
database_seen = _gauge(
    "database_seen_timestamp_seconds", "When storage last read its database, as it does every second"
)
