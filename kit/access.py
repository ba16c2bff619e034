"""Who is calling, for which tenant, and what may they do?"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from kit.errors import CredentialMissing, ScopeMissing, TenantMismatch


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a credential. Without a tenant it is the mesh itself, and may act for every tenant."""

    tenant_id: str | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    name: str = "mesh"

    def require(self, scope: str) -> None:
        """Raises unless the credential holds the scope."""
        if self.tenant_id is not None and scope not in self.scopes:
            raise ScopeMissing(f"the credential lacks the scope {scope}", metadata={"scope": scope})

    def tenant(self, named: str) -> str:
        """The tenant to act for, given the one that a request names, which may be none. Raises for a foreign one."""
        if self.tenant_id is None or named == self.tenant_id:
            return named
        if named:
            raise TenantMismatch
        return self.tenant_id


def bearer(stated: str) -> str:
    """The token of an Authorization header; "" of another scheme. Its case does not count (RFC 9110, 11.1)."""
    scheme, _, token = stated.partition(" ")
    return token.lstrip(" ") if scheme.lower() == "bearer" else ""


class KeyVerifier(Protocol):
    """Knows whose an API key is. Raises CredentialMissing for one that nobody issued, or that is revoked or expired."""

    async def verify(self, secret: str) -> Caller: ...


MESH = Caller()

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def bind(caller: Caller) -> None:
    """Remembers who made the call that the current task serves."""
    _caller.set(caller)


def caller() -> Caller:
    """Who made the call that is being served. Outside of a call there is nobody, and that is refused."""
    current = _caller.get()
    if current is None:
        raise CredentialMissing
    return current
