"""The door for providers: read once, believed only when proven, answered when what it carried is durable.

Raw ASGI, since this is the hottest path of the house. Every refusal has the same body: a forger learns nothing.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.types import Receive, Scope, Send

from channels.channel import Channel, HttpAnswer, Webhook, WebhookKind
from channels.host import REFUSED
from gateway import body as bodies
from gateway import envelope
from gateway.addresses import Addresses
from gateway.domain.reception import Reception
from gateway.reporting import UNKNOWN_CHANNEL, Reports
from kit import correlation, errors, tracing
from kit.ids import new_id

BODY_TYPES = frozenset({b"application/json", b"application/x-www-form-urlencoded"})


class Webhooks:
    """POST /webhook/{channel}[/{account_key}[/status]], and GET for handshakes."""

    def __init__(
        self,
        reception: Reception,
        channels: Mapping[str, Channel],
        *,
        addresses: Addresses,
        most_body_bytes: int,
        now: Callable[[], datetime],
        reports: Reports,
        kind: WebhookKind = "message",
    ) -> None:
        self._reception = reception
        self._channels = channels
        self._addresses = addresses
        self._most_body_bytes = most_body_bytes
        self._now = now
        self._reports = reports
        self._kind: WebhookKind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        channel = self._channels.get(scope["path_params"]["channel"])
        name = channel.name if channel else UNKNOWN_CHANNEL
        correlation.bind(correlation.correlation_id.get() or new_id(), channel=name)
        with tracing.linked_span(f"webhook {name}"):
            await self._answer(channel, scope, receive, send)

    async def _answer(self, channel: Channel | None, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(channel, scope)
        if channel is None or refusal:
            await self._refuse_unread(channel, refusal or 404, receive, send)
            return
        try:
            body = await bodies.read(scope, receive, self._most_body_bytes)
        except bodies.TooLarge:
            await self._refuse_unread(channel, 413, receive, send)
            return
        except bodies.Gone:
            return
        began = time.perf_counter()
        answer, headers = await self._answered(channel, scope, self._webhook(scope, body))
        await bodies.answer(send, answer.status, answer.content_type, answer.body, headers)
        self._reports.answered(channel.name, answer.status, time.perf_counter() - began)

    async def _answered(
        self, channel: Channel, scope: Scope, webhook: Webhook
    ) -> tuple[HttpAnswer, tuple[tuple[bytes, bytes], ...]]:
        key = scope["path_params"].get("account_key", "")
        try:
            if webhook.method == "GET":
                return await self._reception.shake_hands(channel, key, webhook), ()
            correlation_id = correlation.correlation_id.get()
            outcome = await self._reception.take(channel, key, webhook, correlation_id=correlation_id)
        except errors.ParleyError as error:
            self._reports.not_taken(channel.name, error)
            return _not_taken(error)
        self._reports.taken(outcome)
        return outcome.received.answer, ()

    def _webhook(self, scope: Scope, body: bytes) -> Webhook:
        return Webhook(
            method=scope["method"],
            url=self._addresses.url(scope),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            received_at=self._now(),
            kind=self._kind,
        )

    async def _refuse_unread(self, channel: Channel | None, status: int, receive: Receive, send: Send) -> None:
        self._reports.turned_away(channel.name if channel else UNKNOWN_CHANNEL, status)
        await bodies.answer_unread(receive, send, status, "application/json", REFUSED)


def _refusal(channel: Channel | None, scope: Scope) -> int:
    """The status of what is wrong before anything is read; 0 when nothing is."""
    if channel is None:
        return 404
    if scope["method"] not in {"GET", "POST"}:
        return 405
    if scope["method"] == "GET":
        return 0
    media_type = bodies.header(scope, b"content-type").partition(b";")[0].strip().lower()
    compressed = bodies.header(scope, b"content-encoding").lower() not in {b"", b"identity"}
    return 415 if compressed or media_type not in BODY_TYPES else 0


def _not_taken(error: errors.ParleyError) -> tuple[HttpAnswer, tuple[tuple[bytes, bytes], ...]]:
    """Unknown, too often, or not now; nothing was stored, so a provider that repeats it does well."""
    status = error.http_status if isinstance(error, errors.NotFound | errors.RateLimited) else 503
    answer = HttpAnswer(status=status, content_type="application/json", body=REFUSED)
    return answer, () if status == 404 else ((b"retry-after", envelope.retry_seconds(error).encode()),)
