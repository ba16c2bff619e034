"""What does the environment know of a channel's account? Credentials by field, its address, and what is missing."""

import importlib
from collections.abc import Mapping
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
        return self.values.get(self.channel.address_environment, "")

    @property
    def missing(self) -> list[str]:
        """The variables without which it can neither be believed nor send."""
        needed = [each.environment for each in self.channel.credential_fields if each.required or each.verifies]
        needed.append(self.channel.address_environment)
        return [name for name in dict.fromkeys(needed) if name and name not in self.values]

    @property
    def wanted(self) -> bool:
        """Whether somebody meant it: something is set, and not merely what a complete sister channel needs too."""
        only_address_missing = self.missing == [self.channel.address_environment]
        return bool(self.values) and not (only_address_missing and self._sister_is_complete)

    @property
    def _sister_is_complete(self) -> bool:
        provider = self.channel.provider
        sisters = [each for each in channels().values() if each.provider == provider and each is not self.channel]
        return any(not account(each.name).missing for each in sisters)


def account(name: str) -> EnvironmentAccount:
    """Reads what is there."""
    known = channels()
    if name not in known:
        raise Mistake(f"there is no channel {name!r}", fix=f"one of: {', '.join(sorted(known))}")
    channel = known[name]
    names = [each.environment for each in channel.credential_fields] + [channel.address_environment]
    return EnvironmentAccount(channel, values_of(names))


def channels() -> Mapping[str, Any]:
    """The registry, by name: kit does not depend on channels, this command does when it runs."""
    found: Mapping[str, Any] = importlib.import_module("channels.registry").CHANNELS
    return found
