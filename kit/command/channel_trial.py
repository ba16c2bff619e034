"""Does a stored account work? Its state, whom the provider takes its credentials for, and how its webhook stands."""

from kit.command import account_health, channel_listening, targets, webhooks
from kit.command.channel_list import state_of
from kit.command.directory import Directory, directory
from kit.command.findings import Finding, broken, look, ok, report, rows, worst
from kit.command.screen import Mistake, document, printable, say
from kit.command.webhooks import Surroundings
from parley.storage.v1.directory_pb2 import AccountState, ChannelAccount


async def trial(tenant: str, target: str, *, as_json: bool) -> int:
    """Of one account, or of all of a channel. Returns the exit code: 0 all well, 1 look at it, 2 broken."""
    around = webhooks.surroundings()
    async with directory(tenant) as storage:
        chosen = await targets.all_of(storage, target)
        found = [(each, await _findings(storage, each, around=around)) for each in chosen]
    if as_json:
        everything = [{"id": each.id, "channel": each.channel, "findings": rows(said)} for each, said in found]
        document({"accounts": everything})
        return worst([each for _, said in found for each in said])
    code = 0
    for each, said in found:
        say(f"{each.channel} {printable(each.address)} {each.id}", "bold")
        code = max(code, report(said))
    return code


async def _findings(storage: Directory, account: ChannelAccount, *, around: Surroundings) -> list[Finding]:
    found = [_state(account)]
    if account.state == AccountState.ACCOUNT_STATE_ACTIVE:
        found.append(account_health.finding(account))
    credentials = await storage.credentials(account)
    if credentials is None:
        return [*found, _closed(account)]
    provider = webhooks.provider(account, credentials, around=around, is_alone=await storage.is_alone(account))
    if not provider.channel.provider:
        return [*found, provider.unasked()]
    try:
        known = await provider.known()
        found += provider.said(known)
        await account_health.note_expiry(storage, account, expires_at=known.expires_at if known else None)
    except Mistake as mistake:
        return [*found, webhooks.as_finding("credentials", mistake)]
    if channel_listening.is_on(account):
        found.append(channel_listening.finding(account, await storage.listeners()))
    if not channel_listening.needs_webhook(account, around):
        return found
    if around.trouble:
        found.append(look("webhook", around.trouble, fix=webhooks.HTTPS_FIX))
    try:
        standing = await provider.inspect()
    except Mistake as mistake:
        return [*found, webhooks.as_finding("webhook", mistake)]
    return [*found, *(standing or [_untold(provider.url)])]


def _state(account: ChannelAccount) -> Finding:
    if account.state == AccountState.ACCOUNT_STATE_ACTIVE:
        return ok("state", "active")
    fix = f"when what is wrong is mended: parley channels resume {account.id}"
    return broken("state", printable(state_of(account)), fix=fix)


def _closed(account: ChannelAccount) -> Finding:
    if account.state == AccountState.ACCOUNT_STATE_DISABLED:
        return look("credentials", "not checked: the account is disabled", fix="resume it first, or add it again")
    fix = (
        f"give storage the SECRET_KEYS that it had, or: parley channels add {account.channel} with --address and --set"
    )
    return broken("credentials", "cannot be opened with the SECRET_KEYS of storage", fix=fix)


def _untold(url: str) -> Finding:
    return ok(
        "webhook", f"the provider does not tell how it stands; it must be {url}. What comes in shows: parley listen"
    )
