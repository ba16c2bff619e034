"""Why was a webhook not believed, and which setting would mend it? Found out by trying what is likely.

Only when somebody looks: whoever forges webhooks must not be able to cost us more than a refusal.
"""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from channels.channel import Channel, CredentialField, Credentials
from channels.setup_registry import SETUPS
from gateway.domain.accounts import Account, Accounts
from gateway.domain.inspection import trying
from gateway.domain.inspection.arrivals import Arrival
from gateway.domain.inspection.ways_in import base_of, origin_of, other_urls, own_path
from kit import errors
from parley.storage.v1.directory_pb2 import ChannelAccount

DEFAULT_TENANT = "default"
MOST_ACCOUNTS = 25  # of which it is tried whether the webhook is theirs

Listed = Callable[[str, str], Awaitable[Sequence[ChannelAccount]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and what to do, for a person; both are empty when all is well. Holds no credential."""

    found: str = ""
    fix: str = ""


class Diagnosis:
    """Finds out, of one arrival after the other."""

    def __init__(
        self, channels: Mapping[str, Channel], accounts: Accounts, *, listed: Listed, public_base_url: str
    ) -> None:
        """`listed` gives a tenant's accounts of a channel."""
        self._channels = channels
        self._accounts = accounts
        self._listed = listed
        self._public = public_base_url

    async def of(self, arrival: Arrival) -> Finding:
        """Asks storage for other accounts at most; changes nothing."""
        if arrival.reason == "SECRET_UNREADABLE":
            return _unopened(arrival)
        if arrival.result in _PLAIN:
            return _PLAIN[arrival.result]
        channel = self._channels.get(arrival.channel)
        if channel is None:
            return self._no_channel(arrival)
        if arrival.reason == "NOT_FOUND":
            return await self._no_account(arrival, channel)
        if arrival.reason == "signature" and arrival.account is not None:
            return await self._signature(arrival, channel, account=arrival.account)
        return self._simple(arrival, channel)

    def _simple(self, arrival: Arrival, channel: Channel) -> Finding:
        """What needs no trying."""
        name, reason = channel.name, arrival.reason
        if reason == "secret_missing" and arrival.account is not None:
            credentials = arrival.account.known.credentials
            lacking = [each for each in channel.credential_fields if each.verifies and each.name not in credentials]
            named = ", ".join(each.name for each in lacking)
            return Finding(f"the account has no {named}, so nobody is believed", _give(name, lacking))
        if reason == "unsigned":
            found = f"there is no {arrival.lacks} header: either it is not the provider, or a proxy drops the header"
            return Finding(
                found, f"let the proxy pass {arrival.lacks} on; a browser or a curl of your own cannot be believed"
            )
        if reason == "stale":
            return Finding(trying.how_stale(channel, arrival), "set the clock of this machine (NTP); a replay is stale")
        if reason == "account":
            return _of_another(arrival, channel)
        if reason == "handshake":
            return _handshake(channel)
        return _REASONS.get(reason) or Finding(f"refused: {reason}", "the log has it under the same correlation id")

    def _no_channel(self, arrival: Arrival) -> Finding:
        near = difflib.get_close_matches(arrival.channel, self._channels, 1)
        fix = f"the provider should call /webhook/{near[0]}" if near else f"one of {', '.join(sorted(self._channels))}"
        return Finding(f"there is no channel {arrival.channel[:40]!r}, or the path goes on too long", fix)

    async def _no_account(self, arrival: Arrival, channel: Channel) -> Finding:
        known = await self._known(channel.name, DEFAULT_TENANT)
        for account in known:
            if trying.verifies(channel, arrival.webhook, credentials=account.known.credentials):
                path = f"/webhook/{channel.name}/{account.account_key}"
                fix = f"enter {origin_of(arrival.webhook.url)}{path} at the provider"
                return Finding(f"the URL names no account, and it is signed for that of {_masked(account)}", fix)
        if not known:
            return Finding(f"there is no account of {channel.name}", f"parley channels add {channel.name}")
        if arrival.account_key:
            found = "no account has that key"
        else:
            found = f"there are {len(known)} accounts of {channel.name}, and the URL does not say for which it is"
        return Finding(found, "parley channels list shows the URL of each; enter it at the provider")

    async def _signature(self, arrival: Arrival, channel: Channel, *, account: Account) -> Finding:
        known = account.known.credentials
        for url in other_urls(arrival.webhook, self._public):
            if trying.verifies(channel, arrival.webhook, credentials=known, url=url):
                return self._by_url(arrival, channel, signed=url)
            await asyncio.sleep(0)  # nobody who writes waits for who looks
        if name := trying.cleaned(channel, arrival.webhook, credentials=known):
            spec = next(each for each in channel.credential_fields if each.name == name)
            return Finding(f"{name} has quotes or spaces around it that do not belong", _give(channel.name, [spec]))
        for other in await self._known(channel.name, account.tenant_id):
            theirs = other.known.credentials
            if other.known.id != account.known.id and trying.verifies(channel, arrival.webhook, credentials=theirs):
                url = f"{origin_of(arrival.webhook.url)}/webhook/{channel.name}/{other.account_key}"
                found = f"it is signed for another account, that of {_masked(other)}"
                return Finding(found, f"that account's webhook is {url}; or these two have their secrets mixed up")
        covers_url = trying.covers_url(channel, arrival.webhook, credentials=known)
        return _wrong_secret(channel, known, covers_url=covers_url)

    def _by_url(self, arrival: Arrival, channel: Channel, *, signed: str) -> Finding:
        taken, provider = arrival.webhook.url, channel.provider.capitalize()
        found = f"computed over {_bare(taken)}, and {provider} signed {_bare(signed)}"
        base = base_of(signed, own_path(taken))
        if not base:
            return Finding(found, f"enter {_bare(taken)} at {provider}, to the letter; a proxy must keep the path")
        now = f" (it is {self._public} now)" if self._public else ""
        return Finding(found, f"set PUBLIC_BASE_URL={base}{now}")

    async def _known(self, channel: str, tenant_id: str) -> list[Account]:
        found = []
        try:
            for each in (await self._listed(channel, tenant_id))[:MOST_ACCOUNTS]:
                try:
                    found.append(await self._accounts.find(channel, each.account_key))
                except (errors.NotFound, errors.SecretUnreadable):
                    continue
        except errors.ParleyError:
            return found
        return found


def _wrong_secret(channel: Channel, credentials: Credentials, *, covers_url: bool) -> Finding:
    fields = [each for each in channel.credential_fields if each.verifies]
    fields += [each for each in channel.credential_fields if not each.verifies and each.name.endswith("_secondary")]
    fields = [each for each in fields if each.name in credentials]
    named = " nor ".join(each.name for each in fields)
    give = _give(channel.name, fields[:1])
    if not covers_url:
        return Finding(f"not signed with {named}: the secret is another, or a proxy changed the body", give)
    found = (
        f"not signed with {named} over any URL that the request hints at: the secret is another, or the provider calls"
    )
    return Finding(f"{found} an address that we do not know of", f"set PUBLIC_BASE_URL to what it calls; else {give}")


def _give(channel: str, fields: Sequence[CredentialField]) -> str:
    names, variables = [each.name for each in fields], [each.environment for each in fields]
    if channel in SETUPS and set(names) <= set(SETUPS[channel].made_up):
        return f"parley channels add {channel}: it tells the provider a secret of ours, with the webhook"
    given = " ".join(f"--set {name}=@FILE" for name in names)
    fix = f"take it from the provider's console: parley channels add {channel} {given}"
    return f"{fix}; or, of the environment's account, {', '.join(variables)}" if all(variables) else fix


def _of_another(arrival: Arrival, channel: Channel) -> Finding:
    named = ", ".join(_last(each) for each in arrival.elsewhere) or "another"
    own = _masked(arrival.account) if arrival.account else "this one"
    found = f"well signed, and for the account {named}, where the URL's is {own}"
    return Finding(found, f"parley channels add {channel.name} with that address, or enter the URL of its own account")


def _unopened(arrival: Arrival) -> Finding:
    """The URL's account is one that can be opened, or else nothing was taken."""
    became = "the provider was told to come again" if arrival.account is None else "kept as it came, and not answered"
    found = f"storage cannot open the credentials of an account that it is for, so nobody can verify it: {became}"
    return Finding(found, "parley doctor names the account and what mends it; then parley listen --replay ID")


def _handshake(channel: Channel) -> Finding:
    fields = [each for each in channel.credential_fields if each.name == "verify_token"]
    if not fields:
        fix = "nothing, when it was you with a browser; the provider posts"
        return Finding("a GET, by which this provider never checks a URL", fix)
    fix = f"enter the same there and here: {_give(channel.name, fields)}"
    return Finding("the provider's check of the URL had another verify token, or none", fix)


def _masked(account: Account) -> str:
    return _last(account.known.address)


def _last(address: str) -> str:
    return f"…{address[-4:]}" if len(address) > 6 else address


def _bare(url: str) -> str:
    return url.partition("?")[0] + ("?…" if "?" in url else "")


_PLAIN = {"accepted": Finding(), "answered": Finding(), "nothing": Finding()} | {
    "duplicate": Finding("it was here before: acknowledged, and nothing is done twice"),
    "unreadable": Finding(
        "theirs, and we cannot read it; kept as it came, and answered so that it is not repeated",
        "the body shows what it is: parley listen ID --text",
    ),
}

_REASONS = {
    "method": Finding("neither POST nor GET", "providers post: what called this URL?"),
    "too_large": Finding("the body is larger than is taken", "HTTP_MAX_BODY_BYTES, when it is the provider's"),
    "media_type": Finding(
        "neither a form nor JSON, or compressed", "a proxy must not change content-type, nor compress what it passes on"
    ),
    "gone": Finding("the client left before its body had come", "is the way in slow? See HTTP_RECEIVE_SECONDS"),
    "signature_error": Finding(
        "its proof is malformed: it cannot even be compared",
        "it is not the provider, or a proxy changes headers",
    ),
    "STORAGE_UNAVAILABLE": Finding("storage does not answer; the provider was told to come again", "parley doctor"),
    "QUEUE_FULL": Finding(
        "too much waits to be answered; the provider was told to come again", "parley turns shows what waits"
    ),
    "RATE_LIMITED": Finding("too many messages of one chat", "CHAT_MESSAGES_PER_MINUTE"),
}
