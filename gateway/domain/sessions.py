"""Who is talking in the web chat? Sessions: given out to pages that may have one, proven on every request.

A token is "<account key>.<signed session>", so that any gateway finds the account whose key signed it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from channels import webchat
from channels.channel import BadSignature, Stale
from gateway.domain.accounts import Account, Accounts
from kit import errors

LIFE = timedelta(days=1)
RENEWABLE = timedelta(days=30)  # after that a chat is left alone; its history stays with the tenant
CHANNEL = "webchat"
SOON = timedelta(seconds=1)
_JWT_DOTS = 2


@dataclass(frozen=True, slots=True)
class Ticket:
    """A session as its holder sees it."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Names a conversation before anyone knows its id."""

    tenant_id: str
    account_id: str
    chat_id: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A proven session, and the account that it belongs to."""

    account: Account
    session: webchat.Session

    @property
    def place(self) -> Place:
        """Where its conversation is."""
        return Place(self.account.tenant_id, self.account.known.id, self.session.chat_id)

    @property
    def key(self) -> str:
        """Names the session, for limits."""
        return f"{self.account.known.id}/{self.session.chat_id}"


class Sessions:
    """Begins, renews and proves sessions."""

    def __init__(self, accounts: Accounts, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._accounts = accounts
        self._now = now
        self._new_id = new_id

    async def begin(self, site: str, *, origin: str, own_origins: tuple[str, ...], renewed: str = "") -> Ticket:
        """A session in a chat of its own, or in the chat of the session that it renews."""
        account = await self._accounts.find(CHANNEL, site)
        if not _key(account):  # A mesh that has just begun: its gateway makes the key within seconds.
            self._accounts.forget(CHANNEL, site)
            raise errors.StorageUnavailable(retry_after=SOON)
        allowed = account.known.options.get("allowed_origins", "")
        if not any(webchat.origin_allowed(origin, allowed, own_origin=own) for own in own_origins):
            raise errors.ScopeMissing("This site may not use the chat")
        expires_at = self._now() + LIFE
        session = webchat.Session(
            tenant_id=account.tenant_id,
            account_id=account.known.id,
            chat_id=self._chat_of(account, renewed) or self._new_id(),
            expires_at=expires_at,
            origin=origin,
        )
        return Ticket(f"{site}.{webchat.issue_session(session, _key(account))}", expires_at)

    async def embedders(self, site: str) -> tuple[str, ...]:
        """The origins whose pages may show ours in a frame; none where the account names none, or nobody can say."""
        try:
            account = await self._accounts.find(CHANNEL, site)
        except errors.ParleyError:
            return ()
        named = webchat.origins(account.known.options.get("allowed_origins", ""))
        return ("*",) if "*" in named else tuple(sorted(filter(_is_origin, named)))

    async def prove(self, token: str, origin: str) -> Visit:
        """The session that the token proves. Raises CredentialMissing."""
        site, signed = split(token)
        account = await self._accounts.find(CHANNEL, site)
        try:
            session = webchat.verify_session(signed, _key(account), now=self._now())
        except (BadSignature, Stale):
            raise errors.CredentialMissing("The session is not valid, or has ended") from None
        foreign = bool(origin and session.origin) and origin.lower() != session.origin.lower()
        if foreign or session.account_id != account.known.id:
            raise errors.CredentialMissing("The session belongs to another page")
        return Visit(account, session)

    def _chat_of(self, account: Account, renewed: str) -> str:
        """The chat of an older session of this account; "" when it proves none."""
        try:
            session = webchat.verify_session(split(renewed)[1], _key(account), now=self._now() - RENEWABLE)
        except (BadSignature, Stale):
            return ""
        return session.chat_id if session.account_id == account.known.id else ""


# What else stands in the option would end up in a header as it is.
_is_origin = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:.]+\](:\d{1,5})?").fullmatch


def split(token: str) -> tuple[str, str]:
    """Account key and signed session. A session without a key is of the first tenant's first web chat."""
    parts = token.rsplit(".", _JWT_DOTS + 1)
    return (parts[0], ".".join(parts[1:])) if len(parts) > _JWT_DOTS + 1 else ("", token)


def _key(account: Account) -> str:
    return account.known.credentials.get("session_key", "")
