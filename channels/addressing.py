"""Whom is a message for, where many talk and the provider's body does not say so? Whoever knows our name can tell."""

from typing import Protocol, runtime_checkable

from channels.channel import Webhook


@runtime_checkable
class Overhears(Protocol):
    """A channel that is told also what people say to each other."""

    def is_overheard(self, webhook: Webhook, address: str, /) -> bool:
        """Whether what it says, once decoded, is said to others than the account with this address: that is kept where
        the conversation exists, and not answered. False where it cannot be told."""
