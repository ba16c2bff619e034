"""How is an account set up with its provider? The protocol of a `<name>_setup.py`, and the values that pass through it.

Pure, as a channel is: each question is a generator that yields calls and is sent their answers.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from channels.channel import Answer, Call, Credentials, Unauthorized

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Learnt = TypeVar("Learnt")
Asking = Generator[Call, Answer, Learnt]


@dataclass(frozen=True, slots=True, repr=False)
class Candidate:
    """An account as it is, or should be."""

    address: str
    credentials: Credentials
    public_base_url: str = ""  # "" when nobody said how providers reach the gateway
    webhook_path: str = ""  # with the account's key, which nobody else has
    is_alone: bool = True  # the only account of its channel: the path without a key is its own, too
    api_base_url: str = ""  # stands in for the provider's own
    options: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Neither address nor path: the one may be a person's number, the other is not to be guessed."""
        return f"Candidate({self.credentials!r})"

    @property
    def webhook_url(self) -> str:
        """Where the provider should post; "" when nobody said how it reaches us."""
        return self.public_base_url and self.public_base_url + self.webhook_path

    def is_here(self, url: str) -> bool:
        """Whether a webhook's URL is this account's, to the letter, but for what only the provider reads."""
        url = url.partition("#")[0]
        without_key = self.webhook_url.rpartition("/")[0] if self.is_alone else self.webhook_url
        return bool(self.public_base_url) and url in (self.webhook_url, without_key)

    def was_ours(self, url: str) -> bool:
        """Whether we set it, perhaps under an older public address."""
        return self.is_here(url) or (bool(self.webhook_path) and urlsplit(url).path.endswith(self.webhook_path))


@dataclass(frozen=True, slots=True)
class Known:
    """Who the provider says that the credentials are."""

    name: str
    address: str = ""  # "" when it does not say
    notes: tuple[str, ...] = ()  # what a person should know, for example "trial account"
    expires_at: datetime | None = None  # when the credentials end: NEVER; None when the provider does not say


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing that the provider says of the webhook."""

    good: bool
    found: str
    fix: str = ""  # "" with what is not good: setting the webhook again mends it


class Refused(Unauthorized):
    """The provider refuses these credentials, or what they are to be used for; `fix` says what a person does."""

    def __init__(self, message: str, *, fix: str, provider_code: str = "") -> None:
        """Neither text holds a credential."""
        super().__init__(message, provider_code=provider_code)
        self.fix = fix


class Setup(Protocol):
    """What can be asked of a provider, and told to it, about one account. All of it raises DeliveryErrors."""

    @property
    def made_up(self) -> tuple[str, ...]:
        """Credentials that we may choose at random, since `register` tells the provider."""

    @property
    def url_ending(self) -> str:
        """What stands behind the webhook's URL where a person enters it, for the provider alone."""

    def probe(self, candidate: Candidate, /) -> Asking[Known]:
        """Who are these credentials, and may they use that address? Raises Refused when not."""

    def inspect(self, candidate: Candidate, /) -> Asking[tuple[Standing, ...]]:
        """How does the webhook stand? Empty when the provider does not tell."""

    def register(self, candidate: Candidate, /) -> Asking[None] | None:
        """Sets the webhook; None where a person must."""

    def unregister(self, candidate: Candidate, /) -> Asking[bool] | None:
        """Takes the webhook away when it is ours, and says whether it was; None where a person must."""

    def clicks(self, candidate: Candidate, /) -> tuple[str, ...]:
        """What a person clicks, step by step, to set the webhook by hand."""
