"""What does the environment know of a channel's account? Credentials by field, its address, and what is missing."""

import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kit.command.screen import Mistake
from kit.command.settings import values_of


@dataclass(frozen=True, slots=True, repr=False)
class EnvironmentAccount:
    """The account that the environment describes, perhaps half."""

    channel: Any
    values: Mapping[str, str]

    @property
    def credentials(self) -> dict[str, str]:
        """By the channel's own field names."""
        fields = self.channel.credential_fields
        return {each.name: self.values[each.environment] for each in fields if each.environment in self.values}

    @property
    def address(self) -> str:
        """The provider's name of the account; empty when it is not given."""
        stated = self.values.get(self.channel.address_environment, "")
        with suppress(ValueError):  # the mesh does not start with it, and says so
            return numbered(self.channel, stated)
        return stated

    @property
    def missing(self) -> list[str]:
        """The variables without which it can neither be believed nor send."""
        needed = [each.environment for each in self.channel.credential_fields if each.required or each.verifies]
        needed.append(self.channel.address_environment)
        return [name for name in dict.fromkeys(needed) if name and name not in self.values]

    @property
    def wanted(self) -> bool:
        """Whether somebody meant it: something is set that no complete account of another channel needs too."""
        return bool(self.values.keys() - self._needed_elsewhere())

    def _needed_elsewhere(self) -> set[str]:
        others = (account(name) for name in channels() if name != self.channel.name)
        return {name for other in others if not other.missing for name in other.values}


def account(name: str) -> EnvironmentAccount:
    """Reads what is there."""
    known = channels()
    if name not in known:
        raise Mistake(f"there is no channel {name!r}", fix=f"one of: {', '.join(sorted(known))}")
    channel = known[name]
    names = [each.environment for each in channel.credential_fields] + [channel.address_environment]
    return EnvironmentAccount(channel, values_of(names))


def numbered(channel: Any, stated: str) -> str:
    """An address as its provider writes it, where it is a number. Raises ValueError."""
    as_theirs = getattr(channel, "numbered", None)
    return str(as_theirs(stated)) if as_theirs and stated else stated


def channels() -> Mapping[str, Any]:
    """The registry, by name: kit does not depend on channels, this command does when it runs."""
    found: Mapping[str, Any] = importlib.import_module("channels.registry").CHANNELS
    return found
