"""How is a secret kept at rest, so that only its own row, under a key that we still hold, gives it back?

AES-256-GCM. The associated data names the key and the place (tenant, table, column, row), so a ciphertext that is
copied to another row, column or tenant does not open.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kit.errors import SecretUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = b"\x01"

_key_id = re.compile(r"[A-Za-z0-9_.-]{1,32}").fullmatch


class BadKeys(ValueError):
    """SECRET_KEYS cannot be read. Its text names the entry by number, never by value."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands."""

    tenant_id: str
    table: str
    column: str
    row_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret at rest, and the id of the key that opens it."""

    key_id: str
    ciphertext: bytes


class Keyring:
    """The keys at hand: the first one seals, each one opens what it sealed."""

    def __init__(self, keys: dict[str, bytes], *, random_bytes: Callable[[int], bytes]) -> None:
        if not keys:
            raise BadKeys("no key at all")
        self.current, self.ids = next(iter(keys)), tuple(keys)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._hashing = [hmac.digest(key, b"parley fingerprints", "sha256") for key in keys.values()]
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)})"

    def seal(self, secret: bytes, place: Place) -> Sealed:
        """Encrypts under the first key, for this place only."""
        nonce = self._random_bytes(NONCE_BYTES)
        body = self._ciphers[self.current].encrypt(nonce, secret, _bound(self.current, place))
        return Sealed(self.current, VERSION + nonce + body)

    def open(self, sealed: Sealed, place: Place) -> bytes:
        """Decrypts. Raises SecretUnreadable when the key is gone, or the ciphertext is not this place's."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise SecretUnreadable("the key that sealed this secret is not in SECRET_KEYS")
        nonce, body = sealed.ciphertext[1 : 1 + NONCE_BYTES], sealed.ciphertext[1 + NONCE_BYTES :]
        if sealed.ciphertext[:1] != VERSION or len(nonce) != NONCE_BYTES:
            raise SecretUnreadable
        try:
            return cipher.decrypt(nonce, body, _bound(sealed.key_id, place))
        except InvalidTag:
            raise SecretUnreadable from None

    def rotate(self, sealed: Sealed, place: Place) -> Sealed | None:
        """The same secret under the first key; None when it is already."""
        if sealed.key_id == self.current:
            return None
        return self.seal(self.open(sealed, place), place)

    def fingerprints(self, purpose: str, *parts: str | bytes) -> list[bytes]:
        """Keyed hashes of the parts, one per key: write the first, look for all. Without a key nobody can guess."""
        message = b"".join(_counted(part) for part in (purpose, *parts))
        return [hmac.digest(key, message, hashlib.sha256) for key in self._hashing]


def parse_keys(listed: str) -> dict[str, bytes]:
    """Reads SECRET_KEYS: "id:base64key,id:base64key", 32 bytes each, the one that seals first."""
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(filter(None, (part.strip() for part in listed.split(","))), start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon or not _key_id(key_id):
            raise BadKeys(f"entry {number} is not id:base64key")
        if key_id in keys:
            raise BadKeys(f"entry {number} repeats the id {key_id}")
        keys[key_id] = _decoded(encoded, number)
    return keys


def format_key(key_id: str, key: bytes) -> str:
    """One entry of SECRET_KEYS."""
    return f"{key_id}:{base64.b64encode(key).decode()}"


def _decoded(encoded: str, number: int) -> bytes:
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise BadKeys(f"entry {number} is not base64") from None
    if len(key) != KEY_BYTES:
        raise BadKeys(f"entry {number} holds {len(key)} bytes instead of {KEY_BYTES}")
    return key


def _bound(key_id: str, place: Place) -> bytes:
    """JSON, because it cannot be read two ways as joined strings can."""
    return json.dumps([key_id, place.tenant_id, place.table, place.column, place.row_id]).encode()


def _counted(part: str | bytes) -> bytes:
    data = part.encode() if isinstance(part, str) else part
    return len(data).to_bytes(8, "big") + data
