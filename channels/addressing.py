"""Whom is a message for, and by whom is it counted, where the provider's body does not say so? Our account can tell."""

from typing import Protocol, runtime_checkable

from channels.channel import Webhook
from channels.credentials import Credentials


@runtime_checkable
class Overhears(Protocol):
    """A channel that is told also what people say to each other."""

    def is_overheard(self, webhook: Webhook, address: str, /) -> bool:
        """Whether what it says, once decoded, is said to others than the account with this address: that is kept where
        the conversation exists, and not answered. False where it cannot be told."""


@runtime_checkable
class Counted(Protocol):
    """A channel that counts messages anew for each who may stand behind an account, in chats that bear equal ids."""

    def counted_by(self, credentials: Credentials, /) -> str:
        """For whom it counts; "" when they do not say."""


@runtime_checkable
class Numbered(Protocol):
    """A channel whose accounts are numbers, which people write in several ways, and its provider in one."""

    def numbered(self, stated: str, /) -> str:
        """An address as the provider writes it. Raises ValueError, which says how it must be written."""
