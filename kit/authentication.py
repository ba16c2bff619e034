"""Whose credential is this? The mesh's by its token or certificate, a tenant's by its API key."""

import hashlib
import hmac
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from kit.access import MESH, Caller, KeyVerifier, bearer
from kit.errors import CredentialMissing

VERDICT_SECONDS = 5.0
_MOST_VERDICTS = 10_000
_TLS = (b"ssl",)
_CERTIFIED = ("x509_subject_alternative_name", "x509_common_name")


class Authentication:
    """Knows the mesh token, or the names in its certificates, and remembers for a moment what the verifier said of a
    key."""

    def __init__(
        self,
        mesh_token: str,
        *,
        keys: KeyVerifier | None = None,
        certificates: bool = False,
        names: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = mesh_token.encode()
        self._keys = keys
        self._certificates = certificates
        self._names = frozenset(name.encode() for name in names)
        self._clock = clock
        self._verdicts: dict[bytes, tuple[float, Caller]] = {}

    def at_once(self, authorization: str, context: Any) -> Caller | None:
        """The caller, when nobody needs to be asked; None for what may be an API key."""
        if not authorization:
            if self._certificates and self._is_ours(context.auth_context()):
                return MESH
            raise CredentialMissing
        secret = (bearer(authorization) or authorization).encode()
        # Bytes in constant time: a difference in duration would tell how much of a guess was right.
        if self._token and hmac.compare_digest(secret, self._token):
            return MESH
        return None

    def _is_ours(self, shown: Mapping[str, Sequence[bytes]]) -> bool:
        """The handshake asked for a certificate of the mesh's own CA: without one there is no connection."""
        if tuple(shown.get("transport_security_type", ())) != _TLS:
            return False
        return not self._names or any(name in self._names for key in _CERTIFIED for name in shown.get(key, ()))

    async def verified(self, authorization: str) -> Caller:
        """The holder of an API key."""
        secret = bearer(authorization)
        if self._keys is None or not secret:
            raise CredentialMissing
        digest = hashlib.sha256(secret.encode()).digest()
        until, known = self._verdicts.get(digest, (0.0, None))
        if known is not None and self._clock() < until:
            return known
        found = await self._keys.verify(secret)
        if found.tenant_id is None:
            raise CredentialMissing  # A key without a tenant would be the whole mesh's.
        if len(self._verdicts) >= _MOST_VERDICTS:
            self._verdicts.clear()
        self._verdicts[digest] = (self._clock() + VERDICT_SECONDS, found)
        return found
