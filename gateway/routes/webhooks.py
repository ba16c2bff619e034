"""The door for providers: read once, believed only when proven, answered when what it carried is durable.

Raw ASGI, since this is the hottest path of the house. Every refusal has the same body: a forger learns nothing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.types import Receive, Scope, Send

from channels.channel import Channel, HttpAnswer, Webhook, WebhookKind
from channels.host import REFUSED
from gateway import body as bodies
from gateway import envelope
from gateway.addresses import Addresses
from gateway.domain.inspection.arrivals import GONE, Handled, arrived, unread
from gateway.domain.inspection.inspector import Inspector
from gateway.domain.reception import Reception
from gateway.reporting import UNKNOWN_CHANNEL, Reports
from kit import correlation, errors, tracing
from kit.ids import new_id

BODY_TYPES = frozenset({b"application/json", b"application/x-www-form-urlencoded"})


@dataclass(frozen=True, slots=True)
class Webhooks:
    """POST /webhook/{channel}[/{account_key}[/status]], and GET for handshakes. Every answer has the request's id."""

    reception: Reception
    channels: Mapping[str, Channel]
    addresses: Addresses
    reports: Reports
    now: Callable[[], datetime]
    most_body_bytes: int
    inspector: Inspector | None = None  # None: nobody wants to see what came in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        named = scope["path_params"] = _named(scope["path"])
        if not named:
            self._keep_unread(scope, 404)
            await bodies.reply_unread(receive, send, answer=refused(404), headers=_marks())
            return
        channel = self.channels.get(named["channel"])
        name = channel.name if channel else UNKNOWN_CHANNEL
        correlation.bind(correlation.correlation_id.get() or new_id(), channel=name)
        with tracing.linked_span(f"webhook {name}"):
            await self._answer(channel, scope, receive=receive, send=send)

    async def _answer(self, channel: Channel | None, scope: Scope, *, receive: Receive, send: Send) -> None:
        refusal = _refusal(channel, scope)
        if channel is None or refusal:
            self._keep_unread(scope, refusal or 404)
            await self._refuse_unread(channel, refusal or 404, receive=receive, send=send)
            return
        try:
            most = max(self.most_body_bytes, channel.capabilities.largest_webhook)
            body = await bodies.read(scope, receive, most=most)
        except bodies.TooLarge:
            self._keep_unread(scope, 413)
            await self._refuse_unread(channel, 413, receive=receive, send=send)
            return
        except bodies.Gone:
            self._keep_unread(scope, GONE)
            return
        webhook, key = self._webhook(scope, body), scope["path_params"]["account_key"]
        began = time.perf_counter()
        handled = await self.handle(channel, webhook, account_key=key)
        headers = _retry(handled.error)
        await bodies.reply(send, handled.answer, headers=_marks(*headers))
        seconds = time.perf_counter() - began
        self.reports.answered(channel.name, handled.answer.status, seconds=seconds)
        if self.inspector is not None:
            arrival_id = correlation.correlation_id.get()
            self.inspector.keep(
                arrived(arrival_id, webhook, channel=channel, account_key=key, handled=handled, seconds=seconds)
            )

    async def handle(self, channel: Channel, webhook: Webhook, *, account_key: str) -> Handled:
        """What becomes of a webhook that was read; also of one that comes again because a person wishes so."""
        try:
            if webhook.method == "GET":
                return Handled(await self.reception.shake_hands(channel, webhook, account_key=account_key))
            correlation_id = correlation.correlation_id.get()
            outcome = await self.reception.take(
                channel, webhook, account_key=account_key, correlation_id=correlation_id
            )
        except errors.ParleyError as error:
            self.reports.not_taken(channel.name, error)
            return Handled(_not_taken(error), error=error)
        self.reports.taken(outcome)
        return Handled(outcome.received.answer, outcome)

    def _webhook(self, scope: Scope, body: bytes) -> Webhook:
        return Webhook(
            method=scope["method"],
            url=self.addresses.url(scope),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            received_at=self.now(),
            kind=scope["path_params"]["kind"],
        )

    def _keep_unread(self, scope: Scope, status: int) -> None:
        if self.inspector is None:
            return
        named = scope["path_params"] = scope.get("path_params") or _roughly_named(scope["path"])
        channel, key = named["channel"], named["account_key"]
        webhook = self._webhook(scope, b"")
        arrival_id = correlation.correlation_id.get() or new_id()
        self.inspector.keep(unread(arrival_id, webhook, channel=channel, account_key=key, status=status))

    async def _refuse_unread(self, channel: Channel | None, status: int, *, receive: Receive, send: Send) -> None:
        self.reports.turned_away(channel.name if channel else UNKNOWN_CHANNEL, status)
        await bodies.reply_unread(receive, send, answer=refused(status), headers=_marks())


def refused(status: int) -> HttpAnswer:
    """The answer to whatever is wrong."""
    return HttpAnswer(status=status, content_type="application/json", body=REFUSED)


def _named(path: str) -> dict[str, Any]:
    """What the path of a webhook names; nothing when it has the form of none. A router's patterns cost ten times it."""
    channel, key, rest = (*path.split("/", 4)[2:], None, None)[:3]
    if not channel or key == "" or rest not in {None, "status"}:
        return {}
    kind: WebhookKind = "message" if rest is None else "status"
    return {"channel": channel, "account_key": key or "", "kind": kind}


def _roughly_named(path: str) -> dict[str, Any]:
    """The same for a path that has not the form of a webhook's, as far as it goes."""
    return {"channel": path.split("/", 3)[2], "account_key": "", "kind": "message"}


def _marks(*more: tuple[bytes, bytes]) -> bodies.Headers:
    return (*more, (b"x-request-id", correlation.correlation_id.get().encode()))


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


def _not_taken(error: errors.ParleyError) -> HttpAnswer:
    """Unknown, too often, or not now; nothing was stored, so a provider that repeats it does well."""
    return refused(error.http_status if isinstance(error, errors.NotFound | errors.RateLimited) else 503)


def _retry(error: errors.ParleyError | None) -> bodies.Headers:
    if error is None or isinstance(error, errors.NotFound):
        return ()
    return ((b"retry-after", envelope.retry_seconds(error).encode()),)
