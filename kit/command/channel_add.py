"""How does an account come into the mesh? Its credentials are gathered, asked about, stored, and its webhook is set."""

import secrets
import sys
from collections.abc import Sequence
from typing import Any

import typer

from kit.command import (
    account_health,
    accounts,
    channel_listening,
    credential_sources,
    interrupts,
    option_words,
    webhooks,
)
from kit.command.accounts import EnvironmentAccount
from kit.command.channel_options import Wanted
from kit.command.credential_sources import Ask, Gathered, Sources
from kit.command.directory import Directory, directory
from kit.command.findings import Finding, look, ok, report, worst
from kit.command.screen import Mistake, printable, say
from kit.command.tenants import DEFAULT_TENANT
from kit.command.webhooks import Provider, Surroundings
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount

SECRET_BYTES = 48
BOT_NAME = "bot_name"


async def add(wanted: Wanted) -> int:
    """Makes the account, or changes the one with the same address. Returns 1 when its webhook deserves a look."""
    described = accounts.account(wanted.channel)
    _require_accounts(described.channel)
    given = credential_sources.parsed(described.channel, wanted.settings or ())
    around = webhooks.surroundings()
    channel_listening.check(described.channel.name, wanted.listen)
    async with directory(wanted.tenant) as storage:
        agent_id = await storage.agent_id(wanted.agent) if wanted.agent else ""
        address = _address(described, wanted.address, has_given=bool(given))
        account, sources = await _known(storage, described, address=address, given=given)
        gathered = credential_sources.gather(described.channel, sources, ask=_ask())
        provider = webhooks.provider(account, gathered.values, around=around, is_alone=False)
        known = await provider.known() if not wanted.no_probe else None
        found = list(_asked(provider, known, probes=not wanted.no_probe))
        if not address:
            address = _told_address(described, known)
            account, sources = await _known(storage, described, address=address, given=given)
        gathered = credential_sources.completed(
            described.channel, gathered, sources=sources, random_secret=lambda: secrets.token_urlsafe(SECRET_BYTES)
        )
        _describe(account, wanted, known=known)
        account.agent_id = agent_id or account.agent_id
        account.formatting = account.formatting or described.channel.formatting
        channel_listening.choose(account, wanted.listen, around=around)
        stored = await storage.put(account, gathered.values)
        await account_health.note_expiry(storage, stored, expires_at=known.expires_at if known else None)
        is_alone = await storage.is_alone(stored)
    found += _stored(stored, gathered, is_alone=is_alone) + webhooks.page(stored, around)
    provider = webhooks.provider(stored, gathered.values, around=around, is_alone=is_alone)
    if not provider.channel.provider:
        return report(found)
    found += channel_listening.told(stored, around)
    if not channel_listening.needs_webhook(stored, around):
        return report(found)
    standing, by_hand = await _webhook(provider, around, probes=not wanted.no_probe)
    return _shown(provider, found + standing, by_hand=by_hand)


def _stored(account: ChannelAccount, gathered: Gathered, *, is_alone: bool) -> list[Finding]:
    found = [ok("secrets", gathered.said())] if gathered.origins else []
    found.append(ok("account", f"{account.channel} {printable(account.address)} is active: {account.id}"))
    if not is_alone and webhooks.path(account) and account.tenant_id == DEFAULT_TENANT:
        plain = f"/webhook/{account.channel}"
        found.append(
            ok("note", f"there are several: {plain} alone leads to the first, the others' URLs need their keys")
        )
    return found


def _shown(provider: Provider, found: Sequence[Finding], *, by_hand: bool) -> int:
    code = report(found)
    if by_hand:
        say(f"{'do':<7} {'webhook':<12} enter {provider.url}")
        for number, step in enumerate(provider.clicks(), start=1):
            say(f"{'':<7} {'':<12} {number}. {step}")
    return code


async def _webhook(provider: Provider, around: Surroundings, *, probes: bool) -> tuple[list[Finding], bool]:
    """How it stands after what could be done, and whether a person has to set it."""
    if around.trouble:
        fix = f"{webhooks.HTTPS_FIX}; then the same command again"
        return [look("webhook", f"not set: {around.trouble}", fix=fix)], True
    if not probes:
        return [ok("webhook", "not set: nobody was asked (--no-probe)")], True
    try:
        is_set = await provider.register()
        standing = await provider.inspect()
    except Mistake as mistake:
        return [webhooks.as_finding("webhook", mistake)], True
    if is_set or (standing and worst(standing) == 0):
        return standing or [ok("webhook", "set")], False
    return [], True


async def _known(
    storage: Directory, described: EnvironmentAccount, *, address: str, given: dict[str, str]
) -> tuple[ChannelAccount, Sources]:
    """The account of that address, or a new one; and where its credentials may come from."""
    channel = described.channel
    setup = webhooks.setup_of(channel.name)
    account = next(
        (each for each in await storage.accounts(channel.name) if _same(channel.name, address, other=each.address)),
        None,
    )
    sources = Sources(
        given=given,
        environment=described.credentials,
        stored=(await storage.credentials(account) or {}) if account else {},
        is_environments=bool(address) and address == _environments_address(described, has_given=False),
        made_up=setup.made_up if setup else (),
    )
    return account or ChannelAccount(channel=channel.name, address=address), sources


def _address(described: EnvironmentAccount, given: str, *, has_given: bool) -> str:
    """As the environment writes it when both mean the same: the mesh would make a second account of it."""
    environments = _environments_address(described, has_given=has_given)
    try:
        given = accounts.numbered(described.channel, given)
    except ValueError as error:
        raise Mistake(f"--address: {error}", fix="for example --address +14155550100") from None
    if given and _same(described.channel.name, given, other=environments):
        return environments
    return given or environments


def _same(channel: str, one: str, *, other: str) -> bool:
    """Addresses may be written with the channel's name before them."""
    prefix = f"{channel}:"
    return bool(one) and one.removeprefix(prefix) == other.removeprefix(prefix)


def _environments_address(described: EnvironmentAccount, *, has_given: bool) -> str:
    """The address of the account that the environment gives to the mesh; "" when it gives none, or another is meant."""
    if described.channel.address_environment:
        return described.address
    return described.channel.name if described.values and not described.missing and not has_given else ""


def _told_address(described: EnvironmentAccount, known: Any) -> str:
    if known is not None and known.address:
        return str(known.address)
    name, variable = described.channel.name, described.channel.address_environment
    if not described.channel.provider:
        raise Mistake(f"{name} needs an address", fix="a name of your own, for example --address shop")
    other = f"or {variable} in the environment" if variable else f"or --address {name} for all that its secrets prove"
    raise Mistake(f"{name} needs an address", fix=f"--address as the provider writes it, {other}")


def _require_accounts(channel: Any) -> None:
    if not channel.credential_fields:
        fix = "give a program a key: parley keys create NAME --scope agent.use"
        raise Mistake(f"{channel.name} has no accounts to add", fix=fix)


def _asked(provider: Provider, known: Any, *, probes: bool) -> Sequence[Finding]:
    if not probes:
        return (ok("credentials", "not checked (--no-probe)"),)
    return provider.said(known)


def _describe(account: ChannelAccount, wanted: Wanted, *, known: Any) -> None:
    account.state, account.state_reason = AccountState.ACCOUNT_STATE_ACTIVE, ""
    told = printable(known.name) if known is not None else ""
    if known is not None and known.address != account.address and option_words.has(account.channel, BOT_NAME):
        account.options[BOT_NAME] = printable(known.address)
    options = option_words.changed(account.channel, account.options, words=wanted.options or ())
    account.options.clear()
    account.options.update(options)
    account.name = wanted.name or account.name or told or account.channel
    if wanted.quiet_seconds is not None:
        account.quiet_window_ms = round(wanted.quiet_seconds * 1000)


def _ask() -> Ask | None:
    """What is typed is not shown when it is secret."""
    if not sys.stdin.isatty():
        return None
    return _asked_for


def _asked_for(wanted: Any) -> str:
    question = f"{wanted.name} ({wanted.description})"
    with interrupts.asking():
        return str(typer.prompt(question, hide_input=wanted.secret, default="", show_default=False))
