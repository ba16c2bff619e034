"""How may somebody without a credential read one file for a while? By a token that only we can make or read.

It is sealed, as credentials are: who has it learns neither tenant nor id from it, and nothing about it is stored.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kit.errors import NotFound, SecretUnreadable
from storage_service.domain.sealing import Keyring, Place, Sealed

LASTS = timedelta(hours=1)
_PLACE = Place("", "media", "share", "")


@dataclass(frozen=True, slots=True)
class Shares:
    """Makes tokens and reads them."""

    keyring: Keyring
    now: Callable[[], datetime]

    def token(self, tenant_id: str, media_id: str, *, lasts: timedelta) -> str:
        """Good until so long from now."""
        until = int((self.now() + lasts).timestamp())
        sealed = self.keyring.seal(json.dumps([tenant_id, media_id, until]).encode(), _PLACE)
        return f"{_letters(sealed.key_id.encode())}.{_letters(sealed.ciphertext)}"

    def read(self, token: str) -> tuple[str, str]:
        """Tenant and media. NotFound for all that is no token of ours, and for one that has ended."""
        key_id, _, ciphertext = token.partition(".")
        try:
            sealed = Sealed(_bytes(key_id).decode(), _bytes(ciphertext))
            tenant_id, media_id, until = json.loads(self.keyring.open(sealed, _PLACE))
        except (SecretUnreadable, ValueError, binascii.Error):
            raise NotFound(metadata={"resource": "media"}) from None
        if until <= self.now().timestamp():
            raise NotFound(metadata={"resource": "media"})
        return tenant_id, media_id


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(letters: str) -> bytes:
    """ValueError for letters that we would not have written: the last one may hold bits that stand for nothing."""
    data = base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)
    if _letters(data) != letters:
        raise ValueError("not as it was written")
    return data
