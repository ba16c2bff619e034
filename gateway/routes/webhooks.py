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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        named = scope["path_params"] = _named(scope["path"])
        if not named:
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
            await self._refuse_unread(channel, refusal or 404, receive=receive, send=send)
            return
        try:
            body = await bodies.read(scope, receive, most=self.most_body_bytes)
        except bodies.TooLarge:
            await self._refuse_unread(channel, 413, receive=receive, send=send)
            return
        except bodies.Gone:
            return
        began = time.perf_counter()
        answer, headers = await self._answered(channel, self._webhook(scope, body), scope=scope)
        await bodies.reply(send, answer, headers=_marks(*headers))
        self.reports.answered(channel.name, answer.status, seconds=time.perf_counter() - began)

    async def _answered(self, channel: Channel, webhook: Webhook, *, scope: Scope) -> tuple[HttpAnswer, bodies.Headers]:
        key = scope["path_params"]["account_key"]
        try:
            if webhook.method == "GET":
                return await self.reception.shake_hands(channel, webhook, account_key=key), ()
            correlation_id = correlation.correlation_id.get()
            outcome = await self.reception.take(channel, webhook, account_key=key, correlation_id=correlation_id)
        except errors.ParleyError as error:
            self.reports.not_taken(channel.name, error)
            return _not_taken(error)
        self.reports.taken(outcome)
        return outcome.received.answer, ()

    def _webhook(self, scope: Scope, body: bytes) -> Webhook:
        return Webhook(
            method=scope["method"],
            url=self.addresses.url(scope),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
            received_at=self.now(),
            kind=scope["path_params"]["kind"],
        )

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


def _not_taken(error: errors.ParleyError) -> tuple[HttpAnswer, bodies.Headers]:
    """Unknown, too often, or not now; nothing was stored, so a provider that repeats it does well."""
    status = error.http_status if isinstance(error, errors.NotFound | errors.RateLimited) else 503
    return refused(status), () if status == 404 else ((b"retry-after", envelope.retry_seconds(error).encode()),)
