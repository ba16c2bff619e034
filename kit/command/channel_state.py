"""How does an account stop taking part, for a while or for good? Its history stays; a webhook that is ours goes."""

import sys

import typer

from kit.command import interrupts, targets, webhooks
from kit.command.directory import directory
from kit.command.screen import Mistake, complain, printable, say
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount

REMOVED, PAUSED = "removed", "operator"


async def remove(tenant: str, target: str, *, yes: bool) -> int:
    """Disables it; then the webhook. Returns 1 when the provider could not be told."""
    async with directory(tenant) as storage:
        account = await targets.one_of(storage, target)
        if not yes:
            _confirm(account)
        credentials = await storage.credentials(account)  # of a disabled account nobody gets them
        is_alone = await storage.is_alone(account)
        await storage.set_state(account.id, AccountState.ACCOUNT_STATE_DISABLED, reason=REMOVED)
    say(f"{_named(account)} is removed: it neither receives nor sends; its conversations stay")
    return await _unregister(account, credentials, is_alone=is_alone) if credentials else 0


async def pause(tenant: str, target: str) -> None:
    """It goes on receiving; what it has to send waits."""
    async with directory(tenant) as storage:
        account = await targets.one_of(storage, target)
        await storage.set_state(account.id, AccountState.ACCOUNT_STATE_PAUSED, reason=PAUSED)
    say(f"{_named(account)} is paused: it receives; what it has to send waits")


async def resume(tenant: str, target: str) -> None:
    """What waited is sent."""
    async with directory(tenant) as storage:
        account = await targets.one_of(storage, target)
        await storage.set_state(account.id, AccountState.ACCOUNT_STATE_ACTIVE)
    say(f"{_named(account)} is active; does it work? parley channels test {account.id}")


async def _unregister(account: ChannelAccount, credentials: dict[str, str], *, is_alone: bool) -> int:
    provider = webhooks.provider(account, credentials, around=webhooks.surroundings(), is_alone=is_alone)
    if not provider.channel.provider:
        return 0
    try:
        gone = await provider.unregister()
    except Mistake as mistake:
        complain(Mistake(f"its webhook is still set. {mistake}", fix=mistake.fix))
        return 1
    said = {
        True: "its webhook is taken away, too",
        False: "no webhook at the provider was ours",
        None: f"its webhook stays at the provider until you take it away there: {provider.url}",
    }
    say(said[gone])
    return 0


def _confirm(account: ChannelAccount) -> None:
    if not sys.stdin.isatty():
        raise Mistake("nobody is here to be asked, and nothing was removed", fix="say it: --yes", code=1)
    with interrupts.asking():
        wanted = typer.confirm(f"Remove {_named(account)}? Its conversations stay.")
    if not wanted:
        raise Mistake("nothing was removed", code=1)


def _named(account: ChannelAccount) -> str:
    return f"{account.channel} {printable(account.address)}"
