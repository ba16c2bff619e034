"""What becomes of a part of a reply? The provider took it, or failed in one of five ways."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

RejectedKind = Literal["recipient", "window", "policy", "payload", "opted_out"]


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took the part and calls it this."""

    provider_message_id: str


class DeliveryError(Exception):
    """A part was not sent, or perhaps was. The message never holds text, address or token."""

    def __init__(self, message: str = "", *, provider_code: str = "") -> None:
        """`provider_code` is the provider's own name of the failure."""
        super().__init__(message or type(self).__doc__ or "")
        self.provider_code = provider_code


class Throttled(DeliveryError):
    """Too fast; not sent, repeat after a while."""

    def __init__(
        self,
        message: str = "",
        *,
        provider_code: str = "",
        retry_after: timedelta | None = None,
        whole_account: bool = True,
    ) -> None:
        """`retry_after` is what the provider asks for; None when it does not say. Of this chat alone, or of all?"""
        super().__init__(message, provider_code=provider_code)
        self.retry_after = retry_after
        self.whole_account = whole_account


class Unavailable(DeliveryError):
    """The provider could not; not sent, repeat later."""


class Unanswered(Unavailable):
    """It may have been sent; to repeat it is to send it once, so it is repeated. Given up, it is unknown."""


class Rejected(DeliveryError):
    """The provider will never take it; `kind` says what is wrong."""

    def __init__(self, message: str = "", *, kind: RejectedKind, provider_code: str = "") -> None:
        """`kind`: the recipient, the reply window, a policy (a block), what we sent, or that the person opted out."""
        super().__init__(message, provider_code=provider_code)
        self.kind = kind


class Unauthorized(DeliveryError):
    """The provider refuses our credentials; the account must pause."""


class Unknown(DeliveryError):
    """It may have been sent; repeating could send it twice."""
