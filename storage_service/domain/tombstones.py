"""Which provider messages were erased or taken back, and so are not accepted when their webhook comes late?

Only a keyed hash is kept. The key is one of SECRET_KEYS: a retired key must stay in the list for as long as providers
redeliver (WhatsApp: 7 days) after the last erasure under it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from storage_service.domain.sealing import Keyring


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Computes the hashes; the table `tombstones` holds them."""

    keyring: Keyring

    def to_write(self, tenant_id: str, account_id: str, *, chat_id: str, provider_message_id: str) -> bytes:
        """The digest to keep for a message that is erased now."""
        return self.to_find(tenant_id, account_id, chat_id=chat_id, provider_message_id=provider_message_id)[0]

    def to_find(self, tenant_id: str, account_id: str, *, chat_id: str, provider_message_id: str) -> list[bytes]:
        """Each digest under which it may have been kept that this message is gone, or all that stands under another."""
        return [
            digest
            for name in (provider_message_id, *_over(provider_message_id))
            for digest in self.keyring.fingerprints("tombstone", tenant_id, account_id, chat_id, name)
        ]


def under(provider_message_id: str) -> str:
    """The name of all that stands under a message, such as its edits."""
    return f"{provider_message_id}:"


def _over(provider_message_id: str) -> Iterator[str]:
    """The names of that under which this may stand."""
    return accumulate(map(under, provider_message_id.split(":")[:-1]))
