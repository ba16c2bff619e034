"""Who is a Telegram bot, and where do its updates go? https://core.telegram.org/bots/api#getting-updates

The token stands in every URL, and other programs put theirs into the path of a webhook: no path is ever shown.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson

from channels.channel import Answer, Call
from channels.failures import by_status, error, retry_after
from channels.payload import content, integer, mapping, string
from channels.setup import Asking, Candidate, Known, Refused, Standing
from channels.telegram import API_BASE_URL, TIMEOUT_SECONDS
from channels.telegram_updates import ALLOWED_UPDATES

BOTFATHER = "in Telegram, @BotFather > /mybots > the bot > API Token shows it; a revoked one has a successor there"

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_QUOTED = 160  # characters of what Telegram says, at most
_NOT_REACHED = "the gateway must answer at PUBLIC_BASE_URL from outside, by IPv4, on port 443, 80, 88 or 8443"
# How getWebhookInfo words the last error -> what to do; "" sets the webhook again.
_ERRORS = (
    ("401", ""),  # the secret that Telegram shows is not the one that is stored
    ("404", "the gateway has no such account: it may be disabled, or the mesh has another database"),
    ("503", "the mesh cannot accept now; ask: parley doctor"),
    ("certificate", "PUBLIC_BASE_URL needs a certificate that a browser accepts, with its whole chain"),
    ("ssl", "PUBLIC_BASE_URL needs a certificate that a browser accepts, with its whole chain"),
    ("connection", _NOT_REACHED),
    ("timed out", _NOT_REACHED),
    ("resolve", "the host of PUBLIC_BASE_URL has no address that Telegram can find"),
)


class TelegramSetup:
    """A bot's."""

    made_up = ("webhook_secret",)
    url_ending = ""

    def probe(self, candidate: Candidate) -> Asking[Known]:
        """One getMe."""
        if not _TOKEN.fullmatch(candidate.credentials.get("bot_token", "")):
            raise Refused("the bot_token does not look like one: 123456:ABC…", fix=BOTFATHER)
        secret = candidate.credentials.get("webhook_secret")
        if secret is not None and not _SECRET.fullmatch(secret):
            raise Refused("Telegram does not take this webhook_secret", fix="use A-Z a-z 0-9 _ -, at most 256 of them")
        bot = mapping(_result((yield _call(candidate, "getMe"))))
        notes = () if bot.get("can_read_all_group_messages") is True else (_PRIVACY,)
        username = string(bot.get("username"))
        return Known(string(bot.get("first_name")) or username, username and f"@{username}", notes)

    def inspect(self, candidate: Candidate) -> Asking[tuple[Standing, ...]]:
        """One getWebhookInfo."""
        told = mapping(_result((yield _call(candidate, "getWebhookInfo"))))
        where = _where(string(told.get("url")), candidate)
        return (where, *_queue(told), *_kinds(told)) if where.good else (where,)

    def register(self, candidate: Candidate) -> Asking[None]:
        """One setWebhook. What waits at Telegram comes to the new address."""
        body = {
            "url": candidate.webhook_url,
            "secret_token": candidate.credentials.get("webhook_secret", ""),
            "allowed_updates": ALLOWED_UPDATES,
        }
        _result((yield _call(candidate, "setWebhook", body=body)))

    def unregister(self, candidate: Candidate) -> Asking[bool]:
        """A webhook that leads elsewhere is somebody else's, and stays."""
        told = mapping(_result((yield _call(candidate, "getWebhookInfo"))))
        if not candidate.was_ours(string(told.get("url"))):
            return False
        _result((yield _call(candidate, "deleteWebhook", body={"drop_pending_updates": False})))
        return True

    def clicks(self, candidate: Candidate) -> tuple[str, ...]:
        """There is no console: a command sets it."""
        return (f"when PUBLIC_BASE_URL is https, the same command sets it; it will be {candidate.webhook_path}",)


_PRIVACY = "in groups it hears commands, mentions and replies only (@BotFather > Bot Settings > Group Privacy)"


def _where(url: str, candidate: Candidate) -> Standing:
    if not url:
        return Standing(False, "none is set: what people write stays at Telegram, for a day")
    if not candidate.public_base_url:
        fix = "set PUBLIC_BASE_URL to what the mesh has"
        return Standing(False, f"set to {host_of(url)}; whether that is here cannot be said", fix)
    if not candidate.is_here(url):
        return Standing(False, f"set to another address, at {host_of(url)}: it gets what people write, and we do not")
    return Standing(True, f"set to {url}")


def _queue(told: Mapping[str, object]) -> tuple[Standing, ...]:
    """An old error is kept by Telegram after all is well again: only with updates that wait does it matter."""
    waiting, said = integer(told.get("pending_update_count")) or 0, string(told.get("last_error_message"))
    if not waiting:
        return (Standing(True, f"nothing waits; the last error was: {_quoted(said)}" if said else "nothing waits"),)
    if not said:
        return (Standing(True, f"{waiting} updates wait, and no error is known"),)
    fix = next((mends for word, mends in _ERRORS if word in said.lower()), "the gateway's log says what it answered")
    return (Standing(False, f"{waiting} updates wait; the last error: {_quoted(said)}", fix),)


def _kinds(told: Mapping[str, object]) -> tuple[Standing, ...]:
    allowed = told.get("allowed_updates")
    missing = [each for each in ALLOWED_UPDATES if isinstance(allowed, list) and each not in allowed]
    return (Standing(False, f"Telegram keeps back: {', '.join(missing)}"),) if missing else ()


def _call(candidate: Candidate, method: str, *, body: Mapping[str, object] | None = None) -> Call:
    base = (candidate.api_base_url or API_BASE_URL).rstrip("/")
    headers = {"content-type": "application/json", "accept": "application/json"}
    url = f"{base}/bot{candidate.credentials.get('bot_token', '')}/{method}"
    return Call("POST", url, headers, orjson.dumps(body or {}), TIMEOUT_SECONDS)


def _result(answer: Answer) -> object:
    told = content(answer.body)
    if told.get("ok") is True:
        return told.get("result")
    code, said = integer(told.get("error_code")), string(told.get("description"))
    if code in (401, 404):  # the method exists: it is the token that Telegram does not know
        raise Refused("Telegram does not know this bot_token", fix=BOTFATHER, provider_code=str(code))
    if code == 400:
        raise Refused(f"Telegram refuses: {_quoted(said)}", fix=_NOT_REACHED, provider_code="400")
    failure = by_status(code) if code else "unavailable"  # without a code it is not Telegram that answers
    stated = mapping(told.get("parameters")).get("retry_after")
    raise error(failure, provider_code=str(code or answer.status), retry_after=retry_after(answer, stated))


def _quoted(said: str) -> str:
    return said[:_QUOTED] or "nothing"


def host_of(url: str) -> str:
    """Of a webhook that somebody set, to be told to a person."""
    try:
        return urlsplit(url).hostname or "somewhere"
    except ValueError:
        return "somewhere"
