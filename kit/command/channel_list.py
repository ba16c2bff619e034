"""Which channel accounts are there, how does each stand, and which does the environment describe only by half?"""

from collections.abc import Mapping, Sequence
from typing import Any

from kit.command import account_health, accounts, channel_listening, webhooks
from kit.command.directory import directory
from kit.command.screen import cell, document, printable, say, table
from kit.moments import moment
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount

COLUMNS = ("account", "channel", "address", "name", "state", "health", "agent", "webhook", "changed")


async def listing(tenant: str, *, as_json: bool) -> None:
    """By age. No credential is asked for."""
    async with directory(tenant) as storage:
        found = await storage.accounts()
        agents = {each.id: each.name for each in await storage.agents()}
    base = webhooks.surroundings().public_base_url
    half_set = {name: missing for name in sorted(accounts.channels()) if (missing := _missing(name))}
    described = [_described(each, agents, base=base) for each in found]
    if as_json:
        _print_json(described, half_set)
        return
    table(COLUMNS, list(map(_row, found, described)))
    for name, missing in half_set.items():
        names = ", ".join(missing)
        say(f"{name} is half set in the environment: {names} missing", "yellow")
        say(f"fix: set {names}, or unset the rest")


def state_of(account: ChannelAccount) -> str:
    """In a word, with its reason."""
    word = state_word(account)
    return f"{word}: {account.state_reason}" if account.state_reason else word


def state_word(account: ChannelAccount) -> str:
    """In a word."""
    return AccountState.Name(account.state).removeprefix("ACCOUNT_STATE_").lower()


def _missing(name: str) -> list[str]:
    account = accounts.account(name)
    return account.missing if account.wanted else []


def _described(account: ChannelAccount, agents: Mapping[str, str], *, base: str) -> dict[str, Any]:
    path = webhooks.path(account)
    return {
        "id": account.id,
        "channel": account.channel,
        "address": account.address,
        "name": account.name,
        "state": state_word(account),
        "reason": account.state_reason,
        "health": account_health.word(account),
        "agent": agents.get(account.agent_id, account.agent_id),
        "webhook": base + path if path and not channel_listening.replaces_webhook(account) else "",
        "listens": "yes" if channel_listening.is_on(account) else "",
        "options": dict(account.options),
        "changed_at": moment(account.updated_at).isoformat(),
    }


def _row(account: ChannelAccount, described: dict[str, Any]) -> Sequence[str]:
    shown = described | {"state": state_of(account), "changed": cell(moment(account.updated_at))}
    return [printable(str(shown[each])) for each in ("id", *COLUMNS[1:])]


def _print_json(found: Sequence[Mapping[str, Any]], half_set: Mapping[str, Sequence[str]]) -> None:
    halves = [{"channel": name, "missing": list(missing)} for name, missing in half_set.items()]
    document({"accounts": found, "half_set": halves})
