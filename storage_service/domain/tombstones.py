"""Which provider messages were erased, and so are not accepted again when their webhook comes late?

Only a keyed hash is kept. The key is one of SECRET_KEYS: a retired key must stay in the list for as long as providers
redeliver (WhatsApp: 7 days) after the last erasure under it.
"""

from dataclasses import dataclass

from storage_service.domain.sealing import Keyring


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Computes the hashes; the table `tombstones` holds them."""

    keyring: Keyring

    def to_write(self, tenant_id: str, account_id: str, *, chat_id: str, provider_message_id: str) -> bytes:
        """The digest to keep for a message that is erased now."""
        return self.to_find(tenant_id, account_id, chat_id=chat_id, provider_message_id=provider_message_id)[0]

    def to_find(self, tenant_id: str, account_id: str, *, chat_id: str, provider_message_id: str) -> list[bytes]:
        """Each digest that an erased message may have been kept under."""
        return self.keyring.fingerprints("tombstone", tenant_id, account_id, chat_id, provider_message_id)
