"""Which channel accounts does the environment give? A table made from what each channel says that it needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from channels.addressing import Numbered
from channels.channel import Channel, CredentialField


@dataclass(frozen=True, slots=True, repr=False)
class GivenAccount:
    """An account of the tenant `default`, as environment variables describe it."""

    channel: str
    address: str
    credentials: Mapping[str, str]

    def __repr__(self) -> str:
        """Never its credentials."""
        return f"GivenAccount({self.channel})"


class Misspelt(ValueError):
    """An address is not written as its provider writes it. Says which, and how."""


class HalfSet(ValueError):
    """Some of a channel's settings are there and some are missing. Says which."""


def variables(channels: Iterable[Channel]) -> tuple[str, ...]:
    """The names of all variables that can give an account."""
    names = {name for channel in channels for name in _names(channel)}
    return tuple(sorted(names))


def accounts(values: Mapping[str, str], channels: Iterable[Channel]) -> tuple[GivenAccount, ...]:
    """The accounts that the values describe. Raises HalfSet, and Misspelt."""
    known = tuple(channels)
    wanted = [channel for channel in known if _is_wanted(channel, values)]
    for channel in wanted:
        _check_complete(channel, values)
    used = {name for channel in wanted for name in _names(channel)}
    unused = sorted(name for name in variables(known) if values.get(name) and name not in used)
    if unused:
        addresses = [each.address_environment for each in known if unused[0] in _names(each)]
        raise HalfSet(f"{' or '.join(sorted(addresses))} is missing: {unused[0]} alone makes no account")
    return tuple(_account(channel, values) for channel in wanted)


def _names(channel: Channel) -> tuple[str, ...]:
    fields = tuple(field.environment for field in channel.credential_fields)
    return tuple(name for name in (*fields, channel.address_environment) if name)


def _is_wanted(channel: Channel, values: Mapping[str, str]) -> bool:
    """Several channels may share credentials; then the address says which of them is meant."""
    if channel.address_environment:
        return bool(values.get(channel.address_environment))
    return any(values.get(name) for name in _names(channel))


def _check_complete(channel: Channel, values: Mapping[str, str]) -> None:
    needed = (field for field in channel.credential_fields if field.environment and _is_needed(field))
    missing = [field.environment for field in needed if not values.get(field.environment)]
    if missing:
        there = next(name for name in _names(channel) if values.get(name))
        raise HalfSet(f"{' and '.join(missing)} is missing: {channel.name} needs it together with {there}")


def _is_needed(field: CredentialField) -> bool:
    return field.required or field.verifies


def _account(channel: Channel, values: Mapping[str, str]) -> GivenAccount:
    credentials = {field.name: values.get(field.environment, "") for field in channel.credential_fields}
    return GivenAccount(
        channel=channel.name,
        address=_address(channel, values.get(channel.address_environment, "")) or channel.name,
        credentials={name: value for name, value in credentials.items() if value},
    )


def _address(channel: Channel, stated: str) -> str:
    """What people write is addressed to it as the provider writes it, and is refused where that is another."""
    try:
        return channel.numbered(stated) if stated and isinstance(channel, Numbered) else stated
    except ValueError as error:
        raise Misspelt(f"{channel.address_environment}: {error}") from None  # its value is never printed
