"""What does the mesh itself think of an account? A word for a table, or a finding with its fix; nobody is asked."""

from dataclasses import replace
from datetime import datetime

from kit.command.directory import Directory
from kit.command.findings import Finding, broken, look, ok
from kit.command.screen import printable
from kit.moments import moment
from parley.storage.v1.account_health_pb2 import (
    ACCOUNT_HEALTH_STATE_BROKEN,
    ACCOUNT_HEALTH_STATE_OK,
    ACCOUNT_HEALTH_STATE_UNSPECIFIED,
    AccountHealth,
)
from parley.storage.v1.directory_pb2 import ChannelAccount

WELL = (ACCOUNT_HEALTH_STATE_OK, ACCOUNT_HEALTH_STATE_UNSPECIFIED)  # an older storage says nothing
# reason -> what is the case, and what to do
REASONS = {
    "unauthorized": (
        "paused: the provider refused its credentials, or took them back",
        "parley channels add {channel} with the right ones",
    ),
    "secret_unreadable": (
        "storage cannot open its credentials: it has not the key that they were sealed with",
        "give SECRET_KEYS that key too, or: parley channels add {channel} --address {address}, with its credentials",
    ),
    "token_expired": ("its credentials ended {ends}", "take new ones from the provider: parley channels add {channel}"),
    "token_expires": ("its credentials end {ends}", "take new ones from the provider: parley channels add {channel}"),
    "webhooks_refused": (
        "{refused} webhooks in a row were refused ({why}), and none was believed",
        "parley listen --refused says which setting mends it",
    ),
    "listener_lost": ("its provider has not been heard since {since}", "parley channels test {id} says why"),
    "silent": ("nobody has written since {since}", "is its webhook set? parley channels test {id}"),
    "paused": ("paused by an operator", "parley channels resume {id}"),
    "disabled": ("removed: it neither receives nor sends", "parley channels resume {id}, or add it again"),
}


def word(account: ChannelAccount) -> str:
    """For a table: "ok", or what is wrong."""
    return "ok" if account.health.state in WELL else account.health.reason.replace("_", " ")


def finding(account: ChannelAccount) -> Finding:
    """For `parley channels test` and `parley doctor`."""
    health = account.health
    if health.state in WELL:
        return ok("health", _well(health))
    found, fix = REASONS.get(health.reason, (health.reason, "parley channels test {id}"))
    shown = {
        "channel": account.channel,
        "address": account.address,
        "id": account.id,
        "refused": health.refused_in_row,
        "why": health.refused_reason or "no reason is known",
        "ends": _when(moment(health.credentials_expire_at)),
        "since": _when(moment(health.since)),
    }
    make = broken if health.state == ACCOUNT_HEALTH_STATE_BROKEN else look
    return make("health", printable(found.format(**shown)), fix=printable(fix.format(**shown)))


def named(account: ChannelAccount) -> Finding | None:
    """For a list of many: which account, and only when it deserves a look."""
    if account.health.state in WELL:
        return None
    one = finding(account)
    return replace(one, about=account.channel, found=f"{printable(account.name or account.id)}: {one.found}")


async def note_expiry(storage: Directory, account: ChannelAccount, *, expires_at: datetime | None) -> None:
    """Keeps what the provider said of when the credentials end; None when it said nothing."""
    if expires_at is not None:
        await storage.report_expiry(account, expires_at)


def _well(health: AccountHealth) -> str:
    said = [f"somebody wrote {_when(moment(health.heard_at))}"] if health.HasField("heard_at") else []
    ends = health.HasField("credentials_expire_at")
    said += [f"its credentials end {_when(moment(health.credentials_expire_at))}"] if ends else []
    return ", ".join(["nothing is known to be wrong", *said])


def _when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
