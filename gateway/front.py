"""What does every request meet first? An id that its log lines and its answer carry, and a floor that no fault falls
through; for the API of the web chat also CORS, since pages of other hosts may be allowed to use it.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import body as bodies
from kit import correlation
from kit.ids import new_id

CHAT_PATHS = "/v1/chat/"
WEBHOOK_PATHS = "/webhook/"
PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, last-event-id"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]


class Front:
    """Raw ASGI. Webhooks go past the framework, whose layers would cost them more than their signature does, and mark
    their answers themselves.
    """

    def __init__(self, app: ASGIApp, webhooks: ASGIApp) -> None:
        self._app = app
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        correlation_id = new_id()
        correlation.bind(correlation_id)
        path: str = scope["path"]
        if path.startswith(WEBHOOK_PATHS):
            await self._webhooks(scope, receive, send)
            return
        headers = [(b"x-request-id", correlation_id.encode())]
        if path.startswith(CHAT_PATHS):
            headers += _cors(scope)
            if _is_preflight(scope):
                await send({"type": "http.response.start", "status": 204, "headers": headers + PREFLIGHT})
                await send({"type": "http.response.body", "body": b""})
                return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, send_marked)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and bool(bodies.header(scope, b"access-control-request-method"))


def _cors(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Any page may read our answers, since no cookie makes them worth reading: whether a page may have a session is
    decided where sessions begin, and everything else needs the session's token.
    """
    origin = bodies.header(scope, b"origin")
    if not origin:
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"retry-after, x-request-id"),
        (b"vary", b"origin"),
    ]
