"""What is an API key made of, how is it kept, and what may it be allowed to do?"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from kit.errors import InvalidField, ScopeMissing

MARK = "parley_"
SECRET_BYTES = 32
SHOWN = len(MARK) + 8

# The other scopes of the contract act for every tenant at once, so only the mesh's own credential holds them.
GRANTABLE = frozenset(
    {
        "agent.use",
        "conversations.read",
        "conversations.write",
        "directory.admin",
        "directory.read",
        "directory.write",
        "llm.use",
        "outbox.write",
        "privacy",
    }
)
MESH_ONLY = frozenset({"directory.secrets", "inbox.write", "llm.manage", "outbox.work", "turns.work"})


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key as it is shown once, and what is kept of it."""

    secret: str
    prefix: str
    hash: bytes


def generate(random_bytes: Callable[[int], bytes]) -> NewKey:
    """A key of 256 random bits; its first characters tell keys apart and give nothing away."""
    secret = MARK + base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).decode().rstrip("=")
    return NewKey(secret, secret[:SHOWN], hashed(secret))


def hashed(secret: str) -> bytes:
    """What is kept. A fast hash will do: 256 random bits cannot be guessed, however fast."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def matches(secret: str, kept: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(hashed(secret), kept)


def works(*, now: datetime, expires_at: datetime | None, revoked_at: datetime | None) -> bool:
    """Whether a key is neither revoked nor expired."""
    return revoked_at is None and (expires_at is None or now < expires_at)


def check_grant(scopes: Iterable[str], *, held: Collection[str] | None) -> list[str]:
    """The scopes to give, sorted. Nobody gives what they do not hold; `held` None is the mesh, which holds all."""
    wanted = sorted(set(scopes))
    if not GRANTABLE.issuperset(wanted):
        raise InvalidField([("scopes", f"an API key can hold {', '.join(sorted(GRANTABLE))}, and nothing else")])
    missing = [] if held is None else [scope for scope in wanted if scope not in held]
    if missing:
        raise ScopeMissing("a key cannot give scopes that it does not hold", metadata={"scope": missing[0]})
    return wanted
