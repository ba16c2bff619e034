"""Which application is a Discord bot's, and where do its interactions go?

https://docs.discord.com/developers/resources/application#get-current-application
"""

import hmac
import re
from typing import Any

import orjson

from channels import discord_errors
from channels.channel import Answer, Call, Unauthorized, Unavailable
from channels.discord_replies import API_BASE_URL, TIMEOUT_SECONDS, USER_AGENT
from channels.payload import string
from channels.setup import Asking, Candidate, Known, Refused, Standing

PORTAL = "https://discord.com/developers/applications"
TOKEN_PAGE = f"{PORTAL} > the application > Bot > Reset Token"
KEY_PAGE = f"{PORTAL} > the application > General Information > Public Key"
# Discord tries the URL out before it takes it, with a signed request and with a forged one.
UNVERIFIED = "the gateway must answer at PUBLIC_BASE_URL from outside; docs/channels/discord.md has the clicks"

_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)


class DiscordSetup:
    """An application's."""

    made_up: tuple[str, ...] = ()
    url_ending: str = ""

    def probe(self, candidate: Candidate) -> Asking[Known]:
        """The application; its key is compared, since with another one every interaction would be refused."""
        told = _application((yield _call(candidate, "GET")))
        key = string(told.get("verify_key")).lower().encode()
        if not hmac.compare_digest(key, candidate.credentials.get("public_key", "").lower().encode()):
            raise Refused("the public_key is another application's than the bot_token", fix=KEY_PAGE)
        return Known(string(told.get("name")), string(told.get("id")), ())

    def inspect(self, candidate: Candidate) -> Asking[tuple[Standing, ...]]:
        """The endpoint that stands at the application."""
        url = string(_application((yield _call(candidate, "GET"))).get("interactions_endpoint_url"))
        return (_standing(url, candidate),)

    def register(self, candidate: Candidate) -> Asking[None]:
        """Discord asks the gateway before it answers."""
        answer = yield _call(candidate, "PATCH", url=candidate.webhook_url)
        if answer.status == 400:
            raise Refused("Discord could not verify the URL", fix=UNVERIFIED, provider_code="400")
        _application(answer)

    def unregister(self, candidate: Candidate) -> Asking[bool]:
        """An endpoint that leads elsewhere is somebody else's, and stays."""
        told = _application((yield _call(candidate, "GET")))
        if not candidate.was_ours(string(told.get("interactions_endpoint_url"))):
            return False
        _application((yield _call(candidate, "PATCH", url=None)))
        return True

    def clicks(self, candidate: Candidate) -> tuple[str, ...]:
        """With the URL to enter."""
        url = candidate.webhook_url or f"https://<your host>{candidate.webhook_path}"
        return (f"{PORTAL} > the application > General Information > Interactions Endpoint URL: {url}", "Save Changes")


def _standing(url: str, candidate: Candidate) -> Standing:
    if not url:
        return Standing(False, "none is set: no command reaches us")
    if not candidate.public_base_url:
        return Standing(False, "set, but whether to us cannot be said", "set PUBLIC_BASE_URL to what the mesh has")
    if not candidate.is_here(url):
        return Standing(False, "set to another address: it gets what people say, and we do not")
    return Standing(True, f"set to {url}")


def _call(candidate: Candidate, method: str, **changed: str | None) -> Call:
    token = candidate.credentials.get("bot_token", "")
    if not _TOKEN.fullmatch(token):
        raise Refused("the bot_token does not look like one", fix=TOKEN_PAGE)
    base = (candidate.api_base_url or API_BASE_URL).rstrip("/")
    headers = {"user-agent": USER_AGENT, "accept": "application/json", "authorization": f"Bot {token}"}
    body = orjson.dumps({"interactions_endpoint_url": changed["url"]}) if changed else b""
    if changed:
        headers["content-type"] = "application/json"
    return Call(method, f"{base}/applications/@me", headers, body, TIMEOUT_SECONDS)


def _application(answer: Answer) -> dict[str, Any]:
    if not 200 <= answer.status < 300:
        failure = discord_errors.failure(answer)
        if isinstance(failure, Unauthorized):
            raise Refused("Discord refuses this bot_token", fix=TOKEN_PAGE, provider_code=failure.provider_code)
        raise failure
    told = discord_errors.content(answer)
    if not told.get("id"):
        raise Unavailable("what answered is not Discord", provider_code=str(answer.status))
    return told
