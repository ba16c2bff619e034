"""How is a Telegram bot heard without a public address? By asking for its updates, over and over.

https://core.telegram.org/bots/api#getupdates · An update is confirmed by asking for those after it, which is done only
when it is durable: what was not confirmed comes again, and again counts once.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from channels.channel import Answer, Call, DeliveryError, Throttled, Unauthorized, Unavailable
from channels.failures import by_status, error, retry_after
from channels.listening import Listened, Note, Pause, Steps, Take, wait_seconds
from channels.payload import content, integer, items, mapping, string, written
from channels.telegram import API_BASE_URL, TIMEOUT_SECONDS, is_token
from channels.telegram_setup import host_of
from channels.telegram_updates import ALLOWED_UPDATES

WAIT_SECONDS = 25  # Telegram answers at once when there is something, else after these
AGAIN_SECONDS = 1.0  # while storage is away
LEAST_CONFLICT_SECONDS = 5.0  # two who ask for the same bot's updates cut each other off: the more often, the worse


class TelegramPolling:
    """A bot's."""

    replaces_webhook = True
    told = "Parley asks Telegram for updates (long polling): no public address is needed"

    def listen(self, listened: Listened) -> Steps:
        """Takes the webhook away, then asks for updates for ever."""
        if not is_token(listened.credentials.get("bot_token", "")):
            raise Unauthorized("the bot token is not one")
        yield from _patiently(listened, lambda: _without_webhook(listened))
        # Nothing is confirmed but by a number after it. Where nothing is left to confirm none is said: after a quiet
        # week Telegram may count from anywhere.
        wait, offset = 0, 0
        while True:
            asked = _question(listened, wait=wait, offset=offset)
            updates = yield from _patiently(listened, asked)
            yield Note("listening")
            wait, offset = WAIT_SECONDS, 0
            for update in map(mapping, items(updates)):
                yield from _taken(update)
                offset = max(offset, (integer(update.get("update_id")) or -1) + 1)
            if updates and not offset:  # what is no update would come again at once, and for ever
                yield Pause(WAIT_SECONDS)


def _question(listened: Listened, *, wait: int, offset: int) -> Callable[[], Steps]:
    body: dict[str, object] = {"timeout": wait, "allowed_updates": ALLOWED_UPDATES}
    if offset:
        body["offset"] = offset
    return lambda: _asked(listened, "getUpdates", body=body, within_seconds=TIMEOUT_SECONDS + wait)


def _taken(update: Mapping[str, Any]) -> Steps:
    """Returns when it is durable, and not before."""
    while (yield Take(written(update))) is None:
        yield Note("troubled", "storage takes nothing now")
        yield Pause(AGAIN_SECONDS)


def _without_webhook(listened: Listened) -> Steps:
    """Telegram answers getUpdates of a bot without webhook only. What waits for a webhook comes with the updates."""
    told = mapping((yield from _asked(listened, "getWebhookInfo", body={})))
    where = string(told.get("url"))
    if where:
        yield Note("connecting", f"takes away the webhook at {host_of(where)}: updates are asked for instead")
        yield from _asked(listened, "deleteWebhook", body={"drop_pending_updates": False})


def _patiently(listened: Listened, question: Callable[[], Steps]) -> Steps:
    """What Telegram answers, after however many failures."""
    failures = 0
    while True:
        try:
            return (yield from question())
        except Unauthorized:
            raise
        except DeliveryError as failure:
            failures += 1
            yield Note("troubled", str(failure))
            yield Pause(_pause(failure, failures, listened=listened))


def _pause(failure: DeliveryError, failures: int, *, listened: Listened) -> float:
    if isinstance(failure, Throttled) and failure.retry_after is not None:
        return failure.retry_after.total_seconds()
    waits = wait_seconds(failures, listened.draw)
    return max(waits, LEAST_CONFLICT_SECONDS) if failure.provider_code == "409" else waits


def _asked(
    listened: Listened, method: str, *, body: Mapping[str, object], within_seconds: float = TIMEOUT_SECONDS
) -> Steps:
    base = (listened.api_base_url or API_BASE_URL).rstrip("/")
    headers = {"content-type": "application/json", "accept": "application/json"}
    url = f"{base}/bot{listened.credentials.get('bot_token', '')}/{method}"
    return _result((yield Call("POST", url, headers, orjson.dumps(body), within_seconds)))


def _result(answer: Answer) -> object:
    told = content(answer.body)
    if told.get("ok") is True:
        return told.get("result")
    code, said = integer(told.get("error_code")) or 0, string(told.get("description"))
    if code in (401, 404):  # the method exists: it is the token that Telegram does not know
        raise Unauthorized("Telegram does not know this bot_token", provider_code=str(code))
    if code == 409:
        raise Unavailable(_conflict(said), provider_code="409")
    # Without a code it is not Telegram that answers; and nothing that Telegram says to a question is lost for good.
    failure = by_status(code) if code in (429, *range(500, 600)) else "unavailable"
    stated = mapping(told.get("parameters")).get("retry_after")
    raise error(failure, provider_code=str(code or answer.status), retry_after=retry_after(answer, stated))


def _conflict(said: str) -> str:
    """https://github.com/tdlib/telegram-bot-api: in one case the words name the webhook, in the other getUpdates."""
    if "webhook" in said.lower():
        return "somebody has set a webhook for this bot meanwhile; Telegram gives its updates there"
    return "another program asks for the updates of this bot, perhaps another mesh: only one can have them"
