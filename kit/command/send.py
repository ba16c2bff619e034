"""What does `parley send` do? Posts the webhook that a provider would post, correctly signed, and says what came."""

import importlib
import time
from dataclasses import dataclass
from typing import Any

import httpx

from kit.command import accounts, reaching, services
from kit.command.screen import Mistake, say
from kit.ids import new_id
from kit.moments import utc_now

SENDERS = {"twilio": "+15550001234"}  # a number for phones; an id of digits serves the others
ANYBODY = "15550001234"
POST_SECONDS = 15.0

# status -> what to do about it
FIXES = {
    401: "the gateway checks with other credentials than these, or PUBLIC_BASE_URL differs between it and here",
    403: "the account's address there is another one than the one set here",
    404: "the gateway has no such account: set its variables where the mesh runs, or give --account-key",
    413: "the text is too long for a webhook",
    429: "too many requests; wait a little",
    503: "the mesh cannot accept now; ask: parley doctor",
}


@dataclass(frozen=True, slots=True)
class Saying:
    """What a person says, where."""

    channel: str
    text: str
    sender: str | None = None
    account_key: str | None = None


async def run(saying: Saying, *, url: str | None, repeat: int) -> int:
    """Returns the exit code: 0 when every copy was answered 2xx."""
    gateway = services.settings_of(services.named("gateway"))
    base = reaching.base_url(url, gateway)
    webhook = _webhook(saying, str(gateway.public_base_url or base))
    path = webhook.url.removeprefix(_origin(webhook.url))
    async with reaching.web(base, timeout_seconds=POST_SECONDS) as client:
        statuses = [await _post(client, base + path, webhook=webhook) for _copy in range(repeat)]
    return 0 if all(200 <= status < 300 for status in statuses) else 1


async def _post(client: httpx.AsyncClient, url: str, *, webhook: Any) -> int:
    began = time.monotonic()
    try:
        answer = await client.request(webhook.method, url, headers=dict(webhook.headers), content=webhook.body)
    except httpx.HTTPError as error:
        raise Mistake(
            f"no gateway answers at {_origin(url)}", fix="start it: parley up; or name it: --url", code=1
        ) from error
    took = (time.monotonic() - began) * 1000
    say(f"{answer.status_code} {answer.reason_phrase} in {took:.0f} ms", "" if answer.is_success else "yellow")
    if answer.status_code in FIXES:
        say(f"fix: {FIXES[answer.status_code]}")
    return answer.status_code


def _webhook(saying: Saying, public_base: str) -> Any:
    account = accounts.account(saying.channel)
    if not any(each.environment for each in account.channel.credential_fields):
        raise Mistake(f"{saying.channel} has no webhooks of a provider", fix="talk to the agent with: parley chat")
    if account.missing:
        names = ", ".join(account.missing)
        raise Mistake(
            f"not set: {names}", fix=f"set what the mesh has, for example {account.missing[0]}=… parley send …"
        )
    protocol = importlib.import_module("channels.channel")
    path = f"/webhook/{saying.channel}" + (f"/{saying.account_key}" if saying.account_key else "")
    imitation = protocol.Imitation(
        text=saying.text,
        sender=saying.sender or SENDERS.get(account.channel.provider, ANYBODY),
        address=account.address,
        url=public_base.rstrip("/") + path,
        message_id=new_id(),
        now=utc_now(),
    )
    try:
        return account.channel.imitate(imitation, protocol.Credentials(account.credentials))
    except ValueError as error:
        raise Mistake(str(error), fix=f"see docs/channels/{saying.channel}.md") from None


def _origin(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode()}"
