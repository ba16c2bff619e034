"""Is a provider listened to instead of waited for? What decides it for an account, and how it goes."""

import importlib
from collections.abc import Sequence
from typing import Any

import grpc

from kit.command.directory import directory
from kit.command.findings import Finding, broken, look, ok
from kit.command.screen import Mistake, printable
from kit.command.tenants import DEFAULT_TENANT
from kit.command.webhooks import Surroundings
from kit.errors import ParleyError
from parley.storage.v1.directory_pb2 import ChannelAccount
from parley.storage.v1.listener_service_pb2 import Listener, ListenerState

OPTION, ON = "listen", "true"
ABOUT = "listening"
NOBODY = "is a gateway running with this storage? LISTENER_MAX_ACCOUNTS says for how many accounts each listens"


def check(channel: str, wanted: bool | None) -> None:
    """Raises Mistake when somebody wants what is not possible."""
    if wanted and _of(channel) is None:
        fix = "leave --listen away; it needs PUBLIC_BASE_URL"
        raise Mistake(f"{channel} cannot be listened to: its provider calls a public address", fix=fix)


def choose(account: ChannelAccount, wanted: bool | None, *, around: Surroundings) -> None:
    """As wanted; without a wish where no provider can reach us. What can be both stays as it was."""
    listening = _of(account.channel)
    if listening is None:
        return
    stays = is_on(account) and not listening.replaces_webhook
    if wanted if wanted is not None else bool(around.trouble) or stays:
        account.options[OPTION] = ON
    elif OPTION in account.options:
        del account.options[OPTION]


def is_on(account: ChannelAccount) -> bool:
    """Whether it is to be listened for."""
    return account.options.get(OPTION, "") == ON and _of(account.channel) is not None


def replaces_webhook(account: ChannelAccount) -> bool:
    """Whether its provider calls nobody."""
    return is_on(account) and bool(_of(account.channel).replaces_webhook)


def needs_webhook(account: ChannelAccount, around: Surroundings) -> bool:
    """Whether its webhook is worth a word."""
    return not is_on(account) or not (around.trouble or replaces_webhook(account))


def told(account: ChannelAccount, around: Surroundings) -> list[Finding]:
    """What is done from now on, for who has just added it."""
    if not is_on(account):
        return []
    why = f"; {around.trouble}" if around.trouble else ""
    return [ok(ABOUT, f"{_of(account.channel).told}{why}")]


def finding(account: ChannelAccount, listeners: Sequence[Listener]) -> Finding:
    """How it goes."""
    listener = next((each for each in listeners if each.account_id == account.id), None)
    return _finding(ABOUT, listener or Listener(), account_id=account.id)


async def findings() -> list[Finding]:
    """Of the first tenant's accounts; nothing where nothing is listened to, or where storage does not say."""
    try:
        async with directory(DEFAULT_TENANT) as storage:
            listeners = await storage.listeners()
    except (Mistake, ParleyError, grpc.aio.AioRpcError):
        return []  # what is wrong with storage is said elsewhere
    return [_finding(each.channel, each, account_id=each.account_id) for each in listeners]


def _finding(about: str, listener: Listener, *, account_id: str) -> Finding:
    reason = printable(listener.reason)
    states: dict[int, Finding] = {
        ListenerState.LISTENER_STATE_LISTENING: ok(about, "the provider is listened to"),
        ListenerState.LISTENER_STATE_CONNECTING: look(about, "about to listen", fix="look again in some seconds"),
        ListenerState.LISTENER_STATE_TROUBLED: look(
            about, f"the provider is not heard: {reason}", fix="it is tried again; the gateway's log says more"
        ),
        ListenerState.LISTENER_STATE_REFUSED: broken(
            about, f"refused: {reason}", fix=f"mend it, then: parley channels resume {account_id}"
        ),
    }
    return states.get(listener.state) or look(about, "nobody listens", fix=NOBODY)


def _of(channel: str) -> Any:
    """How it is listened to; None where it cannot be."""
    return importlib.import_module("channels.listening_registry").LISTENING.get(channel)
