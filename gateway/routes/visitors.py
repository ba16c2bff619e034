"""Who stands at the door of the web chat? Credentials, origins and limits of its requests, the same for each route."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from starlette.types import Scope

from gateway import body as bodies
from gateway.addresses import Addresses
from gateway.domain.limits import RateLimit
from gateway.domain.reception import Reception
from gateway.domain.sessions import Sessions, Ticket, Visit
from kit import errors, logs
from kit.access import bearer

# To a proxy whose word does not count everybody behind it is one address.
CROWDED = (
    "when a proxy stands in front: HTTP_TRUSTED_PROXIES names it, and it sends X-Forwarded-For; "
    "else CHAT_SESSIONS_PER_MINUTE"
)
FOREIGN = "PUBLIC_BASE_URL=https://…, as browsers name this gateway; or HTTP_TRUSTED_PROXIES names the proxy in front"
FULL = "CHAT_MAX_STREAMS, with the memory that it takes, or another gateway; such pages ask every few seconds meanwhile"

log = logs.get("gateway")


@dataclass(frozen=True, slots=True)
class Door:
    """What every route of the web chat needs to let someone in."""

    sessions: Sessions
    reception: Reception
    addresses: Addresses
    session_limit: RateLimit
    complaints: RateLimit  # of the limits, so that whoever runs into one fills no log
    now: Callable[[], datetime]

    async def begin(self, scope: Scope, site: str) -> Ticket:
        """A session for whoever asks, from a page that may."""
        wait = self.session_limit.take(self.addresses.caller(scope))
        if wait is not None:
            if self.complaints.take("crowded") is None:
                log.warning("chat.crowded", reason="RATE_LIMITED", fix=CROWDED)
            raise errors.RateLimited(retry_after=wait)
        own = self.addresses.own_origins(scope)
        try:
            return await self.sessions.begin(site, origin=origin(scope), own_origins=own, renewed=stated_token(scope))
        except errors.ScopeMissing:
            if _is_ours(scope, own) and self.complaints.take("foreign") is None:
                log.warning("chat.foreign", reason="SCOPE_MISSING", fix=FOREIGN)
            raise

    def full(self) -> None:
        """No more pages can be connected: the operator is told."""
        if self.complaints.take("full") is None:
            log.warning("chat.full", reason="RATE_LIMITED", fix=FULL)

    def token(self, scope: Scope) -> str:
        """The token of a request; raises when there is none."""
        token = stated_token(scope)
        if not token:
            raise errors.CredentialMissing("Send the session's token as Authorization: Bearer …")
        return token

    async def visit(self, request: Request) -> Visit:
        """The proven session of a request."""
        return await self.sessions.prove(self.token(request.scope), origin(request.scope))


def _is_ours(scope: Scope, own: tuple[str, ...]) -> bool:
    """Whether it is our own page after all: only the scheme differs, or the browser says that it came from here."""
    hosts = {each.partition("://")[2].lower() for each in own}
    same = origin(scope).partition("://")[2].lower() in hosts
    return same or bodies.header(scope, b"sec-fetch-site") == b"same-origin"


def origin(scope: Scope) -> str:
    """The page that asks; "" for a program."""
    return bodies.header(scope, b"origin").decode("latin-1")


def stated_token(scope: Scope) -> str:
    """What stands in the Authorization header; "" when it is no token. Never looked for in the URL."""
    return bearer(bodies.header(scope, b"authorization").decode("latin-1")).strip()
