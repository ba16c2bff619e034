"""What does an account prove itself with? Named values, and what each of them is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


class Credentials(Mapping[str, str]):
    """What an account proves itself with, by name. Its repr shows the names only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        """Copies the values; a blank one counts as not given."""
        self._values = {name: value for name, value in values.items() if value.strip()}

    def __getitem__(self, name: str) -> str:
        """The value; KeyError when it was not given or is blank."""
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        """Whether it was given."""
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def __repr__(self) -> str:
        """Names only, so that no log line can hold a secret."""
        return f"Credentials({', '.join(sorted(self._values))})"


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One credential that a channel's accounts have."""

    name: str
    environment: str  # the variable that sets it for the default tenant; "" when there is none
    secret: bool
    required: bool
    description: str
    verifies: bool = False  # webhooks are checked with it: while it is empty every webhook is refused
    generated: bool = False  # made at random (32 bytes or more) together with the account
